package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"carillon"
)

//go:embed migrations/sqlite/*.sql
var sqliteMigrations embed.FS

// Options opens an archive in a SQLite file.
type Options struct {
	// Path of the database file; created if absent. Two more files lie beside it while it is open: -wal and -shm.
	Path string
	// Sealer encrypts subscriptions at rest. Required.
	Sealer Sealer
	// Logger hears of what no caller is told. Required.
	Logger *slog.Logger
	// Readers bounds the reads under way at once. Default 4.
	Readers int
	// PageSize of a new file in bytes, a power of two from 512 to 65536. Default 4096.
	PageSize int
	// CacheBytes bounds the page cache of the writing connection; each reader has a quarter of it. Default 16 MiB.
	CacheBytes int
	// WALBytes is how long the write-ahead log may grow before commits wait for it to be put back into the file. Default 64 MiB.
	WALBytes int64
	// CheckpointEvery is the pause between two rounds that put the write-ahead log back into the file. Default 1 s.
	CheckpointEvery time.Duration
}

func (o *Options) fill() error {
	if o.Path == "" || o.Sealer == nil || o.Logger == nil {
		return errors.New("open sqlite: Path, Sealer and Logger are required")
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.PageSize == 0 {
		o.PageSize = 4096
	}
	if o.PageSize < 512 || o.PageSize > 65536 || o.PageSize&(o.PageSize-1) != 0 {
		return fmt.Errorf("open sqlite: page size %d is no power of two from 512 to 65536", o.PageSize)
	}
	if o.Readers < 0 || o.CacheBytes < 0 || o.WALBytes < 0 || o.CheckpointEvery < 0 {
		return errors.New("open sqlite: an option is negative")
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 16 << 20
	}
	if o.WALBytes == 0 {
		o.WALBytes = 64 << 20
	}
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = time.Second
	}
	return nil
}

// OpenSQLite opens the archive, creates it if absent and brings its tables up to date. The file belongs to one serving
// process; others may read it and write a little.
func OpenSQLite(ctx context.Context, o Options) (*Store, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("open sqlite: %w", err)
	}
	e := &sqliteEngine{
		path: path, log: o.Logger, every: o.CheckpointEvery, walBytes: o.WALBytes,
		dirty: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	s := &Store{log: o.Logger, engine: e}
	s.flavor = &sqliteFlavor
	s.sealer = o.Sealer

	common := []string{
		"PRAGMA busy_timeout = 10000",
		"PRAGMA page_size = " + strconv.Itoa(o.PageSize),
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA wal_autocheckpoint = 0", // commits shall not pay for it; see sqliteEngine.checkpoint
		"PRAGMA foreign_keys = OFF",
		"PRAGMA temp_store = MEMORY",
	}
	cache := func(n int) string { return "PRAGMA cache_size = " + strconv.Itoa(-n>>10) }
	e.writers = openSQLitePool(path, 1, append(common, cache(o.CacheBytes))...)
	e.readers = openSQLitePool(path, o.Readers, append(common, cache(o.CacheBytes/4), "PRAGMA query_only = ON")...)
	e.checkpoints = openSQLitePool(path, 1, append(common, cache(256<<10))...)
	if err := e.open(ctx); err != nil {
		_ = e.closePools()
		return nil, fmt.Errorf("open %s: %w", o.Path, translateSQLite(err))
	}
	s.writer = &session{on: e.writer, flavor: s.flavor}
	s.db = e.readers
	s.pool = &session{on: e.readers, flavor: s.flavor}
	e.working.Go(e.checkpointAll)
	s.start()
	return s, nil
}

var sqliteFlavor = flavor{
	begin:     "BEGIN IMMEDIATE",
	view:      sql.TxOptions{ReadOnly: true},
	translate: translateSQLite,
	rewrite:   plainParameters,
}

// plainParameters replaces $1, $2, … by question marks where they come once each and in order. The driver looks up the
// name of every parameter that has one, each time it is bound.
func plainParameters(text string) string {
	parts := strings.Split(text, "$")
	var b strings.Builder
	b.WriteString(parts[0])
	for i, part := range parts[1:] {
		rest, ok := strings.CutPrefix(part, strconv.Itoa(i+1))
		if !ok || rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return text
		}
		b.WriteByte('?')
		b.WriteString(rest)
	}
	return b.String()
}

// openSQLitePool makes a pool whose connections begin with the statements of setup.
func openSQLitePool(path string, size int, setup ...string) *sql.DB {
	pool := sql.OpenDB(sqliteConnector{path: path, setup: setup})
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool
}

// sqliteConnector opens connections and sets them up in a given order (a DSN's pragmas come in alphabetic order, too late
// for page_size).
type sqliteConnector struct {
	path  string
	setup []string
}

func (c sqliteConnector) Driver() driver.Driver { return &sqlite.Driver{} }

func (c sqliteConnector) Connect(ctx context.Context) (driver.Conn, error) {
	dsn := (&url.URL{Scheme: "file", Path: c.path}).String()
	base, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := base.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, text := range c.setup {
		if _, err := conn.(driver.ExecerContext).ExecContext(ctx, text, nil); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%s: %w", text, err)
		}
	}
	return conn, nil
}

// sqliteEngine owns the connections to a SQLite file, and puts the write-ahead log back into the file beside the commits.
type sqliteEngine struct {
	path     string
	log      *slog.Logger
	every    time.Duration
	walBytes int64

	writers, readers, checkpoints *sql.DB
	writer                        *sql.Conn // of writers: the committer's

	dirty   chan struct{} // has room for one: something was committed
	stop    chan struct{}
	working sync.WaitGroup

	// long is set when the write-ahead log is too long to go on without putting all of it back.
	mu   sync.Mutex
	long bool
}

// open connects and migrates.
func (e *sqliteEngine) open(ctx context.Context) error {
	migrations, err := fs.Sub(sqliteMigrations, "migrations/sqlite")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, e.writers, migrations)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if e.writer, err = e.writers.Conn(ctx); err != nil {
		return err
	}
	return nil
}

// committed lets the checkpointer know, and puts the whole write-ahead log back when it has grown too long: only while
// nobody writes can it be begun anew.
func (e *sqliteEngine) committed(ctx context.Context) {
	select {
	case e.dirty <- struct{}{}:
	default:
	}
	e.mu.Lock()
	long := e.long
	e.long = false
	e.mu.Unlock()
	if !long {
		return
	}
	if _, err := e.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(RESTART)"); err != nil {
		e.log.WarnContext(ctx, "restart write-ahead log", "error", err)
	}
}

// checkpointAll puts the write-ahead log back into the file, in rounds, while there are commits, and shortens it when they
// pause.
func (e *sqliteEngine) checkpointAll() {
	ctx := context.Background()
	timer := time.NewTimer(e.every)
	defer timer.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-e.dirty:
		}
		for idle := false; !idle; {
			timer.Reset(e.every)
			select {
			case <-e.stop:
				return
			case <-timer.C:
			}
			select {
			case <-e.dirty:
			default:
				idle = true
			}
			e.checkpoint(ctx, idle)
		}
	}
}

// checkpoint makes one round.
func (e *sqliteEngine) checkpoint(ctx context.Context, idle bool) {
	var busy, frames, done int64
	err := e.checkpoints.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &frames, &done)
	if err != nil {
		e.log.Warn("put back write-ahead log", "error", err)
		return
	}
	info, err := os.Stat(e.path + "-wal")
	if err != nil {
		return // it is gone: nothing to shorten
	}
	switch {
	case idle && info.Size() > e.walBytes/4:
		// Gives up at once if a reader or writer is in the way; there will be another pause.
		if _, err := e.checkpoints.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			e.log.Debug("shorten write-ahead log", "error", err)
		}
	case info.Size() > e.walBytes:
		e.mu.Lock()
		e.long = true
		e.mu.Unlock()
	}
}

// size is that of the file and its write-ahead log.
func (e *sqliteEngine) size(context.Context) (int64, error) {
	var total int64
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(e.path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("measure archive: %w", err)
		}
		total += info.Size()
	}
	return total, nil
}

// close puts the write-ahead log back for good and closes the connections.
func (e *sqliteEngine) close() error {
	close(e.stop)
	e.working.Wait()
	var err error
	if e := e.readers.Close(); e != nil {
		err = e
	}
	if _, e := e.writer.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)"); e != nil && err == nil {
		err = e
	}
	return wrap("close archive", errors.Join(err, e.writer.Close(), e.closePools()))
}

func (e *sqliteEngine) closePools() error {
	return errors.Join(e.checkpoints.Close(), e.readers.Close(), e.writers.Close())
}

// translateSQLite gives SQLite's errors the house's codes.
func translateSQLite(err error) error {
	if err == nil {
		return nil
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return translateSQL(err)
	}
	refuse := func(code carillon.Code, message, hint string) error {
		return &carillon.Error{Code: code, Message: message, Hint: hint, Err: err}
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT:
		return refuse(carillon.CodeConflict, "it exists already", "")
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return refuse(carillon.CodeUnavailable, "the archive is in use by another process", "see who else has the database file open")
	case sqlite3.SQLITE_FULL:
		return refuse(carillon.CodeUnavailable, "the disk is full", "make room on the volume of the data directory")
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return refuse(carillon.CodeUnavailable, "the archive cannot be read or written", "check the volume and the permissions of the data directory")
	case sqlite3.SQLITE_INTERRUPT:
		return context.Canceled
	default:
		return err
	}
}

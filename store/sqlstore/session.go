package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// flavor lists what the SQL body must know of its engine.
type flavor struct {
	// begin starts the transaction of a batch.
	begin string
	// view is how a reader opens a transaction that sees one state of everything.
	view sql.TxOptions
	// translate gives a driver's error the house's code, where it has one.
	translate func(error) error
	// rewrite, if not nil, gives a statement the text that this driver runs best.
	rewrite func(text string) string
}

// row is one row of a result.
type row interface{ Scan(dest ...any) error }

// querier runs queries: on the readers' pool, inside a view, or on the committer's connection.
type querier interface {
	// each calls scan for each row until there are no more or scan fails.
	each(ctx context.Context, scan func(row) error, text string, args ...any) error
}

// errEnough as the result of a scan ends a query without an error.
var errEnough = errors.New("enough rows")

// list reads all rows, one value each.
func list[T any](ctx context.Context, q querier, scan func(row) (T, error), text string, args ...any) ([]T, error) {
	var values []T
	err := q.each(ctx, func(r row) error {
		v, err := scan(r)
		values = append(values, v)
		return err
	}, text, args...)
	if err != nil {
		return nil, err
	}
	return values, nil
}

// first reads the first row, and reports whether there is one.
func first[T any](ctx context.Context, q querier, scan func(row) (T, error), text string, args ...any) (value T, ok bool, err error) {
	err = q.each(ctx, func(r row) error {
		if value, err = scan(r); err != nil {
			return err
		}
		ok = true
		return errEnough
	}, text, args...)
	return value, ok, err
}

// scanOne reads rows of one column.
func scanOne[T any](r row) (v T, err error) {
	err = r.Scan(&v)
	return v, err
}

// maxStatements bounds the prepared statements kept: the body has fewer, all but the lists' filters.
const maxStatements = 256

// connection is what a session runs on: *sql.DB or *sql.Conn.
type connection interface {
	PrepareContext(ctx context.Context, text string) (*sql.Stmt, error)
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

// session runs statements and prepares each text once.
type session struct {
	on connection
	*flavor

	prepared sync.Map // text → *sql.Stmt
	count    atomic.Int64
}

// statement prepares text, or gives nil when enough statements are kept already.
func (s *session) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt, ok := s.prepared.Load(text); ok {
		return stmt.(*sql.Stmt), nil
	}
	if s.count.Load() >= maxStatements {
		return nil, nil
	}
	spoken := text
	if s.rewrite != nil {
		spoken = s.rewrite(text)
	}
	stmt, err := s.on.PrepareContext(ctx, spoken)
	if err != nil {
		return nil, err
	}
	if earlier, loaded := s.prepared.LoadOrStore(text, stmt); loaded {
		_ = stmt.Close()
		return earlier.(*sql.Stmt), nil
	}
	s.count.Add(1)
	return stmt, nil
}

func (s *session) each(ctx context.Context, scan func(row) error, text string, args ...any) error {
	stmt, err := s.statement(ctx, text)
	if err != nil {
		return s.translate(err)
	}
	var rows *sql.Rows
	if stmt != nil {
		rows, err = stmt.QueryContext(ctx, args...)
	} else {
		rows, err = s.on.QueryContext(ctx, text, args...)
	}
	return scanAll(rows, err, scan, s.translate)
}

// exec runs a statement and gives the number of rows it touched.
func (s *session) exec(ctx context.Context, text string, args ...any) (int64, error) {
	stmt, err := s.statement(ctx, text)
	if err != nil {
		return 0, s.translate(err)
	}
	if stmt == nil {
		return 0, fmt.Errorf("more than %d statements", maxStatements)
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, s.translate(err)
	}
	return result.RowsAffected()
}

// view is a session inside a read transaction.
type view struct {
	tx   *sql.Tx
	pool *session
}

func (v view) each(ctx context.Context, scan func(row) error, text string, args ...any) error {
	stmt, err := v.pool.statement(ctx, text)
	if err != nil {
		return v.pool.translate(err)
	}
	var rows *sql.Rows
	if stmt != nil {
		rows, err = v.tx.StmtContext(ctx, stmt).QueryContext(ctx, args...)
	} else {
		rows, err = v.tx.QueryContext(ctx, text, args...)
	}
	return scanAll(rows, err, scan, v.pool.translate)
}

func scanAll(rows *sql.Rows, err error, scan func(row) error, translate func(error) error) error {
	if err != nil {
		return translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return translate(err)
	}
	return nil
}

// translateSQL gives the errors of database/sql itself the house's codes.
func translateSQL(err error) error {
	if errors.Is(err, sql.ErrConnDone) || err.Error() == "sql: database is closed" {
		return errClosed
	}
	return err
}

// wrap puts the deed in front of an error; nil stays nil.
func wrap(deed string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", deed, err)
}

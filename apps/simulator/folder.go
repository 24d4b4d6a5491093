package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"
	"sync"
	"time"

	"carillon"
	"carillon/apps"
	"carillon/apps/workshop"
	"carillon/store"
)

// Shelf is what a folder asks of the workshop (see workshop.Desk).
type Shelf interface {
	Install(ctx context.Context, org string, i workshop.Installation) (*carillon.App, error)
	Upgrade(ctx context.Context, org, id string, i workshop.Installation) (*carillon.App, error)
	Package(ctx context.Context, org, id string) (*apps.App, error)
	Invocations(ctx context.Context, q store.InvocationQuery) ([]*carillon.Invocation, error)
}

var _ Shelf = workshop.Desk(nil)

// defaultPoll is how often a folder looks at its files. Looking costs one stat a file, and there are 2,000 at most.
const defaultPoll = 500 * time.Millisecond

// FolderConfig says which app is installed where. Files, Shelf and Org must be set.
type FolderConfig struct {
	Files  fs.FS // the app's directory
	Name   string
	Shelf  Shelf
	Org    string
	Checks apps.Checks
	Poll   time.Duration // between two looks at the files; default 500 ms
}

// Folder keeps an installation as the files of a directory are: when they change, the app is installed anew, and if it has
// faults, what was installed before stays.
type Folder struct {
	config FolderConfig

	mu       sync.Mutex
	state    State
	watchers map[chan struct{}]struct{}

	// Those below belong to the one who calls Load and Run.
	seen    fingerprint
	heardUp int64          // the position of the last invocation that was counted
	ran     map[string]int // handlers, by how often they ran
}

// State is how a folder fares.
type State struct {
	App      string         // the installation's id; empty as long as the app was never without faults
	Version  int64          // counts what was read: it differs from one state to the next
	At       time.Time      // when the files were read
	Findings []apps.Finding // about the files as they are now
	Err      string         // why they are not what is installed; empty if they are
}

// Errors counts the findings that keep the app from being installed.
func (s State) Errors() int {
	n := 0
	for _, f := range s.Findings {
		if f.Severity == apps.SeverityError {
			n++
		}
	}
	return n
}

// NewFolder makes a Folder; nothing is read yet.
func NewFolder(c FolderConfig) (*Folder, error) {
	if c.Files == nil || c.Shelf == nil || c.Org == "" {
		return nil, errors.New("simulator: the folder's config lacks Files, Shelf or Org")
	}
	if c.Poll <= 0 {
		c.Poll = defaultPoll
	}
	return &Folder{config: c, watchers: map[chan struct{}]struct{}{}, ran: map[string]int{}}, nil
}

// State gives how the folder fares.
func (f *Folder) State() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// Watch gives a channel that receives after the state has changed.
func (f *Folder) Watch() (nudges <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watchers[c] = struct{}{}
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.watchers, c)
	}
}

func (f *Folder) become(s State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Version = f.state.Version + 1
	f.state = s
	for c := range f.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Load installs the app as its files are now. Faults of the app are in the state; the error is for what is not the app's doing.
func (f *Folder) Load(ctx context.Context) error {
	f.seen = fingerprintOf(f.config.Files)
	return f.install(ctx)
}

// Run installs the app anew whenever its files have changed, until ctx ends.
func (f *Folder) Run(ctx context.Context) error {
	tick := time.NewTicker(f.config.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := f.count(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		now := fingerprintOf(f.config.Files)
		if maps.Equal(now, f.seen) {
			continue
		}
		f.seen = now
		if err := f.install(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// install reads the files and has the shelf take them.
func (f *Folder) install(ctx context.Context) error {
	state := State{App: f.State().App, At: time.Now()}
	var zip bytes.Buffer
	var err error
	if state.Findings, err = apps.Pack(ctx, f.config.Files, &zip, f.config.Checks); err == nil {
		i := workshop.Installation{Name: f.config.Name, Package: zip.Bytes(), Trial: true}
		var app *carillon.App
		if state.App == "" {
			app, err = f.config.Shelf.Install(ctx, f.config.Org, i)
		} else {
			app, err = f.config.Shelf.Upgrade(ctx, f.config.Org, state.App, i)
		}
		if err == nil {
			state.App = app.ID
		}
	}
	if known, ok := errors.AsType[*carillon.Error](err); ok && known.Code != carillon.CodeInternal {
		state.Err, err = known.Message, nil
		if state.Errors() == 0 { // the shelf refused what has no faults of its own
			state.Err = strings.TrimPrefix(known.Error(), string(known.Code)+": ")
		}
	}
	if err != nil {
		return fmt.Errorf("install the app: %w", err)
	}
	f.become(state)
	return nil
}

// fingerprint tells by path whether a file changed: its size and time.
type fingerprint map[string]stamp

type stamp struct {
	size int64
	at   time.Time
}

// fingerprintOf walks the files that may belong to the app. What cannot be read now is as if it were not there.
func fingerprintOf(files fs.FS) fingerprint {
	seen := fingerprint{}
	_ = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a file that goes away while it is looked at
		}
		base := path.Base(name)
		if name != "." && (strings.HasPrefix(base, ".") || base == "node_modules") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		if len(seen) > apps.MaxFiles {
			return fs.SkipAll
		}
		if info, err := d.Info(); err == nil {
			seen[name] = stamp{info.Size(), info.ModTime()}
		}
		return nil
	})
	return seen
}

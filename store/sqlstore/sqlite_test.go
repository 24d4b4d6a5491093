package sqlstore_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/store/storetest"
	"carillon/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vaultOf is one for all tests: making a key costs an fsync.
var vaultOf = sync.OnceValues(func() (*vault.Vault, error) {
	return vault.FromKey("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
})

// open opens the archive in a file, and closes it when the test ends.
func open(t testing.TB, path string, change ...func(*sqlstore.Options)) *sqlstore.Store {
	t.Helper()
	v, err := vaultOf()
	if err != nil {
		t.Fatal(err)
	}
	o := sqlstore.Options{Path: path, Sealer: v, Logger: slog.New(slog.DiscardHandler)}
	for _, fn := range change {
		fn(&o)
	}
	s, err := sqlstore.OpenSQLite(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSQLite(t *testing.T) {
	var paths sync.Map // store → path
	storetest.Run(t, func(t *testing.T) store.Store {
		path := filepath.Join(t.TempDir(), "carillon #1?.db")
		s := open(t, path)
		paths.Store(store.Store(s), path)
		return s
	}, storetest.WithCrash(func(t *testing.T, s store.Store) store.Store {
		// What a killed process leaves behind is the two files as they are, and nobody's lock.
		path, _ := paths.Load(s)
		left := filepath.Join(t.TempDir(), "left.db")
		for _, suffix := range []string{"", "-wal"} {
			copyFile(t, path.(string)+suffix, left+suffix)
		}
		return open(t, left)
	}))
}

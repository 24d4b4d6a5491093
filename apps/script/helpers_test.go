package script_test

import (
	"context"
	"os"
	"testing"

	"carillon/apps/script"

	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// compile makes a program whose entry is server/server.js.
func compile(tb testing.TB, c script.Config, files map[string]string) *script.Program {
	tb.Helper()
	p, err := script.Compile(tb.Context(), files, "server/server.js", c)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func newPool(tb testing.TB, c script.Config) *script.Pool {
	pool := script.NewPool(c)
	tb.Cleanup(func() {
		pool.Close()
		if s := pool.Stats(); s != (script.Stats{}) {
			tb.Errorf("after Close: %+v", s)
		}
	})
	return pool
}

// contactEvent is the vendor's event of a new contact, of 5 KB.
func contactEvent(tb testing.TB) jsontext.Value {
	tb.Helper()
	b, err := os.ReadFile("testdata/onContactCreate.json")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// host is a Host made of a function.
type host func(ctx context.Context, function string, args jsontext.Value) (jsontext.Value, error)

func (h host) Call(ctx context.Context, function string, args jsontext.Value) (jsontext.Value, error) {
	return h(ctx, function, args)
}

package access_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"carillon"
	"carillon/access"
	"carillon/store"
	"carillon/store/sqlstore"
	"carillon/vault"
)

// clock is a time that only moves when told.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// counted is an archive that counts look-ups.
type counted struct {
	*sqlstore.Store
	lookups int
}

func (c *counted) KeyByHash(ctx context.Context, hash [32]byte) (*carillon.Key, error) {
	c.lookups++
	return c.Store.KeyByHash(ctx, hash)
}

func open(t *testing.T, dev bool) (*access.Gate, *counted, *clock) {
	t.Helper()
	sealer, err := vault.Open(filepath.Join(t.TempDir(), "vault"))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := sqlstore.OpenSQLite(t.Context(), sqlstore.Options{
		Path: filepath.Join(t.TempDir(), "carillon.db"), Sealer: sealer, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := archive.Close(); err != nil {
			t.Error(err)
		}
	})
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s := &counted{Store: archive}
	return access.New(s, access.Options{Dev: dev, Now: c.Now}), s, c
}

func TestAKeyIsFoundByItsSecretOnly(t *testing.T) {
	g, s, _ := open(t, false)
	key, secret, err := g.Create(t.Context(), "acme", "  ours  ", carillon.RightWrite, carillon.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^ck_[a-z2-7]{52}$`).MatchString(secret) {
		t.Errorf("secret %q", secret)
	}
	if key.Name != "ours" || key.Actor.ID != key.ID || key.Org != "acme" {
		t.Errorf("key %+v", key)
	}
	_, other, err := g.Create(t.Context(), "acme", "other", carillon.RightRead, carillon.Actor{ID: "U1"})
	if err != nil || other == secret {
		t.Errorf("a second secret: %v", err)
	}
	found, err := g.Authenticate(t.Context(), secret)
	if err != nil || found.ID != key.ID || found.Right != carillon.RightWrite {
		t.Errorf("found %+v, %v", found, err)
	}
	keys, err := s.Keys(t.Context(), "acme")
	if err != nil || len(keys) != 2 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	for _, wrong := range []string{"", "dev", "x", secret + "a", secret[:len(secret)-1], strings.ToUpper(secret), strings.Repeat("k", 1<<20), string(key.Hash[:])} {
		if _, err := g.Authenticate(t.Context(), wrong); carillon.ErrorCode(err) != carillon.CodeUnauthorized {
			t.Errorf("secret %.20q: %v", wrong, err)
		}
	}
}

func TestTheDevKeyOpensInDevOnly(t *testing.T) {
	g, s, _ := open(t, true)
	key, err := g.Authenticate(t.Context(), "dev")
	if err != nil || key.Org != "dev" || key.Right != carillon.RightAdmin || s.lookups != 0 {
		t.Errorf("key %+v, %v after %d look-ups", key, err, s.lookups)
	}
}

func TestAKnownKeyIsLookedUpOnceInAWhile(t *testing.T) {
	g, s, c := open(t, false)
	_, secret, err := g.Create(t.Context(), "acme", "k", carillon.RightRead, carillon.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := g.Authenticate(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	if s.lookups != 1 {
		t.Errorf("%d look-ups for 100 requests", s.lookups)
	}
	c.now = c.now.Add(time.Minute)
	if _, err := g.Authenticate(t.Context(), secret); err != nil || s.lookups != 2 {
		t.Errorf("after a minute: %d look-ups, %v", s.lookups, err)
	}
}

func TestADeletedKeyOpensNothing(t *testing.T) {
	g, s, c := open(t, false)
	key, secret, err := g.Create(t.Context(), "acme", "k", carillon.RightRead, carillon.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Authenticate(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if err := g.Delete(t.Context(), "other", key.ID); !carillon.IsNotFound(err) {
		t.Errorf("deleted by another org: %v", err)
	}
	elsewhere := access.New(s, access.Options{Now: c.Now})
	if _, err := elsewhere.Authenticate(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if err := g.Delete(t.Context(), "acme", key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Authenticate(t.Context(), secret); carillon.ErrorCode(err) != carillon.CodeUnauthorized {
		t.Errorf("here: %v", err)
	}
	c.now = c.now.Add(10 * time.Second)
	if _, err := elsewhere.Authenticate(t.Context(), secret); carillon.ErrorCode(err) != carillon.CodeUnauthorized {
		t.Errorf("in another process, seconds later: %v", err)
	}
	if err := g.Delete(t.Context(), "acme", key.ID); !carillon.IsNotFound(err) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestAKeyThatCannotBeIsRefusedByMember(t *testing.T) {
	g, _, _ := open(t, false)
	for member, change := range map[string]func(*carillon.Key){
		"/org":         func(k *carillon.Key) { k.Org = "a/b" },
		"/name":        func(k *carillon.Key) { k.Name = " " },
		"/right":       func(k *carillon.Key) { k.Right = "root" },
		"/actor/id":    func(k *carillon.Key) { k.Actor = carillon.Actor{Type: "AGENT"} },
		"/actor/email": func(k *carillon.Key) { k.Actor = carillon.Actor{ID: "a", Email: "a\nb"} },
	} {
		k := carillon.Key{Org: "acme", Name: "k", Right: carillon.RightRead}
		change(&k)
		_, _, err := g.Create(t.Context(), k.Org, k.Name, k.Right, k.Actor)
		e, ok := errors.AsType[*carillon.Error](err)
		if !ok || e.Code != carillon.CodeInvalid || len(e.Faults) != 1 || e.Faults[0].Member != member {
			t.Errorf("%s: %v", member, err)
		}
	}
	if keys, err := g.List(t.Context(), "acme"); err != nil || len(keys) != 0 {
		t.Errorf("refused keys were stored: %v, %v", keys, err)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	g := access.New(found{}, access.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Authenticate(b.Context(), "ck_abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst"); err != nil {
			b.Fatal(err)
		}
	}
}

// found is an archive that has every key.
type found struct{}

func (found) KeyByHash(_ context.Context, hash [32]byte) (*carillon.Key, error) {
	return &carillon.Key{ID: "key_1", Hash: hash}, nil
}

func (found) Keys(context.Context, string) ([]*carillon.Key, error)               { return nil, nil }
func (found) Update(context.Context, func(context.Context, store.Tx) error) error { return nil }

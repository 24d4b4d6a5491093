package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"carillon"
	"carillon/store"
)

// Store is what the gate needs of the archive.
type Store interface {
	KeyByHash(ctx context.Context, hash [32]byte) (*carillon.Key, error)
	Keys(ctx context.Context, org string) ([]*carillon.Key, error)
	Update(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error
}

// Bounds of what people choose.
const (
	MaxOrgLength  = 64
	MaxNameLength = 255
	// maxSecretLength keeps strangers from having long headers hashed.
	maxSecretLength = 256
)

// The key that Options.Dev opens the gate to.
const (
	DevSecret = "dev"
	DevOrg    = "dev"
)

// Options of a Gate.
type Options struct {
	// Dev accepts DevSecret as an admin key of DevOrg. For loopback addresses only.
	Dev bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// A known key is believed for cacheTTL: so long may one that another process deleted still be let in.
const (
	cacheTTL  = 5 * time.Second
	cacheSize = 4096
)

// Gate knows the API keys. It is safe for concurrent use.
type Gate struct {
	store   Store
	now     func() time.Time
	dev     *carillon.Key // nil unless Options.Dev
	devHash [32]byte

	mu    sync.RWMutex
	cache map[[32]byte]cached
}

type cached struct {
	key     *carillon.Key
	expires time.Time
}

// New makes a gate over the keys of s.
func New(s Store, o Options) *Gate {
	g := &Gate{store: s, now: o.Now, cache: map[[32]byte]cached{}}
	if g.now == nil {
		g.now = time.Now
	}
	if o.Dev {
		g.devHash = sha256.Sum256([]byte(DevSecret))
		g.dev = &carillon.Key{
			ID: "key_dev", Org: DevOrg, Name: "dev", Right: carillon.RightAdmin,
			Actor: carillon.Actor{ID: "dev", Type: "ORG_ADMIN"}, Hash: g.devHash,
		}
	}
	return g
}

// errUnknown is the one answer to every secret that opens nothing, so that it tells nothing.
var errUnknown = &carillon.Error{
	Code: carillon.CodeUnauthorized, Message: "the API key is not known",
	Hint: "send Authorization: Bearer KEY with a key made by POST /v1/keys or by the command carillon key",
}

// Authenticate finds the key that a secret belongs to. It fails with unauthorized for one nobody knows. The key must
// not be changed.
func (g *Gate) Authenticate(ctx context.Context, secret string) (*carillon.Key, error) {
	if secret == "" || len(secret) > maxSecretLength {
		return nil, errUnknown
	}
	hash := sha256.Sum256([]byte(secret))
	if g.dev != nil && subtle.ConstantTimeCompare(hash[:], g.devHash[:]) == 1 {
		return g.dev, nil
	}
	now := g.now()
	g.mu.RLock()
	c, ok := g.cache[hash]
	g.mu.RUnlock()
	if ok && now.Before(c.expires) {
		return c.key, nil
	}
	key, err := g.store.KeyByHash(ctx, hash)
	if carillon.IsNotFound(err) {
		g.forget(func(k *carillon.Key) bool { return k.Hash == hash })
		return nil, errUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("find API key: %w", err)
	}
	if subtle.ConstantTimeCompare(key.Hash[:], hash[:]) != 1 {
		return nil, errUnknown
	}
	g.remember(key, now)
	return key, nil
}

// remember caches a key that was found. Unknown secrets are not cached: a key made a moment ago works at once, and
// strangers cannot push known keys out.
func (g *Gate) remember(key *carillon.Key, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.cache) >= cacheSize {
		for h, c := range g.cache {
			if !now.Before(c.expires) {
				delete(g.cache, h)
			}
		}
		if len(g.cache) >= cacheSize {
			clear(g.cache)
		}
	}
	g.cache[key.Hash] = cached{key: key, expires: now.Add(cacheTTL)}
}

func (g *Gate) forget(which func(*carillon.Key) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for h, c := range g.cache {
		if which(c.key) {
			delete(g.cache, h)
		}
	}
}

// Create makes a key of an org and gives it together with its secret, which is never shown again. An actor without an
// id becomes the key itself. It fails with invalid naming org, name, right or a member of actor.
func (g *Gate) Create(ctx context.Context, org, name string, right carillon.Right, actor carillon.Actor) (*carillon.Key, string, error) {
	key := &carillon.Key{
		ID: carillon.NewID("key"), Org: org, Name: strings.TrimSpace(name), Right: right, Actor: actor,
		CreatedAt: g.now().UTC().Truncate(time.Millisecond),
	}
	if key.Actor == (carillon.Actor{}) {
		key.Actor = carillon.Actor{ID: key.ID, Type: "API_KEY"}
	}
	if faults := check(key); faults != nil {
		return nil, "", &carillon.Error{Code: carillon.CodeInvalid, Message: "the key is not valid", Faults: faults}
	}
	secret := newSecret()
	key.Hash = sha256.Sum256([]byte(secret))
	err := g.store.Update(ctx, func(ctx context.Context, tx store.Tx) error { return tx.PutKey(ctx, key) })
	if err != nil {
		return nil, "", fmt.Errorf("store API key: %w", err)
	}
	return key, secret, nil
}

func check(k *carillon.Key) []carillon.Fault {
	var faults []carillon.Fault
	if err := CheckOrg(k.Org); err != nil {
		faults = append(faults, err.Faults...)
	}
	switch {
	case k.Name == "":
		faults = append(faults, carillon.Fault{Member: "/name", Reason: "is empty"})
	case !utf8.ValidString(k.Name) || utf8.RuneCountInString(k.Name) > MaxNameLength:
		faults = append(faults, carillon.Fault{Member: "/name", Reason: fmt.Sprintf("is longer than %d characters or not UTF-8", MaxNameLength)})
	}
	if !k.Right.Allows(carillon.RightRead) {
		faults = append(faults, carillon.Fault{Member: "/right", Reason: "is none of read, write, admin"})
	}
	var e *carillon.Error
	if err := CheckActor(k.Actor); errors.As(err, &e) {
		for _, f := range e.Faults {
			faults = append(faults, carillon.Fault{Member: "/actor" + f.Member, Reason: f.Reason})
		}
	}
	return faults
}

// CheckOrg says whether org can be the id of an org; the error is invalid and names /org. Nil means it can.
func CheckOrg(org string) *carillon.Error {
	if carillon.ValidID(org) && len(org) <= MaxOrgLength {
		return nil
	}
	return carillon.Invalid("/org", fmt.Sprintf("is not an id of 1 to %d letters, digits and - _ . : @ + = ~", MaxOrgLength))
}

// CheckActor says whether a can be who made a change: an id, and a type and e-mail of bounded length. It fails with
// invalid naming /id, /type or /email.
func CheckActor(a carillon.Actor) error {
	var faults []carillon.Fault
	if !carillon.ValidID(a.ID) {
		faults = append(faults, carillon.Fault{Member: "/id", Reason: fmt.Sprintf("is not an id of 1 to %d letters, digits and - _ . : @ + = ~", carillon.MaxIDLength)})
	}
	if !line(a.Type, 64) {
		faults = append(faults, carillon.Fault{Member: "/type", Reason: "is longer than 64 characters or not one line of UTF-8"})
	}
	if !line(a.Email, 255) {
		faults = append(faults, carillon.Fault{Member: "/email", Reason: "is longer than 255 characters or not one line of UTF-8"})
	}
	if faults == nil {
		return nil
	}
	return &carillon.Error{Code: carillon.CodeInvalid, Message: "the actor is not valid", Faults: faults}
}

// line reports whether s is UTF-8 without control characters, of at most limit characters.
func line(s string, limit int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= limit &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// secretEncoding keeps secrets to letters and digits, so that a double click selects one whole.
var secretEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return "ck_" + secretEncoding.EncodeToString(b[:])
}

// List gives the keys of an org, oldest first.
func (g *Gate) List(ctx context.Context, org string) ([]*carillon.Key, error) {
	keys, err := g.store.Keys(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	return keys, nil
}

// Delete ends a key of an org: for requests that come after it here, and within seconds in other processes. It fails
// with not_found.
func (g *Gate) Delete(ctx context.Context, org, id string) error {
	err := g.store.Update(ctx, func(ctx context.Context, tx store.Tx) error { return tx.DeleteKey(ctx, org, id) })
	if err != nil {
		return fmt.Errorf("delete API key: %w", err)
	}
	g.forget(func(k *carillon.Key) bool { return k.Org == org && k.ID == id })
	return nil
}

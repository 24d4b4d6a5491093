package platform

import (
	"sync"

	"carillon"
	"carillon/dialect"
)

// Name is the dialect's word in subscriptions and URLs.
const Name = "platform"

// Dialect is the platform's language. Make it with New; it is safe for concurrent use.
type Dialect struct {
	name     string             // of the dialect whose extras belong to the records
	meanings map[string]meaning // by event type, as it is and by its plainName; custom modules apart
	kinds    map[carillon.Kind]*lexicon
	comments map[string]*lexicon // by the kind of record commented on
	module   vocabulary          // of custom modules, with its placeholder

	mu      sync.RWMutex
	modules map[string]*lexicon // guarded by mu
}

var (
	_ dialect.Batcher = (*Dialect)(nil)
	_ dialect.Decoder = (*Dialect)(nil)
)

// maxModules bounds the custom modules whose names are kept ready. Beyond it they are made anew for every change.
const maxModules = 4096

// New makes the dialect.
func New() *Dialect { return NewFor(Name) }

// NewFor makes the language for a dialect that carries its payloads in an envelope of its own: what has no place in
// records is kept, and told, under that dialect's name.
func NewFor(name string) *Dialect {
	d := &Dialect{
		name:     name,
		meanings: make(map[string]meaning),
		kinds:    make(map[carillon.Kind]*lexicon, len(vocabularies)),
		comments: make(map[string]*lexicon, 3),
		modules:  make(map[string]*lexicon),
	}
	for _, v := range vocabularies {
		switch v.kind {
		case carillon.KindComment:
			d.comments[string(v.on)] = newLexicon(v)
			d.learn(d.comments[string(v.on)])
		case carillon.KindCustom:
			d.module = v
		default:
			d.kinds[v.kind] = newLexicon(v)
			d.learn(d.kinds[v.kind])
		}
	}
	return d
}

// learn makes the words of a lexicon understood.
func (d *Dialect) learn(l *lexicon) {
	for _, name := range l.names() {
		m := l.meaningOf(name)
		m.lexicon = l
		d.meanings[name], d.meanings[plainName(name)] = m, m
	}
}

// Name is "platform".
func (d *Dialect) Name() string { return Name }

// Events names the lifecycle event first, then the watched attributes that an update set, unset or replaced, then
// custom-field values added, removed and changed. A creation or deletion is its lifecycle event alone. An update of nothing
// but what other vendors sent beside the record is not told.
func (d *Dialect) Events(c *carillon.Change) []string {
	l := d.lexicon(c)
	if l == nil || !c.Concerns(d.name) {
		return nil
	}
	return l.events(c)
}

// lexicon finds the words for a change; nil if the language has none.
func (d *Dialect) lexicon(c *carillon.Change) *lexicon {
	switch c.Kind {
	case carillon.KindComment:
		state := c.After
		if c.Op == carillon.OpDeleted {
			state = c.Before
		}
		on := dialect.Member(state, "entityType")
		if len(on) < 2 {
			return nil
		}
		return d.comments[string(on[1:len(on)-1])]
	case carillon.KindCustom:
		return d.moduleLexicon(c.Module)
	default:
		return d.kinds[c.Kind]
	}
}

func (d *Dialect) moduleLexicon(module string) *lexicon {
	d.mu.RLock()
	l := d.modules[module]
	d.mu.RUnlock()
	if l != nil {
		return l
	}
	l = newLexicon(d.module.ofModule(module))
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.modules) < maxModules {
		d.modules[module] = l
	}
	return l
}

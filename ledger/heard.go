package ledger

import (
	"fmt"
	"time"

	"carillon"
	"carillon/store"
)

// hearing is what one source has said of one record, as the entries so far have left it.
type hearing struct {
	at carillon.HeardAt
	// news says that the store does not know it yet.
	news bool
}

// heardKey finds what an entry's source has said of a write's record.
func (e *entry) heardKey(w *write) store.HeardKey {
	return store.HeardKey{Org: e.Org, Source: e.Scope, Ref: w.ref}
}

// loadHeard reads what sources have said of the records that the entries write.
func (t *transaction) loadHeard(entries []*entry) error {
	var keys []store.HeardKey
	for _, e := range entries {
		for i := range e.writes {
			if !e.writes[i].Heard.At.IsZero() {
				keys = append(keys, e.heardKey(&e.writes[i]))
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	found, err := t.tx.Heard(t.ctx, keys)
	if err != nil {
		return fmt.Errorf("read what was heard: %w", err)
	}
	t.heard = make(map[store.HeardKey]hearing, len(found))
	for key, at := range found {
		t.heard[key] = hearing{at: at}
	}
	return nil
}

// late reports whether the entry's source has said something newer of the write's record. If not, the write is the newest.
func (t *transaction) late(e *entry, w *write) bool {
	if w.Heard.At.IsZero() {
		return false
	}
	said := carillon.HeardAt{At: w.Heard.At.UTC().Truncate(time.Millisecond), Op: w.Heard.Op} // as the store keeps it
	key := e.heardKey(w)
	known, ok := t.heard[key]
	if w.Op == Ensure {
		return ok && known.at.Op == carillon.OpDeleted && said.Compare(known.at) <= 0
	}
	if ok && said.Compare(known.at) < 0 {
		return true
	}
	if t.heard == nil {
		t.heard = map[store.HeardKey]hearing{}
	}
	t.unheard = append(t.unheard, func() {
		if ok {
			t.heard[key] = known
		} else {
			delete(t.heard, key)
		}
	})
	t.heard[key] = hearing{at: said, news: true}
	return false
}

// flushHeard writes what is new.
func (t *transaction) flushHeard() error {
	var news []*carillon.Heard
	for key, h := range t.heard {
		if h.news {
			news = append(news, &carillon.Heard{Org: key.Org, Source: key.Source, Ref: key.Ref, HeardAt: h.at})
		}
	}
	if len(news) == 0 {
		return nil
	}
	if err := t.tx.PutHeard(t.ctx, news); err != nil {
		return fmt.Errorf("keep what was heard: %w", err)
	}
	return nil
}

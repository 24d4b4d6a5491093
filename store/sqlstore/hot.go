package sqlstore

import (
	"carillon"
	"carillon/store"
)

// hotBytes bounds one generation of hot; there are two.
const hotBytes = 8 << 20

// hot keeps the records that were written last as the database has them, so that the next write of a record need not read
// it. Only the committer touches it. It holds because nobody else writes records: a data directory has one server, and
// the commands that open it beside a server write keys only.
//
// Records live in two generations: when the young one is full it becomes the old one, and what nobody asked for meanwhile
// is dropped with the generation before.
type hot struct {
	young, old map[store.RecordKey]*carillon.Record
	bytes      int // of young
}

func (h *hot) get(key store.RecordKey) *carillon.Record {
	if r := h.young[key]; r != nil {
		return r
	}
	r := h.old[key]
	if r != nil {
		h.put(key, r)
	}
	return r
}

// put keeps a record as it was committed. It must not be changed any more.
func (h *hot) put(key store.RecordKey, r *carillon.Record) {
	if h.young == nil || h.bytes > hotBytes {
		h.old, h.young, h.bytes = h.young, make(map[store.RecordKey]*carillon.Record), 0
	}
	h.young[key] = r
	h.bytes += len(r.Data) + len(r.Extra) + 512
}

func (h *hot) drop(key store.RecordKey) {
	delete(h.young, key)
	delete(h.old, key)
}

// settle takes in what a batch that was committed has written: a nil record is gone. If unsure, some of it may have been
// undone, and all of it is forgotten.
func (h *hot) settle(written map[store.RecordKey]*carillon.Record, unsure bool) {
	for key, r := range written {
		if r == nil || unsure {
			h.drop(key)
		} else {
			h.put(key, r)
		}
	}
}

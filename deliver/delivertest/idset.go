package delivertest

import "hash/maphash"

// idSet remembers ids in bounded memory: by their hash, in two halves of which the older one is dropped when the
// younger is full. At four million ids the odds that two share a hash are one in two million.
type idSet struct {
	seed       maphash.Seed
	young, old map[uint64]struct{}
	half       int
}

func newIDSet(limit int) idSet {
	return idSet{seed: maphash.MakeSeed(), young: map[uint64]struct{}{}, half: max(limit/2, 1)}
}

// add reports whether the id is new.
func (s *idSet) add(id string) bool {
	h := maphash.String(s.seed, id)
	if _, ok := s.young[h]; ok {
		return false
	}
	if _, ok := s.old[h]; ok {
		return false
	}
	if len(s.young) >= s.half {
		s.old, s.young = s.young, make(map[uint64]struct{}, s.half)
	}
	s.young[h] = struct{}{}
	return true
}

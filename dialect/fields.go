package dialect

import (
	"hash/fnv"

	"carillon"
)

// ByField gives the members of a stored record by their place in the kind's field table; nil for those it does not have.
// See Members for what it reads.
func ByField(kind carillon.Kind, record []byte) [][]byte {
	members := make([][]byte, len(carillon.Fields(kind)))
	for name, value := range Members(record) {
		if place, ok := carillon.FieldNumber(kind, string(name[1:len(name)-1])); ok {
			members[place] = value
		}
	}
	return members
}

// StableNumber makes a number of texts, the same for ever: for vendors whose ids are numeric, where we only have a name. It is
// positive and below 2^48, so that JavaScript reads it exactly; two texts of the same number are not to be expected.
func StableNumber(texts ...string) int64 {
	hash := fnv.New64a()
	for _, text := range texts {
		_, _ = hash.Write([]byte(text)) // never fails (hash.Hash)
		_, _ = hash.Write([]byte{0})
	}
	sum := hash.Sum64()
	return int64(max(1, (sum>>48^sum)&(1<<48-1)))
}

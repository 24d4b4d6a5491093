package dialect

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"math"
	"strings"
	"sync/atomic"

	"carillon"
)

// Origins of changes that are not in the log. Their events are told apart by the prefix of their ids.
const (
	// OriginSnapshot marks what SnapshotChange makes.
	OriginSnapshot = "snapshot"
	// OriginSample marks a made-up change, for test sends and examples.
	OriginSample = "sample"
)

// Prefixes of event ids.
const (
	logPrefix      = "evt_"
	snapshotPrefix = "snap_"
	samplePrefix   = "test_"
	batchPrefix    = "bat_"
)

// idEncoding is Crockford's base 32 in lower case, which sorts as its bits.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// An id's 120 bits are 24 characters: 40 bits of the org's hash, 64 of the seq, 16 of the index.
const (
	idHashBytes  = 5
	idBytes      = idHashBytes + 8 + 2
	idCharacters = idBytes * 8 / 5
)

// EventID is the id of the index-th event of a change, the same for ever for the same org, seq and index:
//
//	evt_  hash of the org (8 characters), seq and index (16 characters)
//
// Within an org, ids sort by seq and then index. An event of a snapshot begins with "snap_" instead, so that it is never
// taken for the event that the log tells of the same seq; one of a sample begins with "test_" and counts by the
// change's time in Unix milliseconds, so that a second test send is not dropped as a repeat.
//
// The index is at most 65,535; no dialect gives a change more than a handful of events.
func EventID(c *carillon.Change, index int) string {
	var text [maxIDLength]byte
	return string(AppendEventID(text[:0], c, index))
}

// maxIDLength is that of the longest event id.
const maxIDLength = len(snapshotPrefix) + idCharacters

// AppendEventID appends EventID(c, index) to dst.
func AppendEventID(dst []byte, c *carillon.Change, index int) []byte {
	prefix, number := logPrefix, c.Seq
	switch c.Origin {
	case OriginSnapshot:
		prefix = snapshotPrefix
	case OriginSample:
		prefix, number = samplePrefix, c.Time.UnixMilli()
	}
	var bits [idBytes]byte
	hash := hashOf(c.Org)
	copy(bits[:], hash[:])
	binary.BigEndian.PutUint64(bits[idHashBytes:], uint64(number))
	binary.BigEndian.PutUint16(bits[idHashBytes+8:], uint16(index))
	return idEncoding.AppendEncode(append(dst, prefix...), bits[:])
}

// lastOrg remembers the hash of the org that was asked for last: messages come in runs of one org.
var lastOrg atomic.Pointer[orgHash]

type orgHash struct {
	org  string
	hash [idHashBytes]byte
}

func hashOf(org string) [idHashBytes]byte {
	if last := lastOrg.Load(); last != nil && last.org == org {
		return last.hash
	}
	sum := sha256.Sum256([]byte(org))
	now := &orgHash{org: org, hash: [idHashBytes]byte(sum[:idHashBytes])}
	lastOrg.Store(now)
	return now.hash
}

// ParseEventID says which event of the log an id names; ok is false for anything else, a snapshot's or sample's id
// included. The id may be another org's: whoever reads the change compares EventID(change, index) with the id.
func ParseEventID(id string) (seq int64, index int, ok bool) {
	text, found := strings.CutPrefix(id, logPrefix)
	if !found || len(text) != idCharacters {
		return 0, 0, false
	}
	var bits [idBytes]byte
	// The decoder skips line breaks, so a short result is possible without an error.
	if n, err := idEncoding.Decode(bits[:], []byte(text)); err != nil || n != idBytes {
		return 0, 0, false
	}
	number := binary.BigEndian.Uint64(bits[idHashBytes:])
	if number == 0 || number > math.MaxInt64 {
		return 0, 0, false
	}
	return int64(number), int(binary.BigEndian.Uint16(bits[idHashBytes+8:])), true
}

// BatchID is the id of a message that carries several events: it depends on their ids and order only.
func BatchID(eventIDs []string) string {
	var all bytes.Buffer
	for _, id := range eventIDs {
		all.WriteString(id)
		all.WriteByte('\n')
	}
	hash := sha256.Sum256(all.Bytes())
	return batchPrefix + idEncoding.EncodeToString(hash[:idBytes])
}

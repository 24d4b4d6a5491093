package delta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// minCopy is the shortest stretch worth a copy step, in bytes: a step costs two to four.
const minCopy = 6

// window bounds how many pieces ahead an equal one is looked for, so that the time to make a script grows with the
// documents' length only.
const window = 26

var table = crc32.MakeTable(crc32.Castagnoli)

// errScript says that a script is not what Append wrote, or was written for another source.
var errScript = errors.New("the edit script does not fit its document")

// Append writes to dst the script that makes target from source.
func Append(dst, target, source []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(target)))
	dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(target, table))
	w := writer{dst: dst, target: target, source: source}
	head := commonPrefix(target, source)
	tail := commonSuffix(target[head:], source[head:])
	w.share(0, 0, head)
	w.differ(head, len(target)-tail, head, len(source)-tail)
	w.share(len(target)-tail, len(source)-tail, tail)
	w.flush(len(target))
	return w.dst
}

// Apply makes the target from source. It fails if script is not one for this source or its result would be longer than
// limit bytes.
func Apply(source, script []byte, limit int) ([]byte, error) {
	length, n := binary.Uvarint(script)
	if n <= 0 || len(script) < n+4 {
		return nil, errScript
	}
	if limit < 0 || length > uint64(limit) {
		return nil, fmt.Errorf("the edit script makes %d bytes, more than %d", length, limit)
	}
	sum := binary.BigEndian.Uint32(script[n:])
	script = script[n+4:]

	// What a hostile script claims costs nothing before its steps really make it.
	target := make([]byte, 0, min(int(length), len(source)+len(script)))
	at := 0
	for len(target) < int(length) {
		head, n := binary.Uvarint(script)
		if n <= 0 {
			return nil, errScript
		}
		script = script[n:]
		size := head >> 1
		if size == 0 || size > length-uint64(len(target)) {
			return nil, errScript
		}
		if head&1 == 1 {
			if size > uint64(len(script)) {
				return nil, errScript
			}
			target = append(target, script[:size]...)
			script = script[size:]
			continue
		}
		skip, n := binary.Varint(script)
		if n <= 0 {
			return nil, errScript
		}
		script = script[n:]
		if skip < -int64(at) || skip > int64(len(source)-at) {
			return nil, errScript
		}
		at += int(skip)
		if size > uint64(len(source)-at) {
			return nil, errScript
		}
		target = append(target, source[at:at+int(size)]...)
		at += int(size)
	}
	if len(script) != 0 || crc32.Checksum(target, table) != sum {
		return nil, errScript
	}
	return target, nil
}

// writer writes the steps of a script. target[:done] is told.
type writer struct {
	dst            []byte
	target, source []byte
	done           int
	at             int // where the last copy ended in source
}

// differ compares target[t:tEnd] with source[s:sEnd] piece by piece (members, as a rule): after a difference, equal ones
// meet again.
func (w *writer) differ(t, tEnd, s, sEnd int) {
	for t < tEnd && s < sEnd {
		dt, ds, ok := meet(w.target[t:tEnd], w.source[s:sEnd])
		if !ok {
			break
		}
		w.gap(t, t+dt, s, s+ds)
		t, s = t+dt, s+ds
		n := commonPrefix(w.target[t:tEnd], w.source[s:sEnd])
		w.share(t, s, n)
		t, s = t+n, s+n
	}
	w.gap(t, tEnd, s, sEnd)
}

// gap tells what two differing stretches have in common at their ends.
func (w *writer) gap(t, tEnd, s, sEnd int) {
	n := commonPrefix(w.target[t:tEnd], w.source[s:sEnd])
	w.share(t, s, n)
	m := commonSuffix(w.target[t+n:tEnd], w.source[s+n:sEnd])
	w.share(tEnd-m, sEnd-m, m)
}

// meet finds the nearest places in both, each at the start of a piece but the first, where the pieces are equal.
func meet(target, source []byte) (dt, ds int, ok bool) {
	var targetEnds, sourceEnds [window]int
	nt, ns := ends(targetEnds[:], target), ends(sourceEnds[:], source)
	for sum := 0; sum <= nt+ns-4; sum++ {
		for i := max(0, sum-(ns-2)); i <= min(sum, nt-2); i++ {
			j := sum - i
			a, b := target[targetEnds[i]:targetEnds[i+1]], source[sourceEnds[j]:sourceEnds[j+1]]
			if len(a) >= minCopy && bytes.Equal(a, b) {
				return targetEnds[i], sourceEnds[j], true
			}
		}
	}
	return 0, 0, false
}

// ends writes where the first pieces of text end, as many as list has room for, and gives their number. The first may be
// a part of one.
func ends(list []int, text []byte) int {
	n, at := 0, 0
	for n < len(list) && at < len(text) {
		i := bytes.Index(text[at+1:], separator)
		if i < 0 {
			at = len(text)
		} else {
			at += 1 + i
		}
		list[n] = at
		n++
	}
	return n
}

// separator begins every member but the first of a JSON object.
var separator = []byte(`,"`)

// share tells that n bytes at t of the target are those at s of the source, unless they are too few to be worth it.
func (w *writer) share(t, s, n int) {
	if n < minCopy {
		return
	}
	w.flush(t)
	w.dst = binary.AppendUvarint(w.dst, uint64(n)<<1)
	w.dst = binary.AppendVarint(w.dst, int64(s-w.at))
	w.done, w.at = t+n, s+n
}

// flush tells the target up to end literally.
func (w *writer) flush(end int) {
	if end == w.done {
		return
	}
	w.dst = binary.AppendUvarint(w.dst, uint64(end-w.done)<<1|1)
	w.dst = append(w.dst, w.target[w.done:end]...)
	w.done = end
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+8 <= n && binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:]) {
		i += 8
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

func commonSuffix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+8 <= n && binary.LittleEndian.Uint64(a[len(a)-i-8:]) == binary.LittleEndian.Uint64(b[len(b)-i-8:]) {
		i += 8
	}
	for i < n && a[len(a)-1-i] == b[len(b)-1-i] {
		i++
	}
	return i
}

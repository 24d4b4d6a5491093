package script

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// region is all the memory of one engine: a range of addresses of its own, from which the engine's allocations are cut. Its
// size is the hard bound of what a script can take; it is given back whole, so nothing a script does can leak; its content
// can be saved and put back; and it can be taken away under a script that does not stop by itself (revoke).
//
// Blocks come in classes of sizes, four to each power of two; a free block waits in its class's list. Each block is
// preceded by its size.
type region struct {
	space mapping
	base  uintptr
	limit int // bytes in use at most; the range is twice as long, for blocks that wait in lists

	heap

	refuse  atomic.Bool // no more memory for a script that should have stopped
	refused bool        // an allocation was refused
}

// heap is what the allocator knows; it is saved and put back with the content.
type heap struct {
	top  int                // offset of what was never used
	live int                // bytes in use
	free [sizeClasses]int32 // offset/8 of the first free block of each class; 0 for none
}

const (
	blockHeader = 8
	minBlock    = 64
	sizeClasses = 96
	// discardFrom is the size from which the pages of a freed block go back to the system at once.
	discardFrom = 256 << 10
)

func newRegion(limit int) (*region, error) {
	space, err := reserve(2 * limit)
	if err != nil {
		return nil, err
	}
	r := &region{space: space, base: space.address(), limit: limit}
	r.top = minBlock // so that no block has offset 0
	return r, nil
}

// sizeClass gives the class of blocks that hold n bytes, and the bytes that they hold.
func sizeClass(n int) (class, size int) {
	if n <= minBlock {
		return 0, minBlock
	}
	log := bits.Len(uint(n-1)) - 1      // 2^log < n <= 2^(log+1)
	step := 1 << (log - 2)              // four classes between them
	k := (n - 1<<log + step - 1) / step // 1 to 4
	return (log-6)*4 + k, 1<<log + k*step
}

// alloc gives the address of n bytes, 0 if there are none.
func (r *region) alloc(n int) uintptr {
	if n < 0 || n > r.limit || r.refuse.Load() {
		r.refused = true
		return 0
	}
	class, size := sizeClass(n)
	if r.live+size > r.limit {
		r.refused = true
		return 0
	}
	at := int(r.free[class]) * 8
	switch {
	case at != 0:
		r.free[class] = int32(binary.NativeEndian.Uint32(r.space.bytes[at:]))
	case r.top+blockHeader+size > len(r.space.bytes):
		r.refused = true
		return 0
	default:
		at = r.top + blockHeader
		r.top = at + size
		binary.NativeEndian.PutUint64(r.space.bytes[at-blockHeader:], uint64(class))
	}
	r.live += size
	return r.base + uintptr(at)
}

// release takes back a block.
func (r *region) release(p uintptr) {
	if p == 0 {
		return
	}
	at := int(p - r.base)
	class := r.classAt(at)
	size := classSize(class)
	r.live -= size
	binary.NativeEndian.PutUint32(r.space.bytes[at:], uint32(r.free[class]))
	r.free[class] = int32(at / 8)
	if size >= discardFrom {
		r.space.discard(at+8, at+size)
	}
}

// resize moves a block to where n bytes fit, unless they fit where it is; 0 if there is no room, and the block stays.
func (r *region) resize(p uintptr, n int) uintptr {
	old := r.size(p)
	if n <= old && n > old/2 {
		return p
	}
	q := r.alloc(n)
	if q == 0 {
		return 0
	}
	copy(r.view(q, min(n, old)), r.view(p, min(n, old)))
	r.release(p)
	return q
}

// size gives how many bytes a block holds.
func (r *region) size(p uintptr) int { return classSize(r.classAt(int(p - r.base))) }

// view shows n bytes at an address inside the region.
func (r *region) view(p uintptr, n int) []byte {
	at := int(p - r.base)
	return r.space.bytes[at : at+n : at+n]
}

func (r *region) classAt(at int) int {
	return int(binary.NativeEndian.Uint64(r.space.bytes[at-blockHeader:]))
}

func classSize(class int) int {
	if class == 0 {
		return minBlock
	}
	log, k := 6+(class-1)/4, (class-1)%4+1
	return 1<<log + k<<(log-2)
}

// saved is the content of a region at one time.
type saved struct {
	content []byte
	heap    heap
}

func (r *region) save() saved {
	return saved{content: append([]byte(nil), r.space.bytes[:r.top]...), heap: r.heap}
}

// restore puts back what was saved, and gives back the pages that were used since.
func (r *region) restore(s saved) {
	if r.top > len(s.content)+discardFrom {
		r.space.discard(len(s.content), r.top)
	}
	copy(r.space.bytes, s.content)
	r.heap = s.heap
	r.refused = false
	r.refuse.Store(false)
}

// revoke takes the memory away while the engine runs: its next access faults, which ends it. Only drop may follow.
func (r *region) revoke() { r.space.protect() }

// drop gives the memory back. No address inside may be used afterwards.
func (r *region) drop() { r.space.release() }

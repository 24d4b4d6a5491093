//go:build unix

package script

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapping is a range of addresses that the system backs with memory where it is used.
type mapping struct{ bytes []byte }

func reserve(size int) (mapping, error) {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return mapping{}, fmt.Errorf("reserve %d bytes for an engine: %w", size, err)
	}
	return mapping{b}, nil
}

func (m mapping) address() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(m.bytes))) }

// discard gives the memory of the whole pages from one offset to another back to the system. What they hold afterwards is
// not said. Where the system refuses, they stay as they are.
func (m mapping) discard(from, to int) {
	page := os.Getpagesize()
	from, to = (from+page-1)/page*page, to/page*page
	if from < to {
		_ = unix.Madvise(m.bytes[from:to], unix.MADV_DONTNEED)
	}
}

// protect makes each access fault.
func (m mapping) protect() { _ = unix.Mprotect(m.bytes, unix.PROT_NONE) }

func (m mapping) release() { _ = unix.Munmap(m.bytes) }

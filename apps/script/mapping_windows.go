package script

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// mapping is a range of addresses that the system backs with memory where it is used.
type mapping struct{ bytes []byte }

func reserve(size int) (mapping, error) {
	p, err := windows.VirtualAlloc(0, uintptr(size), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return mapping{}, fmt.Errorf("reserve %d bytes for an engine: %w", size, err)
	}
	return mapping{unsafe.Slice(pointer[byte](p), size)}, nil
}

func (m mapping) address() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(m.bytes))) }

// discard gives the memory of the whole pages from one offset to another back to the system. What they hold afterwards is
// not said. Where the system refuses, they stay as they are.
func (m mapping) discard(from, to int) {
	page := os.Getpagesize()
	from, to = (from+page-1)/page*page, to/page*page
	if from < to {
		_, _ = windows.VirtualAlloc(m.address()+uintptr(from), uintptr(to-from), windows.MEM_RESET, windows.PAGE_READWRITE)
	}
}

// protect makes each access fault.
func (m mapping) protect() {
	var old uint32
	_ = windows.VirtualProtect(m.address(), uintptr(len(m.bytes)), windows.PAGE_NOACCESS, &old)
}

func (m mapping) release() { _ = windows.VirtualFree(m.address(), 0, windows.MEM_RELEASE) }

//go:build unix

package guard

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix" // whose Mprotect FreeBSD has, too
)

// pages returns whole pages of at least n elements between two unreadable
// ones; they are unmapped when the test ends.
func pages[T any](t testing.TB, n int) []T {
	t.Helper()
	page := unix.Getpagesize()
	var zero T
	size := int(unsafe.Sizeof(zero))
	inside := max(1, (n*size+page-1)/page) * page
	mem, err := unix.Mmap(-1, 0, inside+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatalf("guard: mmap of %d bytes: %v", inside+2*page, err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(mem); err != nil {
			t.Errorf("guard: munmap: %v", err)
		}
	})
	for _, edge := range [][]byte{mem[:page], mem[page+inside:]} {
		if err := unix.Mprotect(edge, unix.PROT_NONE); err != nil {
			t.Fatalf("guard: mprotect: %v", err)
		}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&mem[page])), inside/size)
}

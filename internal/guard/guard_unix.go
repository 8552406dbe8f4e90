//go:build unix

package guard

import (
	"syscall"
	"testing"
	"unsafe"
)

// pages returns whole pages of at least n elements between two unreadable
// ones; they are unmapped when the test ends.
func pages[T any](t testing.TB, n int) []T {
	t.Helper()
	page := syscall.Getpagesize()
	var zero T
	size := int(unsafe.Sizeof(zero))
	inside := max(1, (n*size+page-1)/page) * page
	mem, err := syscall.Mmap(-1, 0, inside+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatalf("guard: mmap of %d bytes: %v", inside+2*page, err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(mem); err != nil {
			t.Errorf("guard: munmap: %v", err)
		}
	})
	for _, edge := range [][]byte{mem[:page], mem[page+inside:]} {
		if err := syscall.Mprotect(edge, syscall.PROT_NONE); err != nil {
			t.Fatalf("guard: mprotect: %v", err)
		}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&mem[page])), inside/size)
}

//go:build !unix

package guard

import "testing"

// pages returns ordinary memory: without mmap nothing is guarded.
func pages[T any](t testing.TB, n int) []T {
	t.Helper()
	return make([]T, n)
}

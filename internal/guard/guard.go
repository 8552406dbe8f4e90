// Package guard gives tests memory with unreadable pages on both sides, so
// that a kernel that reads or writes one byte outside its slices is caught.
package guard

import "testing"

// Ending returns n zeros whose last is the last before an unreadable page.
func Ending[T any](t testing.TB, n int) []T {
	t.Helper()
	s := pages[T](t, n)
	return s[len(s)-n : len(s) : len(s)]
}

// Beginning returns n zeros whose first is the first after an unreadable page.
func Beginning[T any](t testing.TB, n int) []T {
	t.Helper()
	return pages[T](t, n)[:n:n]
}

// Sides lists the two placements, for tests that run once with each.
func Sides[T any]() map[string]func(testing.TB, int) []T {
	return map[string]func(testing.TB, int) []T{"ending": Ending[T], "beginning": Beginning[T]}
}

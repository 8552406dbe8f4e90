//go:build unix

package guard

import (
	"runtime/debug"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
)

func TestNeighborsAreUnreadable(t *testing.T) {
	for _, n := range []int{1, 3, 1023, 1024, 1025} {
		end, begin := Ending[float32](t, n), Beginning[float32](t, n)
		assert.Len(t, end, n)
		assert.Len(t, begin, n)
		end[0], end[n-1], begin[0], begin[n-1] = 1, 1, 1, 1
		assert.True(t, faults(unsafe.Add(unsafe.Pointer(&end[n-1]), 4)), "one past the end, n = %d", n)
		assert.True(t, faults(unsafe.Add(unsafe.Pointer(&begin[0]), -1)), "one before the beginning, n = %d", n)
	}
}

var sink byte

func faults(p unsafe.Pointer) (faulted bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { faulted = recover() != nil }()
	sink = *(*byte)(p)
	return false
}

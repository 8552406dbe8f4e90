package child

import (
	"fmt"
	"math"
	"math/rand/v2"
	"unsafe"
)

// memory holds a task's operands. It lies outside Go's heap, where C may keep pointers to it, in
// ordinary pages, and is allocated anew for each measurement.
type memory[T Float] struct{ bytes []byte }

// place allocates operands of the given numbers of elements. They begin at cache lines, and at the
// same offsets within a page for each peer.
func (m *memory[T]) place(counts []int) (operands [][]T, err error) {
	const line = 64
	var element T
	size := int(unsafe.Sizeof(element))
	var offsets []int
	total := 0
	for _, count := range counts {
		// Five lines lie between operands. Without them, operands whose sizes are powers of two
		// would begin at the same offset within a page, where a load waits for a store that is 4
		// KiB away.
		offsets = append(offsets, total)
		total += (count*size+line-1)/line*line + 5*line
	}
	if m.bytes, err = allocate(total); err != nil {
		return nil, fmt.Errorf("%d bytes of memory: %w", total, err)
	}
	for i, offset := range offsets {
		operands = append(operands, unsafe.Slice((*T)(unsafe.Pointer(&m.bytes[offset])), counts[i]))
	}
	return operands, nil
}

func (m *memory[T]) free() { release(m.bytes) }

// spoil sets a result to NaN, so that an element that isn't overwritten shows.
func spoil[T Float](data []T) {
	for i := range data {
		data[i] = T(math.NaN())
	}
}

// fill sets data to random integers from -limit to limit.
func fill[T Float](data []T, limit int, r *rand.PCG) {
	for i := 0; i < len(data); i += 2 {
		bits := r.Uint64()
		data[i] = T(draw(uint32(bits), limit))
		if i+1 < len(data) {
			data[i+1] = T(draw(uint32(bits>>32), limit))
		}
	}
}

func draw(bits uint32, limit int) int {
	return int(uint64(bits)*uint64(2*limit+1)>>32) - limit
}

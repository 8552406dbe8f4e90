package child

import (
	"fmt"
	"math"
	"math/rand/v2"
	"unsafe"
)

// memory is where a task's operands lie: outside Go's heap, as C wants it, in
// ordinary pages, allocated anew for each measurement.
type memory[T Float] struct{ bytes []byte }

// place returns operands of the given numbers of elements, which begin at cache
// lines, at the same offsets within a page for each peer.
func (m *memory[T]) place(counts []int) (operands [][]T, err error) {
	const line = 64
	var element T
	size := int(unsafe.Sizeof(element))
	var offsets []int
	total := 0
	for _, count := range counts {
		// Operands of a power of two would all begin at the same offset within
		// a page, where loads wait for stores that are 4 KiB away: five lines
		// more each time.
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

// spoil sets a result to NaN, which an overwritten one doesn't show.
func spoil[T Float](data []T) {
	for i := range data {
		data[i] = T(math.NaN())
	}
}

// fill draws integers from -limit to limit.
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

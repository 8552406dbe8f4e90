package conv

import (
	"unsafe"

	"github.com/steppe-ml/steppe/simd"
)

// A tileKernel computes tiles of C, one below the other in lines, each of a number
// of rows that is fixed per kernel and of n columns:
//
//	C(i,j) = sum over t < taps, l < k of A(i,t,l) * B(t,l,j)  (+ C(i,j), to accumulate)  (+ bias(j))
//
// and, with relu, 0 in place of what is negative. The sum is one accumulator an
// element, from 0, tap by tap and in ascending order of l. Unless it accumulates,
// C is not read. A bias of nil is none. Element A(i,t,l) of the first tile is
// tap[t][0] elements from a + i*aRow + l*aCol; each further tile's A is aTile
// further on, and each further line's aLine. B(t,l,j) is tap[t][1] elements from
// b + l*bRow + j: of its rows a kernel reads the n columns, and no more. C(i,j) is
// at c + i*cRow + j; the tiles of a line follow one another, and each further
// line's C is cLine further on. As it comes to a tap, it asks the cache for
// nextLines lines of A, from aNext elements further on than the tile's. Strides count
// elements. lines, tiles, n >= 1; k >=
// 1 unless there are no taps.
type tileKernel func(lines, tiles, n int, tap *[2]int, taps, k int, a *float32, aRow, aCol, aTile, aLine, aNext, nextLines int,
	b *float32, bRow int, c *float32, cRow, cLine int, accumulate bool, bias *float32, relu bool)

// table is the kernels of one instruction set.
type table struct {
	// panels are the kernels by the columns of the panels of filters that they
	// take: each takes more than the one before it. The last takes whole panels.
	panels []panel

	// Pooling: the taps of a window are so many floats from where the pixel's window
	// begins in x (and dx), which is xPixel further on for each further pixel. What
	// has no window has its pixels one behind the other. pixels, channels, taps >= 1.

	// maxPool sets y to the largest of floor and the x of each window, NaN if any is.
	maxPool func(pixels, channels int, tap *int, taps int, x *float32, xPixel int, y *float32, floor float32)
	// maxPoolBackward adds dy to dx at the first tap of each window whose x is y,
	// unless y <= floor.
	maxPoolBackward func(pixels, channels int, tap *int, taps int, dx, x *float32, xPixel int, y, dy *float32, floor float32)
	// maxPoolSpread sets dx to what maxPoolBackward would add to it, in windows that
	// have nothing in common.
	maxPoolSpread func(pixels, channels int, tap *int, taps int, dx, x *float32, xPixel int, y, dy *float32, floor float32)
	// sumPool sets y to scale times the sum of each window.
	sumPool func(pixels, channels int, tap *int, taps int, x *float32, xPixel int, y *float32, scale float32)
	// sumPoolBackward adds scale*dy to each tap of dx.
	sumPoolBackward func(pixels, channels int, tap *int, taps int, dx *float32, xPixel int, dy *float32, scale float32)
}

// panel is the kernels for panels of up to so many columns, by the rows of a
// tile - 1.
type panel struct {
	columns int
	tile    []tileKernel
}

func kernels() *table { return &tables[simd.Active()] }

// nr is the columns of a whole panel.
func (t *table) nr() int { return t.panels[len(t.panels)-1].columns }

// forColumns returns the kernels for a panel of the columns that are left, and how
// many of them they take.
func (t *table) forColumns(left int) (kernels []tileKernel, columns int) {
	for _, p := range t.panels {
		if left <= p.columns {
			return p.tile, left
		}
	}
	last := t.panels[len(t.panels)-1]
	return last.tile, last.columns
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// grow returns a buffer of at least n floats: buf, or a new one. Large ones begin at
// a page, and so at a cache line.
func grow(buf []float32, n int) []float32 {
	if len(buf) >= n {
		return buf
	}
	return make([]float32, n)
}

// at returns the element that is offset elements from p.
func at(p *float32, offset int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), offset*4))
}

package blas

import "github.com/steppe-ml/steppe/simd"

// A tileKernel computes tiles of C, one below the other, each of a number of
// rows that is fixed per kernel and of n columns:
//
//	C(i,j) = alpha * sum over l < k of A(i,l) * B(l,j)  (+ beta * C(i,j))  (+ bias(j))
//
// The sum is one accumulator an element, from 0, in ascending order of l. With
// beta == 0 C is not read. A bias of nil is none. Element A(i,l) of the first
// tile is at a + i*aRow + l*aCol, and each further tile's A is aTile further
// on. B(l,j) is at b + l*bRow + j: a kernel reads whole rows of nr columns of
// it, whatever n is, unless its table says that it masks them. C(i,j) is at c + i*cRow + j, of which it touches only the
// n columns. Strides count floats. tiles >= 1, 1 <= n <= nr, k >= 0.
type tileKernel func(tiles, n, k int, a *float32, aRow, aCol, aTile int, b *float32, bRow int, c *float32, cRow int, alpha, beta float32, bias *float32)

// table is the kernels of one instruction set, with the sizes that go with
// them. What each size was chosen by stands in the file of the table.
type table struct {
	tile []tileKernel // by rows - 1; its length is the most rows of a tile, MR
	nr   int          // columns of a panel of B

	// masksB: of a panel of n columns the kernels read no more than n.
	masksB bool

	// narrow, by rows - 1, has kernels for panels of nr/2 columns; nil for
	// none. They are best where no more than narrowTo columns are left.
	narrow   []tileKernel
	narrowTo int
	// wide, by rows - 1, has kernels for products of that few rows, of just
	// their columns and the widest first; they read B in place.
	wide [][]wideTile

	// kc is the most products summed in an accumulator before it is added to
	// C: with k alone it decides the bits of a result (the element rule).
	kc int
	// mc and nc are the rows of A and the columns of B of a block.
	mc, nc int

	// directUpTo is the multiply-adds up to which nothing pays but to begin.
	directUpTo int
	// packRows is the rows of A from which on packing B pays, if its rows are
	// more than packStride floats apart, or packAligned if each begins a cache
	// line.
	packRows, packStride, packAligned int
	// copyA is the columns of B from which on copying blocks of A pays.
	copyA int
	// aloneBelow is the multiply-adds below which one worker is fastest.
	aloneBelow int

	// copyRows copies rows of nr floats, srcRow floats apart, one behind the
	// other; rows >= 1.
	copyRows func(rows int, src *float32, srcRow int, dst *float32)
	// transpose turns 8 rows of 8*blocks columns at src into 8*blocks rows of
	// 8 columns at dst. It is nil where there is nothing better than Go.
	transpose func(blocks int, src *float32, srcRow int, dst *float32, dstRow int)
}

// wideTile is a kernel for tiles of just so many columns.
type wideTile struct {
	columns int
	kernel  tileKernel
}

// mr is the most rows of a tile.
func (t *table) mr() int { return len(t.tile) }

// active returns the table of the active instruction set.
func active() *table { return &tables[simd.Active()] }

package blas

import "github.com/steppe-ml/steppe/simd"

// A tileKernel computes tiles of C, one below the other, each of a number of
// rows that is fixed per kernel and of n columns:
//
//	C(i,j) = alpha * sum over l < k of A(i,l) * B(l,j)  (+ beta * C(i,j))  (+ bias(j))  (+ rowBias(i))
//
// and, with relu, 0 in place of what is negative. The sum is one accumulator an
// element, from 0, in ascending order of l. With beta == 0 C is not read. A bias
// of nil is none. Element A(i,l) of the first tile is at a + i*aRow + l*aCol, and
// each further tile's A is aTile further on. B(l,j) is at b + l*bRow + j: a kernel
// reads whole rows of nr columns of it, whatever n is, unless its table says that
// it masks them. C(i,j) is at c + i*cRow + j, of which it touches only the n
// columns. Strides count elements. tiles >= 1, 1 <= n <= nr, k >= 0.
type tileKernel[T Float] func(tiles, n, k int, a *T, aRow, aCol, aTile int, b *T, bRow int, c *T, cRow int, alpha, beta T, bias, rowBias *T, relu bool)

// table is the kernels of one instruction set, with the sizes that go with
// them. What each size was chosen by stands in the file of the table.
type table[T Float] struct {
	// panels are the kernels by the columns of the panels of B that they take:
	// each takes more than the one before it. The last takes whole panels.
	panels []panelKernels[T]
	// wide, by rows - 1, has kernels for products of that few rows, of just
	// their columns and the widest first; they read B in place.
	wide [][]wideTile[T]
	// dots, by the rows of X - 1, has kernels for groups of len(dots) rows of Y,
	// and for groups of one. They are best where one side has no
	// more than dotsUpTo rows.
	dots     [][2]dotsKernel[T]
	dotsUpTo int
	// masksB: of a panel of n columns the kernels read no more than n.
	masksB bool

	// kc is the most products summed in an accumulator before it is added to
	// C: with k alone it decides the bits of a result (the element rule).
	kc int
	// mc and nc are the rows of A and the columns of B of a block.
	mc, nc int

	// directUpTo is the multiply-adds up to which nothing pays but to begin.
	directUpTo int
	// packRows is the rows of A from which on packing B pays, if its rows are
	// more than packStride elements apart; or packRowsAligned and packAligned, if
	// each begins a cache line.
	packRows, packStride         int
	packRowsAligned, packAligned int
	// copyA is the columns of B from which on copying blocks of a transposed A
	// pays, and copyFighting of one whose rows fight for the same cache lines.
	copyA, copyFighting int
	// aloneBelow is the multiply-adds below which one worker is fastest,
	// wakeBelow those below which it is unless others are awake, and partWork the
	// least of a part for one of several.
	aloneBelow, wakeBelow, partWork int

	// copyPanels copies rows of panels*nr elements, srcRow elements apart, to as
	// many panels, dstPanel elements apart, of rows of nr; rows, panels >= 1.
	copyPanels func(rows, panels int, src *T, srcRow int, dst *T, dstPanel int)
	// transpose turns transposeSide rows of transposeSide*blocks columns at src
	// into as many columns of so many rows at dst. It is nil, and the side 0,
	// where there is nothing better than Go.
	transpose     func(blocks int, src *T, srcRow int, dst *T, dstRow int)
	transposeSide int
}

// panelKernels are the kernels for panels of up to so many columns, by the rows
// of a tile - 1.
type panelKernels[T Float] struct {
	columns int
	tile    []tileKernel[T]
}

// wideTile is a kernel for tiles of just so many columns.
type wideTile[T Float] struct {
	columns int
	kernel  tileKernel[T]
}

// whole is the kernels for whole panels.
func (t *table[T]) whole() *panelKernels[T] { return &t.panels[len(t.panels)-1] }

// nr is the columns of a panel.
func (t *table[T]) nr() int { return t.whole().columns }

// mr is the most rows of a tile.
func (t *table[T]) mr() int { return len(t.whole().tile) }

// active returns the table of the active instruction set.
func active[T Float]() *table[T] {
	if t, ok := any(&tables32[simd.Active()]).(*table[T]); ok {
		return t
	}
	return any(&tables64[simd.Active()]).(*table[T])
}

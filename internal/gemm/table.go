package gemm

import "github.com/steppe-ml/steppe/simd"

// A TileKernel computes tiles of C, one below the other, each of a number of
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
type TileKernel[T Float] func(tiles, n, k int, a *T, aRow, aCol, aTile int, b *T, bRow int, c *T, cRow int, alpha, beta T, bias, rowBias *T, relu bool)

// Table has the kernels of one instruction set, and the sizes that go with them. The file of a
// table says how its sizes were chosen.
type Table[T Float] struct {
	// NR is the columns of a panel of B, for products and convolutions alike.
	NR int
	// panels are the kernels by the columns of the panels of B that they take, in ascending order.
	// The last ones take whole panels, of NR columns.
	panels []panelKernels[TileKernel[T]]
	// broad is the kernels for what is left of a B that is read in place, if it's more than NR
	// columns and no more than theirs: one tile then reads A once. It has none where whole panels
	// and what is left behind them are as good.
	broad panelKernels[TileKernel[T]]
	// taps are the kernels of convolutions, in the same order. There are none for float64.
	taps []panelKernels[TapKernel[T]]
	// wide, by rows - 1, has kernels for products of that few rows and of exactly their columns,
	// the widest first. They read B in place.
	wide [][]wideTile[T]
	// dots, by the rows of X - 1, has kernels for groups of len(dots) rows of Y, and for groups of
	// one. They are used where one side has at most DotsUpTo rows.
	dots     [][2]dotsKernel[T]
	DotsUpTo int
	// OfPairs says that the elements of A and B are pairs of bfloat16 values (pairs.go).
	OfPairs bool
	// MasksB says that the kernels read only n columns of a panel of n columns.
	MasksB bool

	// KC is the most products that are summed in an accumulator before it is added to C. Together
	// with k it decides the bits of a result (the element rule).
	KC int
	// MC and NC are the rows of A and the columns of B of a block.
	MC, NC int
	// PackBlock is the most elements of a block of B that only one block of A meets; 0 for as many
	// as NC columns have.
	PackBlock int

	// DirectUpTo: at or below so many multiply-adds, skip blocking, packing and threads.
	DirectUpTo int
	// PackRows: from so many rows of A on, packing B pays if B's rows are more than PackStride
	// elements apart. PackRowsAligned and PackAligned are the same for a B each of whose rows
	// begins a cache line.
	PackRows, PackStride         int
	PackRowsAligned, PackAligned int
	// PacksFighting says that packing B pays, from PackRows on, wherever the rows of a panel in place
	// fight for the L1 cache.
	PacksFighting bool
	// CopyA: from so many columns of B on, copying blocks of a transposed A pays; CopyFighting is
	// the same for an A whose rows fight for the same cache lines. CopyRows is the same for any other
	// row-major A, where copyRows makes tiles of it; else nothing copies one.
	CopyA, CopyFighting, CopyRows int
	// AloneBelow: below so many multiply-adds one worker is fastest.
	AloneBelow int
	// WakeBelow: below so many multiply-adds one worker is fastest unless others are awake.
	WakeBelow int
	// PartWork is the least multiply-adds of a part for one of several workers.
	PartWork int

	// copyPanels copies rows of panels*NR elements, srcRow elements apart, to as many panels,
	// dstPanel elements apart, of rows of NR elements; rows, panels >= 1.
	copyPanels func(rows, panels int, src *T, srcRow int, dst *T, dstPanel int)
	// copyTiles copies MR elements of each column of each tile: tiles are srcTile elements apart and
	// become dstTile, columns are srcColumn elements apart and become MR; columns, tiles >= 1. It is
	// nil where a transposed A is copied as it lies.
	copyTiles func(columns, tiles int, src *T, srcColumn, srcTile int, dst *T, dstTile int)
	// copyRows copies k elements of each of up to MR rows, srcRow apart, to k columns of MR elements at
	// dst; rows, k >= 1. What columns have beyond the rows is anything. It is nil where a row-major A
	// is never made tiles of.
	copyRows func(rows, k int, src *T, srcRow int, dst *T)
	// transpose turns transposeSide rows of transposeSide*blocks columns at src into as many
	// columns of so many rows at dst. It is nil, and the side 0, where nothing is faster than Go.
	transpose     func(blocks int, src *T, srcRow int, dst *T, dstRow int)
	transposeSide int

	// CopyChannels copies the channels of pixels, srcPixel elements apart, tile by tile: the first
	// height channels of all pixels, pixel behind pixel, to dst, the next height to dstTile
	// elements behind it, and so on. 4 <= height <= 12; pixels, tiles >= 1. As it reads an element,
	// it asks the cache for the one that is ahead elements further on. It is nil where convolutions
	// read the input of a filter's gradient in place.
	CopyChannels func(pixels, tiles, height int, src *T, srcPixel, ahead int, dst *T, dstTile int)
}

// panelKernels are the kernels, of type K, for panels of up to so many columns, by the rows of a
// tile - 1.
type panelKernels[K any] struct {
	columns int
	tile    []K
}

// forColumns returns the kernels for a panel of the columns that are left, and how many of them
// they take: all that are left, or a whole panel.
func forColumns[K any](panels []panelKernels[K], left int) (kernels []K, columns int) {
	for i := range panels {
		if p := &panels[i]; left <= p.columns {
			return p.tile, left
		}
	}
	whole := &panels[len(panels)-1]
	return whole.tile, whole.columns
}

// wideTile is a kernel for tiles of just so many columns.
type wideTile[T Float] struct {
	columns int
	kernel  TileKernel[T]
}

// whole is the kernels for whole panels.
func (t *Table[T]) whole() *panelKernels[TileKernel[T]] { return &t.panels[len(t.panels)-1] }

// MR is the most rows of a tile.
func (t *Table[T]) MR() int { return len(t.whole().tile) }

// Active returns the table of the active instruction set.
func Active[T Float]() *Table[T] {
	if t, ok := any(&tables32[simd.Active()]).(*Table[T]); ok {
		return t
	}
	return any(&tables64[simd.Active()]).(*Table[T])
}

// TapsFor returns the kernels of convolutions for a panel of the columns that are left, by the rows
// of a tile - 1, and how many of the columns they take.
func (t *Table[T]) TapsFor(left int) (kernels []TapKernel[T], columns int) {
	return forColumns(t.taps, left)
}

package gemm

import (
	"unsafe"

	"github.com/steppe-ml/steppe/internal/num"
)

// copiesTiles reports whether blocks of A, to be multiplied with so many columns of B, are copied
// tile by tile. The lines of a transposed A that a tile meets have elements of other tiles, too, so
// in place the cache has to deliver more than twice as much. A row-major A becomes tiles where
// kernels then load fewer vectors, if there are enough rows for a whole tile.
func (o *Operation[T]) copiesTiles(cols int) bool {
	if o.A.Col == 1 {
		return o.copyRows != nil && o.A.Row != 1 && o.M >= o.MR() && (cols >= o.CopyRows || cols >= o.CopyFighting && fight[T](o.A.Row))
	}
	return o.copyTiles != nil && o.A.Row == 1 && cols >= o.CopyA
}

// blockOfA returns rows rows of A from ic, and columns l0 to l1, to be multiplied with cols columns
// of B, as Panel alone reads them: as RowsOfA does, or copied tile by tile.
func (o *Operation[T]) blockOfA(ic, rows, l0, l1, cols int, buf *Buffers[T]) ABlock[T] {
	if l1 == l0 || !o.copiesTiles(cols) {
		return o.RowsOfA(ic, rows, l0, l1, cols, buf)
	}
	k, height := l1-l0, o.MR()
	next := k + Lanes[T]() // a large power of two between tiles would have them fight for cache lines
	tiles, low, taller := CutRows(rows, height)
	buf.A = Grow(buf.A, tiles*height*next)
	a := o.A.From(ic, l0)
	if a.Col == 1 {
		for t, i := 0, 0; t < tiles; t++ {
			rows := low
			if t < taller {
				rows++
			}
			o.copyRows(rows, k, a.At(i, 0), a.Row, &buf.A[t*height*next])
			i += rows
		}
	} else {
		o.copyColumns(a, rows, k, next, buf)
	}
	return ABlock[T]{P: &buf.A[0], Row: 1, Col: height, Next: next, Tile: height}
}

// copyColumns copies rows of a transposed A, each of k elements, to tiles, whose columns follow each
// other; the tiles are next columns apart.
func (o *Operation[T]) copyColumns(a View[T], rows, k, next int, buf *Buffers[T]) {
	height := o.MR()
	tiles, low, taller := CutRows(rows, height)
	for t, i := 0, 0; t < tiles; {
		rows, n := low, min(tilesAtOnce, tiles-t)
		if t < taller {
			rows, n = low+1, min(n, taller-t)
		}
		copied := n
		if t+n == tiles && rows < height {
			copied--
			o.copyLastTile(a.From(i+copied*rows, 0), rows, k, buf.A[(t+copied)*height*next:])
		}
		if copied > 0 {
			o.copyTiles(k, copied, a.At(i, 0), a.Col, rows, &buf.A[t*height*next], height*next)
		}
		t, i = t+n, i+n*rows
	}
}

// tilesAtOnce is how many tiles are copied together: some cache lines of each column, and so few
// that the cache keeps the lines that are written.
const tilesAtOnce = 8

// copyLastTile copies a tile of fewer rows than MR. Behind each of its columns but the last ones A
// has enough for copyTiles to read.
func (o *Operation[T]) copyLastTile(a View[T], rows, k int, dst []T) {
	whole := 0
	if a.Col > 0 {
		whole = max(0, k-num.CeilDiv(o.MR()-rows, a.Col))
	}
	if whole > 0 {
		o.copyTiles(whole, 1, a.P, a.Col, 0, &dst[0], 0)
	}
	for l := whole; l < k; l++ {
		copy(dst[l*o.MR():][:rows], unsafe.Slice(a.At(0, l), rows))
	}
}

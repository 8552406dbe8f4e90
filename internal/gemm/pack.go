package gemm

import (
	"unsafe"

	"github.com/steppe-ml/steppe/internal/num"
)

// ABlock is some rows of A as the kernels read them, in place or copied. Element (i, l) of a tile
// is i*Row + l*Col elements from P; behind a tile of r rows, the next one is r*Next elements
// further on. If Tile isn't 0, A was copied in tiles, as CutRows cuts rows into tiles of at most
// Tile rows, and the next one is always Tile*Next elements further on.
type ABlock[T Float] struct {
	P              *T
	Row, Col, Next int
	Tile           int
}

// tile is the elements between the beginnings of a tile of so many rows and of the next one.
func (a *ABlock[T]) tile(rows int) int { return max(rows, a.Tile) * a.Next }

// From returns the rows from i on, of an A that wasn't copied in tiles. Rows are as far apart
// within a tile as between tiles.
func (a ABlock[T]) From(i int) ABlock[T] {
	if a.P != nil {
		a.P = At(a.P, i*a.Next)
	}
	return a
}

// BPanel is a panel of B as the kernels read it: NR columns, of which row l is l*Row elements from
// P.
type BPanel[T Float] struct {
	P   *T
	Row int
}

// BPanels are the panels of a block of B.
type BPanels[T Float] struct {
	packed View[T] // panel j/nr is at row j/nr; nil p for none
	place  View[T] // whole panels that are read in place; nil p for none
	whole  int     // columns that are read in place
	nr     int
}

// Panel returns the panel that begins at column j of the block.
func (b BPanels[T]) Panel(j int) BPanel[T] {
	if j < b.whole {
		return BPanel[T]{b.place.At(0, j), b.place.Row}
	}
	j -= b.whole
	return BPanel[T]{At(b.packed.P, j/b.nr*b.packed.Row+j%b.nr), b.nr}
}

// readsInPlace reports whether a product of so many rows of A with k rows of B best reads a B with
// contiguous rows in place. A panel takes some cache lines of each row of B, and one more if rows
// don't begin with a line.
func (o *Operation[T]) readsInPlace(rows, k int) bool {
	fewest, stride := o.PackRows, o.PackStride
	if o.B.aligned() {
		fewest, stride = o.PackRowsAligned, o.PackAligned
	}
	return rows < fewest || o.B.Row <= stride && !(o.PacksFighting && o.panelFights(k))
}

// panelFights reports whether k rows of a panel of B in place take more than half of the L1 cache's
// lines that they can lie in, of 8 ways and 64 sets: rows 1 KiB apart can lie in 4 sets.
func (o *Operation[T]) panelFights(k int) bool {
	if o.B.Row == 0 { // a row that stands for all of them
		return false
	}
	const sets, ways = 64, 8
	lines, bytes := o.NR/Lanes[T](), o.B.Row*Size[T]()
	if !o.B.aligned() {
		lines++
	}
	apart := bytes & -bytes // the largest power of two that divides the distance of rows
	return k*lines > ways/2*min(sets, max(1, sets*line/apart))
}

// PanelsOfB returns rows l0 to l1 and cols columns from jc of B, to be
// multiplied with rows rows of A: in place or packed, and of those in place a
// ragged last panel is packed where kernels don't mask it.
func (o *Operation[T]) PanelsOfB(l0, l1, jc, cols, rows int, buf *Buffers[T]) BPanels[T] {
	k := l1 - l0
	b := BPanels[T]{nr: o.NR}
	if k == 0 {
		return b
	}
	if o.Packed != nil {
		b.packed = o.Packed.panels(l0, k, jc)
		return b
	}
	if o.B.Col == 1 && o.readsInPlace(rows, k) {
		b.whole = cols
		if !o.MasksB {
			b.whole = cols / o.NR * o.NR
		}
		b.place = o.B.From(l0, jc)
	}
	if b.whole < cols {
		size := k * o.NR
		buf.B = Grow(buf.B, PanelCount(o.Table, cols-b.whole)*size)
		PackPanels(o.Table, o.B.From(l0, jc+b.whole), k, cols-b.whole, buf.B, size)
		b.packed = View[T]{&buf.B[0], size, 1}
	}
	return b
}

// PackPanels copies a k x n block of B to dst as panels of t.NR columns, each stride elements
// behind the one before it. In a panel, rows lie one behind the other. Columns that the last panel
// lacks keep what was there.
func PackPanels[T Float](t *Table[T], b View[T], k, n int, dst []T, stride int) {
	if k == 0 || n == 0 {
		return
	}
	_ = dst[(PanelCount(t, n)-1)*stride+k*t.NR-1] // kernels check no bounds
	whole := 0
	if b.Col == 1 {
		whole = n / t.NR
	}
	// Whole rows at a time, but no more than a call into assembly may take.
	rows := max(1, callElements/max(1, whole*t.NR))
	for l := 0; l < k && whole > 0; l += rows {
		t.copyPanels(min(rows, k-l), whole, b.At(l, 0), b.Row, &dst[l*t.NR], stride)
	}
	for j := whole * t.NR; j < n; j += t.NR {
		PackPanel(t, b.From(0, j), k, min(t.NR, n-j), dst[j/t.NR*stride:][:k*t.NR])
	}
}

// callElements is how many elements one call into assembly may copy, for some
// tens of microseconds.
const callElements = 1 << 17

// PackPanel copies a k x n block of B to dst as a panel: rows of nr elements.
// Those beyond n keep what was there, since no kernel stores what it computes
// with them.
func PackPanel[T Float](t *Table[T], b View[T], k, n int, dst []T) {
	if b.Col != 1 {
		Transpose(t, b, k, n, dst, t.NR)
		return
	}
	for l := range k {
		copy(dst[l*t.NR:][:n], unsafe.Slice(b.At(l, 0), n))
	}
}

// Transpose copies a k x n block of B, whose columns are contiguous, to dst, with
// rows that are stride elements apart.
func Transpose[T Float](t *Table[T], b View[T], k, n int, dst []T, stride int) {
	wholeK, wholeN := 0, 0
	if side := t.transposeSide; side > 0 && k >= side {
		wholeK, wholeN = k/side*side, n/side*side
		for j := 0; j < wholeN; j += side {
			t.transpose(k/side, b.At(0, j), b.Col, &dst[j], stride)
		}
	}
	for j := range n {
		from := 0
		if j < wholeN {
			from = wholeK
		}
		column := unsafe.Slice(b.At(0, j), k)
		for l := from; l < k; l++ {
			dst[l*stride+j] = column[l]
		}
	}
}

// RowsOfA returns rows rows of A from ic, and columns l0 to l1, to be
// multiplied with cols columns of B. The kernels read A by strides, so it is
// copied only where it is read often enough and lies badly in memory, and then
// as it is, but without the large power of two between its rows.
func (o *Operation[T]) RowsOfA(ic, rows, l0, l1, cols int, buf *Buffers[T]) ABlock[T] {
	k := l1 - l0
	if k == 0 {
		return ABlock[T]{}
	}
	a := o.A.From(ic, l0)
	copied := a.Col != 1 && cols >= o.CopyA || a.Col == 1 && cols >= o.CopyFighting && fight[T](a.Row)
	if !copied {
		return ABlock[T]{P: a.P, Row: a.Row, Col: a.Col, Next: a.Row}
	}
	pad := Lanes[T]()
	if a.Col == 1 {
		stride := k + pad
		buf.A = Grow(buf.A, rows*stride)
		for i := range rows {
			copy(buf.A[i*stride:][:k], unsafe.Slice(a.At(i, 0), k))
		}
		return ABlock[T]{P: &buf.A[0], Row: stride, Col: 1, Next: stride}
	}
	stride := (rows+pad-1)/pad*pad + pad
	buf.A = Grow(buf.A, k*stride)
	for l := range k {
		copy(buf.A[l*stride:][:rows], unsafe.Slice(a.At(0, l), rows))
	}
	return ABlock[T]{P: &buf.A[0], Row: 1, Col: stride, Next: 1}
}

// fight reports whether rows of such a stride fight for the same few lines of
// the L1 cache, whose sets come again every 4 KiB.
func fight[T Float](stride int) bool {
	const again, close = 4096, 4 * line
	apart := stride * Size[T]() % again
	return apart < close || apart > again-close
}

// PanelCount returns how many panels n columns of B make.
func PanelCount[T Float](t *Table[T], n int) int { return num.CeilDiv(n, t.NR) }

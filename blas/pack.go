package blas

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/steppe-ml/steppe/internal/parallel"
)

// aBlock is some rows of A as the kernels read them, in place or copied.
// Element (i, l) is i*row + l*col elements from p within a tile, and a tile of r
// rows is followed by the next r*next elements further on.
type aBlock[T Float] struct {
	p              *T
	row, col, next int
}

// from returns the rows from i on; copied and in place, they are as far apart
// within a tile as between tiles.
func (a aBlock[T]) from(i int) aBlock[T] {
	if a.p != nil {
		a.p = at(a.p, i*a.next)
	}
	return a
}

// bPanel is a panel of B as the kernels read it: nr columns, of which row l is
// l*row elements from p.
type bPanel[T Float] struct {
	p   *T
	row int
}

// bPanels is the panels of a block of B.
type bPanels[T Float] struct {
	packed view[T] // panel j/nr is at row j/nr; nil p for none
	place  view[T] // whole panels that are read in place; nil p for none
	whole  int     // columns that are read in place
	nr     int
}

func (b bPanels[T]) panel(j int) bPanel[T] {
	if j < b.whole {
		return bPanel[T]{b.place.at(0, j), b.place.row}
	}
	j -= b.whole
	return bPanel[T]{at(b.packed.p, j/b.nr*b.packed.row+j%b.nr), b.nr}
}

// readsInPlace reports whether a B whose rows are contiguous is best read where
// it is by a product of so many rows of A: a panel takes some lines of each row,
// and more of them if they don't begin there.
func (o *operation[T]) readsInPlace(rows int) bool {
	if o.b.aligned() {
		return rows < o.packRowsAligned || o.b.row <= o.packAligned
	}
	return rows < o.packRows || o.b.row <= o.packStride
}

// panelsOfB returns rows l0 to l1 and cols columns from jc of B, to be
// multiplied with rows rows of A: in place or packed, and of those in place a
// ragged last panel is packed where kernels don't mask it.
func (o *operation[T]) panelsOfB(l0, l1, jc, cols, rows int, buf *buffers[T]) bPanels[T] {
	k := l1 - l0
	b := bPanels[T]{nr: o.nr()}
	if k == 0 {
		return b
	}
	if o.packedB != nil {
		b.packed = o.packedB.panels(l0, k, jc)
		return b
	}
	if o.b.col == 1 && o.readsInPlace(rows) {
		b.whole = cols
		if !o.masksB {
			b.whole = cols / o.nr() * o.nr()
		}
		b.place = o.b.from(l0, jc)
	}
	if b.whole < cols {
		size := k * o.nr()
		buf.b = grow(buf.b, panels(o.table, cols-b.whole)*size)
		packPanels(o.table, o.b.from(l0, jc+b.whole), k, cols-b.whole, buf.b, size)
		b.packed = view[T]{&buf.b[0], size, 1}
	}
	return b
}

// packPanels copies a k x n block of B to dst as panels, each stride elements
// behind the one before it.
func packPanels[T Float](t *table[T], b view[T], k, n int, dst []T, stride int) {
	whole := 0
	if b.col == 1 {
		whole = n / t.nr()
	}
	// Whole rows at a time, but no more than a call into assembly may take.
	rows := max(1, callElements/max(1, whole*t.nr()))
	for l := 0; l < k && whole > 0; l += rows {
		t.copyPanels(min(rows, k-l), whole, b.at(l, 0), b.row, &dst[l*t.nr()], stride)
	}
	for j := whole * t.nr(); j < n; j += t.nr() {
		packPanel(t, b.from(0, j), k, min(t.nr(), n-j), dst[j/t.nr()*stride:][:k*t.nr()])
	}
}

// PanelColumns returns the columns of the panels that PackPanels makes, under the
// active instruction set.
func PanelColumns[T Float]() int { return active[T]().nr() }

// PackPanels copies b to dst as panels of PanelColumns columns, each stride
// elements behind the one before it: kernels on the floors above read them as
// those of this one do. In a panel, rows lie one behind the other. What the last
// one lacks keeps what was there.
func PackPanels[T Float](dst []T, b Mat[T], stride int) {
	b.check("B", 0)
	if b.Rows == 0 || b.Cols == 0 {
		return
	}
	t := active[T]()
	if need := plus(times(panels(t, b.Cols)-1, stride), times(b.Rows, t.nr())); stride < 0 || len(dst) < need {
		panic(fmt.Sprintf("blas: %d elements for panels of a %d x %d matrix, %d apart, want at least %d", len(dst), b.Rows, b.Cols, stride, need))
	}
	packPanels(t, b.view(), b.Rows, b.Cols, dst, stride)
}

// callElements is how many elements one call into assembly may copy, for some
// tens of microseconds.
const callElements = 1 << 17

// packPanel copies a k x n block of B to dst as a panel: rows of nr elements.
// Those beyond n keep what was there, since no kernel stores what it computes
// with them.
func packPanel[T Float](t *table[T], b view[T], k, n int, dst []T) {
	if b.col != 1 {
		transpose(t, b, k, n, dst, t.nr())
		return
	}
	for l := range k {
		copy(dst[l*t.nr():][:n], unsafe.Slice(b.at(l, 0), n))
	}
}

// transpose copies a k x n block of B, whose columns are contiguous, to dst, with
// rows that are stride elements apart.
func transpose[T Float](t *table[T], b view[T], k, n int, dst []T, stride int) {
	wholeK, wholeN := 0, 0
	if side := t.transposeSide; side > 0 && k >= side {
		wholeK, wholeN = k/side*side, n/side*side
		for j := 0; j < wholeN; j += side {
			t.transpose(k/side, b.at(0, j), b.col, &dst[j], stride)
		}
	}
	for j := range n {
		from := 0
		if j < wholeN {
			from = wholeK
		}
		column := unsafe.Slice(b.at(0, j), k)
		for l := from; l < k; l++ {
			dst[l*stride+j] = column[l]
		}
	}
}

// rowsOfA returns rows rows of A from ic, and columns l0 to l1, to be
// multiplied with cols columns of B. The kernels read A by strides, so it is
// copied only where it is read often enough and lies badly in memory, and then
// as it is, but without the large power of two between its rows.
func (o *operation[T]) rowsOfA(ic, rows, l0, l1, cols int, buf *buffers[T]) aBlock[T] {
	k := l1 - l0
	if k == 0 {
		return aBlock[T]{}
	}
	a := o.a.from(ic, l0)
	copied := a.col != 1 && cols >= o.copyA || a.col == 1 && cols >= o.copyFighting && fight[T](a.row)
	if !copied {
		return aBlock[T]{a.p, a.row, a.col, a.row}
	}
	pad := lanes[T]()
	if a.col == 1 {
		stride := k + pad
		buf.a = grow(buf.a, rows*stride)
		for i := range rows {
			copy(buf.a[i*stride:][:k], unsafe.Slice(a.at(i, 0), k))
		}
		return aBlock[T]{&buf.a[0], stride, 1, stride}
	}
	stride := (rows+pad-1)/pad*pad + pad
	buf.a = grow(buf.a, k*stride)
	for l := range k {
		copy(buf.a[l*stride:][:rows], unsafe.Slice(a.at(0, l), rows))
	}
	return aBlock[T]{&buf.a[0], 1, stride, 1}
}

// fight reports whether rows of such a stride fight for the same few lines of
// the L1 cache, whose sets come again every 4 KiB.
func fight[T Float](stride int) bool {
	const again, close = 4096, 4 * line
	apart := stride * size[T]() % again
	return apart < close || apart > again-close
}

// PackedB is a matrix B in the form that the kernels read fastest, to be
// multiplied with many times. It is bound to the instruction set that was
// active when it was made. Any number of products may read it at once.
type PackedB[T Float] struct {
	table *table[T]
	k, n  int
	size  int     // of data
	data  []T     // blocks of K; in each, panels of nr columns; in each, rows; nil before the first Pack
	src   view[T] // while packing
}

// NewPackedB returns an unfilled PackedB for matrices of k rows and n columns. It
// takes its memory when it is filled for the first time.
func NewPackedB[T Float](k, n int) *PackedB[T] {
	t := active[T]()
	floats := times(k, panels(t, n)*t.nr())
	if times(floats, size[T]()) == math.MaxInt {
		panic(fmt.Sprintf("blas: the packed form of %d x %d is larger than memory can be", k, n))
	}
	return &PackedB[T]{table: t, k: k, n: n, size: floats}
}

// Bytes returns the size of the packed data.
func (p *PackedB[T]) Bytes() int { return size[T]() * p.size }

// Pack fills p from b, whose size must be p's, on a team of workers.
func (p *PackedB[T]) Pack(team *parallel.Team, b Mat[T]) {
	b.check("B", 0)
	if b.Rows != p.k || b.Cols != p.n {
		panic(fmt.Sprintf("blas: B is %d x %d, packed into the form of %d x %d", b.Rows, b.Cols, p.k, p.n))
	}
	if p.k == 0 || p.n == 0 {
		return
	}
	p.data = grow(p.data, p.size)
	p.src = b.view()
	team.Run(ceilDiv(panels(p.table, p.n), panelsPerTask), p)
	p.src = view[T]{}
}

// check panics if p isn't the packed form of b, or of every B of a batch.
func (p *PackedB[T]) check(b *Mat[T], batch Batch) {
	switch {
	case b.Rows != p.k || b.Cols != p.n:
		panic(fmt.Sprintf("blas: B is %d x %d, but its packed form %d x %d", b.Rows, b.Cols, p.k, p.n))
	case p.table != active[T]():
		panic("blas: B was packed under another instruction set")
	case batch.B != 0:
		panic(fmt.Sprintf("blas: a packed B is one for the batch, but has stride %d", batch.B))
	}
}

// panelsPerTask is how many panels are packed together.
const panelsPerTask = 8

// Do packs some panels, of all of K.
func (p *PackedB[T]) Do(task, _ int) {
	t := p.table
	j := task * panelsPerTask * t.nr()
	n := min(panelsPerTask*t.nr(), p.n-j)
	steps := kBlocks(t, p.k)
	for s := range steps {
		l0, l1 := parallel.Cut(p.k, 1, steps, s)
		size := (l1 - l0) * t.nr()
		at := l0*panels(t, p.n)*t.nr() + j/t.nr()*size
		packPanels(t, p.src.from(l0, j), l1-l0, n, p.data[at:], size)
	}
}

// panels returns the panels of the K block of k rows from l0, beginning with
// that of column j.
func (p *PackedB[T]) panels(l0, k, j int) view[T] {
	nr := p.table.nr()
	return view[T]{&p.data[l0*panels(p.table, p.n)*nr+j/nr*k*nr], k * nr, 1}
}

// panels returns how many panels n columns of B make.
func panels[T Float](t *table[T], n int) int { return ceilDiv(n, t.nr()) }

// grow returns a buffer of at least n elements: buf, or a new one.
func grow[T Float](buf []T, n int) []T {
	if len(buf) >= n {
		return buf
	}
	return aligned[T](n)
}

// aligned returns n zeros that begin at a cache line.
func aligned[T Float](n int) []T {
	buf := make([]T, n+lanes[T]())
	skip := 0
	for uintptr(unsafe.Pointer(&buf[skip]))%line != 0 {
		skip++
	}
	return buf[skip:][:n:n]
}

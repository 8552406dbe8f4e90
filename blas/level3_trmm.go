package blas

import (
	"unsafe"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
)

// multiplied is recurse for a product of no more elements than are summed at once. B is
// copied, block by block, since it is written over. The triangle's tiles, or panels, have
// zeros in the place of the other triangle; where those met a NaN or an Inf, the sums are
// computed again without: the row or column that has most zeros is NaN then.
func (t *triangular[T]) multiplied(rows num.Span, alpha T, b gemm.View[T], w *workspace[T]) {
	if t.left {
		t.multipliedLeft(rows, alpha, b, w)
	} else {
		t.multipliedRight(rows, alpha, b, w)
	}
}

// multipliedLeft computes the product from the left, by the loops of block, of which the
// innermost ends, or begins, at the diagonal.
func (t *triangular[T]) multipliedLeft(rows num.Span, alpha T, b gemm.View[T], w *workspace[T]) {
	n, nr := rows.Len(), t.NR
	block := t.rowsAtOnce(n + gemm.Lanes[T]())
	var o gemm.Operation[T]
	o.Table, o.Alpha = t.Table, alpha
	for jc := 0; jc < t.others; jc += t.NC {
		cols := min(t.NC, t.others-jc)
		w.B = gemm.Grow(w.B, gemm.PanelCount(t.Table, cols)*n*nr)
		gemm.PackPanels(t.Table, b.From(0, jc), n, cols, w.B, n*nr)
		for i := 0; i < n; i += block {
			some := num.Range(i, min(i+block, n))
			reads := t.readBy(some, n)
			a := t.rowsOfTriangle(rows.From, some, reads, w)
			for j := 0; j < cols; j += nr {
				panel := w.B[j*n:][:n*nr]
				t.tilesOfPanel(&o, rows.From, n, a, some, reads, panel, min(nr, cols-j), b.From(0, jc+j))
			}
		}
	}
}

// rowsAtOnce is how many rows of what is multiplied from the left are copied at a time,
// if they are so many elements apart: whole tiles.
func (t *triangular[T]) rowsAtOnce(stride int) int {
	return max(1, t.MC*max(1, t.KC/stride)/t.MR()) * t.MR()
}

// metZeros reports whether zeros in the place of the other triangle met a NaN or an Inf:
// those that belong to elements zeros of a vector, but for the one that has none.
func metZeros[T Float](zeros num.Span, but int, b gemm.View[T]) bool {
	for l := zeros.From; l < zeros.To; l++ {
		if v := *b.At(l, 0); l != but && v-v != 0 {
			return true
		}
	}
	return false
}

// readBy returns which of n vectors of B rows of the triangle read.
func (t *triangular[T]) readBy(rows num.Span, n int) num.Span {
	if t.lower {
		return num.Range(0, rows.To)
	}
	return num.Range(rows.From, n)
}

// mostZeros returns the row of a tile with the most zeros in place of the other triangle: one for
// each of the tile's rows but its own.
func (t *triangular[T]) mostZeros(tile num.Span) int {
	if t.lower {
		return tile.From
	}
	return tile.To - 1
}

// rowsOfTriangle copies some rows of the square of A that begins at first, with zeros and
// ones where a tile has others than the triangle.
func (t *triangular[T]) rowsOfTriangle(first int, rows, reads num.Span, w *workspace[T]) gemm.ABlock[T] {
	m, k, pad := rows.Len(), reads.Len(), gemm.Lanes[T]()
	from := t.a.From(first+rows.From, first+reads.From)
	var a gemm.ABlock[T]
	if from.Col == 1 {
		a.Row, a.Col = k+pad, 1
		w.A = gemm.Grow(w.A, m*a.Row)
		for i := range m {
			copy(w.A[i*a.Row:][:k], from.Slice(i, 0, k))
		}
	} else {
		a.Row, a.Col = 1, (m+pad-1)/pad*pad+pad
		w.A = gemm.Grow(w.A, k*a.Col)
		for l := range k {
			copy(w.A[l*a.Col:][:m], unsafe.Slice(from.At(0, l), m))
		}
	}
	for i := rows.From; i < rows.To; i++ {
		tile := t.tileOf(i, rows)
		for l := tile.From; l < tile.To; l++ {
			if l == i || (l < i) != t.lower {
				w.A[(i-rows.From)*a.Row+(l-reads.From)*a.Col] = t.element(first, i, l)
			}
		}
	}
	a.P, a.Next = &w.A[0], a.Row
	return a
}

// tileOf returns the tile that row i is in, of rows that begin with one.
func (t *triangular[T]) tileOf(i int, rows num.Span) num.Span {
	from := i - (i-rows.From)%t.MR()
	return num.Range(from, min(from+t.MR(), rows.To))
}

// tilesOfPanel multiplies a panel of B by the tiles of some rows of the triangle.
func (t *triangular[T]) tilesOfPanel(o *gemm.Operation[T], first, n int, a gemm.ABlock[T], rows, reads num.Span, panel []T, cols int, c gemm.View[T]) {
	for i := rows.From; i < rows.To; i += t.MR() {
		tile := t.tileOf(i, rows)
		here, most := t.readBy(tile, n), t.mostZeros(tile)
		at := gemm.ABlock[T]{P: gemm.At(a.P, (i-rows.From)*a.Row+(here.From-reads.From)*a.Col), Row: a.Row, Col: a.Col, Next: a.Next}
		o.Panel(at, gemm.BPanel[T]{P: &panel[here.From*t.NR], Row: t.NR}, tile.Len(), cols, cols, here.Len(), c.From(i, 0), 0, gemm.Epilogue[T]{})
		for j, v := range c.Slice(most, 0, cols) {
			b := gemm.ViewOf[T](&panel[j], t.NR, 1)
			if v != v && metZeros(tile, most, b) {
				for i := tile.From; i < tile.To; i++ {
					*c.At(i, j) = t.again(first, i, here, o.Alpha, b)
				}
			}
		}
	}
}

// multipliedRight computes the product from the right: some rows of B at a time, in the
// place of A in a product, by the triangle's panels.
func (t *triangular[T]) multipliedRight(rows num.Span, alpha T, b gemm.View[T], w *workspace[T]) {
	n, nr := rows.Len(), t.NR
	w.B = gemm.Grow(w.B, gemm.PanelCount(t.Table, n)*n*nr)
	for j := 0; j < n; j += nr {
		cols := num.Range(j, min(j+nr, n))
		t.packTriangle(rows.From, t.readBy(cols, n), cols, w.B[j*n:])
	}
	stride := n + gemm.Lanes[T]()
	block := t.rowsAtOnce(stride)
	w.A = gemm.Grow(w.A, min(block, t.others)*stride)
	for i := 0; i < t.others; i += block {
		m := min(block, t.others-i)
		for r := range m {
			copy(w.A[r*stride:][:n], b.Slice(i+r, 0, n))
		}
		t.panelsOfTriangle(rows, alpha, gemm.ABlock[T]{P: &w.A[0], Row: stride, Col: 1, Next: stride}, m, w.B, b.From(i, 0))
	}
}

// panelsOfTriangle multiplies m rows, of which a is a copy, by the triangle's panels.
func (t *triangular[T]) panelsOfTriangle(rows num.Span, alpha T, a gemm.ABlock[T], m int, packed []T, c gemm.View[T]) {
	n, nr := rows.Len(), t.NR
	var o gemm.Operation[T]
	o.Table, o.Alpha = t.Table, alpha
	for j := 0; j < n; j += nr {
		cols := num.Range(j, min(j+nr, n))
		reads, most := t.readBy(cols, n), t.mostZeros(cols)
		at := gemm.ABlock[T]{P: gemm.At(a.P, reads.From), Row: a.Row, Col: 1, Next: a.Next}
		o.Panel(at, gemm.BPanel[T]{P: &packed[j*n], Row: nr}, m, cols.Len(), cols.Len(), reads.Len(), c.From(0, j), 0, gemm.Epilogue[T]{})
		for r := range m {
			b := gemm.ViewOf[T](a.From(r).P, 1, a.Row)
			if v := *c.At(r, most); v != v && metZeros(cols, most, b) {
				for j := cols.From; j < cols.To; j++ {
					*c.At(r, j) = t.again(rows.From, j, reads, alpha, b)
				}
			}
		}
	}
}

// packTriangle writes out the panel of A' that columns reads of B are multiplied with
// to make columns cols; the square of A begins at first. What the other triangle
// holds is packed, too, and overwritten.
func (t *triangular[T]) packTriangle(first int, reads, cols num.Span, packed []T) {
	a := t.a.From(first+cols.From, first+reads.From)
	gemm.PackPanel(t.Table, a.T(), reads.Len(), cols.Len(), packed)
	for l := cols.From; l < cols.To; l++ {
		row := packed[(l-reads.From)*t.NR:][:cols.Len()]
		on := l - cols.From
		if t.lower {
			clear(row[:on])
		} else {
			clear(row[on+1:])
		}
		if t.unit {
			row[on] = 1
		}
	}
}

// element returns element (i, l) of the square of A that begins at first.
func (t *triangular[T]) element(first, i, l int) T {
	switch {
	case i == l && t.unit:
		return 1
	case i == l || (l < i) == t.lower:
		return *t.a.At(first+i, first+l)
	}
	return 0
}

// again computes an element of a product without the other triangle: row i of the square
// of A that begins at first, times a vector whose element l is b's in row l.
func (t *triangular[T]) again(first, i int, reads num.Span, alpha T, b gemm.View[T]) T {
	var sum T
	for l := reads.From; l < reads.To; l++ {
		if l == i || (l < i) == t.lower {
			sum += T(t.element(first, i, l) * *b.At(l, 0))
		}
	}
	return T(alpha * sum)
}

package blas

import "unsafe"

// multiplied is recurse for a product of no more elements than are summed at once. B is
// copied, block by block, since it is written over. The triangle's tiles, or panels, have
// zeros in the place of the other triangle; where those met a NaN or an Inf, the sums are
// computed again without: the row or column that has most zeros is NaN then.
func (t *triangular[T]) multiplied(rows span, alpha T, b view[T], w *workspace[T]) {
	if t.left {
		t.multipliedLeft(rows, alpha, b, w)
	} else {
		t.multipliedRight(rows, alpha, b, w)
	}
}

// multipliedLeft computes the product from the left, by the loops of block, of which the
// innermost ends, or begins, at the diagonal.
func (t *triangular[T]) multipliedLeft(rows span, alpha T, b view[T], w *workspace[T]) {
	n, nr := rows.len(), t.nr()
	block := t.rowsAtOnce(n + lanes[T]())
	var o operation[T]
	o.table, o.alpha = t.table, alpha
	for jc := 0; jc < t.others; jc += t.nc {
		cols := min(t.nc, t.others-jc)
		w.b = grow(w.b, panels(t.table, cols)*n*nr)
		packPanels(t.table, b.from(0, jc), n, cols, w.b, n*nr)
		for i := 0; i < n; i += block {
			some := span{i, min(i+block, n)}
			reads := t.readBy(some, n)
			a := t.rowsOfTriangle(rows.from, some, reads, w)
			for j := 0; j < cols; j += nr {
				panel := w.b[j*n:][:n*nr]
				t.tilesOfPanel(&o, rows.from, n, a, some, reads, panel, min(nr, cols-j), b.from(0, jc+j))
			}
		}
	}
}

// rowsAtOnce is how many rows of what is multiplied from the left are copied at a time,
// if they are so many elements apart: whole tiles.
func (t *triangular[T]) rowsAtOnce(stride int) int {
	return max(1, t.mc*max(1, t.kc/stride)/t.mr()) * t.mr()
}

// metZeros reports whether zeros in the place of the other triangle met a NaN or an Inf:
// those that belong to elements zeros of a vector, but for the one that has none.
func metZeros[T Float](zeros span, but int, b view[T]) bool {
	for l := zeros.from; l < zeros.to; l++ {
		if v := *b.at(l, 0); l != but && v-v != 0 {
			return true
		}
	}
	return false
}

// readBy returns which of n vectors of B rows of the triangle read.
func (t *triangular[T]) readBy(rows span, n int) span {
	if t.lower {
		return span{0, rows.to}
	}
	return span{rows.from, n}
}

// mostZeros returns which of a tile's rows has most zeros in the place of the other
// triangle: one for each element of B from the tile's rows but its own.
func (t *triangular[T]) mostZeros(tile span) int {
	if t.lower {
		return tile.from
	}
	return tile.to - 1
}

// rowsOfTriangle copies some rows of the square of A that begins at first, with zeros and
// ones where a tile has others than the triangle.
func (t *triangular[T]) rowsOfTriangle(first int, rows, reads span, w *workspace[T]) aBlock[T] {
	m, k, pad := rows.len(), reads.len(), lanes[T]()
	from := t.a.from(first+rows.from, first+reads.from)
	var a aBlock[T]
	if from.col == 1 {
		a.row, a.col = k+pad, 1
		w.a = grow(w.a, m*a.row)
		for i := range m {
			copy(w.a[i*a.row:][:k], from.slice(i, 0, k))
		}
	} else {
		a.row, a.col = 1, (m+pad-1)/pad*pad+pad
		w.a = grow(w.a, k*a.col)
		for l := range k {
			copy(w.a[l*a.col:][:m], unsafe.Slice(from.at(0, l), m))
		}
	}
	for i := rows.from; i < rows.to; i++ {
		tile := t.tileOf(i, rows)
		for l := tile.from; l < tile.to; l++ {
			if l == i || (l < i) != t.lower {
				w.a[(i-rows.from)*a.row+(l-reads.from)*a.col] = t.element(first, i, l)
			}
		}
	}
	a.p, a.next = &w.a[0], a.row
	return a
}

// tileOf returns the tile that row i is in, of rows that begin with one.
func (t *triangular[T]) tileOf(i int, rows span) span {
	from := i - (i-rows.from)%t.mr()
	return span{from, min(from+t.mr(), rows.to)}
}

// tilesOfPanel multiplies a panel of B by the tiles of some rows of the triangle.
func (t *triangular[T]) tilesOfPanel(o *operation[T], first, n int, a aBlock[T], rows, reads span, panel []T, cols int, c view[T]) {
	for i := rows.from; i < rows.to; i += t.mr() {
		tile := t.tileOf(i, rows)
		here, most := t.readBy(tile, n), t.mostZeros(tile)
		at := aBlock[T]{at(a.p, (i-rows.from)*a.row+(here.from-reads.from)*a.col), a.row, a.col, a.next}
		o.panel(at, bPanel[T]{&panel[here.from*t.nr()], t.nr()}, tile.len(), cols, cols, here.len(), c.from(i, 0), 0, epilogue[T]{})
		for j, v := range c.slice(most, 0, cols) {
			b := view[T]{&panel[j], t.nr(), 1}
			if v != v && metZeros(tile, most, b) {
				for i := tile.from; i < tile.to; i++ {
					*c.at(i, j) = t.again(first, i, here, o.alpha, b)
				}
			}
		}
	}
}

// multipliedRight computes the product from the right: some rows of B at a time, in the
// place of A in a product, by the triangle's panels.
func (t *triangular[T]) multipliedRight(rows span, alpha T, b view[T], w *workspace[T]) {
	n, nr := rows.len(), t.nr()
	w.b = grow(w.b, panels(t.table, n)*n*nr)
	for j := 0; j < n; j += nr {
		cols := span{j, min(j+nr, n)}
		t.packTriangle(rows.from, t.readBy(cols, n), cols, w.b[j*n:])
	}
	stride := n + lanes[T]()
	block := t.rowsAtOnce(stride)
	w.a = grow(w.a, min(block, t.others)*stride)
	for i := 0; i < t.others; i += block {
		m := min(block, t.others-i)
		for r := range m {
			copy(w.a[r*stride:][:n], b.slice(i+r, 0, n))
		}
		t.panelsOfTriangle(rows, alpha, aBlock[T]{&w.a[0], stride, 1, stride}, m, w.b, b.from(i, 0))
	}
}

// panelsOfTriangle multiplies m rows, of which a is a copy, by the triangle's panels.
func (t *triangular[T]) panelsOfTriangle(rows span, alpha T, a aBlock[T], m int, packed []T, c view[T]) {
	n, nr := rows.len(), t.nr()
	var o operation[T]
	o.table, o.alpha = t.table, alpha
	for j := 0; j < n; j += nr {
		cols := span{j, min(j+nr, n)}
		reads, most := t.readBy(cols, n), t.mostZeros(cols)
		at := aBlock[T]{at(a.p, reads.from), a.row, 1, a.next}
		o.panel(at, bPanel[T]{&packed[j*n], nr}, m, cols.len(), cols.len(), reads.len(), c.from(0, j), 0, epilogue[T]{})
		for r := range m {
			b := view[T]{a.from(r).p, 1, a.row}
			if v := *c.at(r, most); v != v && metZeros(cols, most, b) {
				for j := cols.from; j < cols.to; j++ {
					*c.at(r, j) = t.again(rows.from, j, reads, alpha, b)
				}
			}
		}
	}
}

// packTriangle writes out the panel of A' that columns reads of B are multiplied with
// to make columns cols; the square of A begins at first. What the other triangle
// holds is packed, too, and overwritten.
func (t *triangular[T]) packTriangle(first int, reads, cols span, packed []T) {
	a := t.a.from(first+cols.from, first+reads.from)
	packPanel(t.table, a.transposed(), reads.len(), cols.len(), packed)
	for l := cols.from; l < cols.to; l++ {
		row := packed[(l-reads.from)*t.nr():][:cols.len()]
		on := l - cols.from
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
		return *t.a.at(first+i, first+l)
	}
	return 0
}

// again computes an element of a product without the other triangle: row i of the square
// of A that begins at first, times a vector whose element l is b's in row l.
func (t *triangular[T]) again(first, i int, reads span, alpha T, b view[T]) T {
	var sum T
	for l := reads.from; l < reads.to; l++ {
		if l == i || (l < i) == t.lower {
			sum += T(t.element(first, i, l) * *b.at(l, 0))
		}
	}
	return T(alpha * sum)
}

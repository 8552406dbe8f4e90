package blas

// multiplied is recurse for a product from the right, with few columns of B: each
// panel of them, in place, is the product of those columns that the triangle makes it
// depend on and a panel of A', whose other triangle is written out as zeros. Where a
// NaN shows that such a zero met one, or an Inf, a row is computed again without.
func (t *triangular[T]) multiplied(rows span, alpha T, b view[T], w *workspace[T]) {
	n, nr := rows.len(), t.nr()
	w.block = grow(w.block, n*nr+callRows*nr)
	packed, saved := w.block[:n*nr], w.block[n*nr:][:callRows*nr]
	var o operation[T]
	o.table, o.alpha = t.table, alpha
	count := panels(t.table, n)
	for p := range count {
		if t.lower { // which reads the columns before
			p = count - 1 - p
		}
		cols := span{p * nr, min((p+1)*nr, n)}
		reads, depends := span{cols.from, n}, cols.to-1
		if t.lower {
			reads, depends = span{0, cols.to}, cols.from
		}
		t.packTriangle(rows.from, reads, cols, packed)
		for i := 0; i < t.others; i += callRows {
			m := min(callRows, t.others-i)
			for r := range m {
				copy(saved[r*nr:], b.slice(i+r, cols.from, cols.len()))
			}
			a, c := b.from(i, reads.from), b.from(i, cols.from)
			o.panel(aBlock[T]{a.p, a.row, 1, a.row}, bPanel[T]{&packed[0], nr}, m, cols.len(), cols.len(), reads.len(), c, 0, epilogue[T]{})
			for r := range m {
				if v := *b.at(i+r, depends); v != v {
					t.again(rows.from, reads, cols, alpha, b.from(i+r, 0), saved[r*nr:])
				}
			}
		}
	}
}

// multiplyUpTo is how many columns of B are multiplied panel by panel.
const multiplyUpTo = 128

// callRows is how many rows of B one call of a kernel multiplies.
const callRows = 256

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

// again computes columns cols of a row of B, given what they were.
func (t *triangular[T]) again(first int, reads, cols span, alpha T, row view[T], were []T) {
	for i := cols.from; i < cols.to; i++ {
		var sum T
		for l := reads.from; l < reads.to; l++ {
			if l != i && (l < i) != t.lower {
				continue
			}
			v := *row.at(0, l)
			if l >= cols.from && l < cols.to {
				v = were[l-cols.from]
			}
			sum += T(t.element(first, i, l) * v)
		}
		*row.at(0, i) = T(alpha * sum)
	}
}

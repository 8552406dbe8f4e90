package blas

// mirrored reports whether the product is better computed as C' = B'A': where A
// is transposed in memory, so that vectors can be loaded from its rows, and C
// has too few columns to fill vectors from B's.
func (o *operation[T]) mirrored() bool {
	return o.packedB == nil && o.k > 0 && o.a.row == 1 && o.b.col == 1 && o.n <= o.nr()/2 && o.m > 2*o.n &&
		(o.epilogue.bias == nil || o.epilogue.rowBias == nil) // which are added in this order
}

// mirror returns o as its transpose, with C' in buf. The same products are
// added in the same order, so no bit differs.
func (o *operation[T]) mirror(buf []T) operation[T] {
	t := *o
	t.m, t.n = o.n, o.m
	t.a = view[T]{o.b.p, o.b.col, o.b.row}
	t.b = view[T]{o.a.p, o.a.col, o.a.row}
	t.c = view[T]{&buf[0], o.m, 1}
	t.epilogue.bias, t.epilogue.rowBias = o.epilogue.rowBias, o.epilogue.bias
	if o.beta != 0 {
		for i := range o.m {
			for j := range o.n {
				*t.c.at(j, i) = *o.c.at(i, j)
			}
		}
	}
	return t
}

// unmirror sets C from C' in buf.
func (o *operation[T]) unmirror(buf []T) {
	for i := range o.m {
		for j := range o.n {
			*o.c.at(i, j) = buf[j*o.m+i]
		}
	}
}

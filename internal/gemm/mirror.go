package gemm

// mirrored reports whether the product is better computed as C' = B'A': where A
// is transposed in memory, so that vectors can be loaded from its rows, and C
// has too few columns to fill vectors from B's.
func (o *Operation[T]) mirrored() bool {
	return o.Packed == nil && o.K > 0 && o.A.Row == 1 && o.B.Col == 1 && o.N <= o.NR/2 && o.M > 2*o.N &&
		(o.Epilogue.Bias == nil || o.Epilogue.RowBias == nil) // which are added in this order
}

// mirror returns o as its transpose, with C' in buf. The same products are
// added in the same order, so no bit differs.
func (o *Operation[T]) mirror(buf []T) Operation[T] {
	t := *o
	t.M, t.N = o.N, o.M
	t.A = View[T]{o.B.P, o.B.Col, o.B.Row}
	t.B = View[T]{o.A.P, o.A.Col, o.A.Row}
	t.C = View[T]{&buf[0], o.M, 1}
	t.Epilogue.Bias, t.Epilogue.RowBias = o.Epilogue.RowBias, o.Epilogue.Bias
	if o.Beta != 0 {
		for i := range o.M {
			for j := range o.N {
				*t.C.At(j, i) = *o.C.At(i, j)
			}
		}
	}
	return t
}

// unmirror sets C from C' in buf.
func (o *Operation[T]) unmirror(buf []T) {
	for i := range o.M {
		for j := range o.N {
			*o.C.At(i, j) = buf[j*o.M+i]
		}
	}
}

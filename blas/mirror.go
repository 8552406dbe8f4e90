package blas

// mirrored reports whether the product is better computed as C' = B'A': where A
// is transposed in memory, so that vectors can be loaded from its rows, and C
// has too few columns to fill vectors from B's.
func (o *operation) mirrored() bool {
	return o.packedB == nil && o.k > 0 && o.a.row == 1 && o.b.col == 1 && o.n <= o.nr/2 && o.m > 2*o.n
}

// mirror returns o as its transpose, with C' in buf. The same products are
// added in the same order, so no bit differs.
func (o *operation) mirror(buf []float32) operation {
	t := *o
	t.m, t.n = o.n, o.m
	t.a = view{o.b.p, o.b.col, o.b.row}
	t.b = view{o.a.p, o.a.col, o.a.row}
	t.c = view{&buf[0], o.m, 1}
	t.bias = nil
	if o.beta != 0 {
		for i := range o.m {
			for j := range o.n {
				*t.c.at(j, i) = *o.c.at(i, j)
			}
		}
	}
	return t
}

// unmirror sets C from C' in buf, and adds the bias.
func (o *operation) unmirror(buf []float32) {
	for i := range o.m {
		for j := range o.n {
			v := buf[j*o.m+i]
			if o.bias != nil {
				v += o.bias[j]
			}
			*o.c.at(i, j) = v
		}
	}
}

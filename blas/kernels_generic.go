package blas

import "unsafe"

// generic returns the table of the reference. Its tile is small, so that all of
// the driver's edges are met by small matrices.
func generic[T Float]() table[T] {
	return table[T]{
		panels: []panelKernels[T]{
			{4, []tileKernel[T]{genericTile[T](1), genericTile[T](2), genericTile[T](3), genericTile[T](4)}},
		},
		kc: 256,
		mc: 64,
		nc: 1024,

		directUpTo:      1 << 18,
		packRows:        8,
		packRowsAligned: 8,
		packStride:      128,
		copyA:           1024,
		copyFighting:    96,
		aloneBelow:      1 << 16,
		partWork:        1 << 14,

		copyPanels: func(rows, panels int, src *T, srcRow int, dst *T, dstPanel int) {
			for i := range rows {
				for j := range 4 * panels {
					*at(dst, j/4*dstPanel+4*i+j%4) = *at(src, i*srcRow+j)
				}
			}
		},
	}
}

func genericTile[T Float](rows int) tileKernel[T] {
	return func(tiles, n, k int, a *T, aRow, aCol, aTile int, b *T, bRow int, c *T, cRow int, alpha, beta T, bias, rowBias *T, relu bool) {
		for tile := range tiles {
			var acc [4][4]T
			for l := range k {
				bl := (*[4]T)(unsafe.Pointer(at(b, l*bRow)))
				for i := range rows {
					ail := *at(a, tile*aTile+i*aRow+l*aCol)
					for j, blj := range bl {
						acc[i][j] += T(ail * blj)
					}
				}
			}
			for i := range rows {
				row := tile*rows + i
				for j := range n {
					cij := at(c, row*cRow+j)
					v := T(acc[i][j] * alpha)
					if beta != 0 {
						v += T(beta * *cij)
					}
					if bias != nil {
						v += *at(bias, j)
					}
					if rowBias != nil {
						v += *at(rowBias, row)
					}
					if relu && v < 0 {
						v = 0
					}
					*cij = v
				}
			}
		}
	}
}

package blas

import "unsafe"

// generic is the reference. Its tile is small, so that all of the driver's
// edges are met by small matrices.
var generic = table{
	tile: []tileKernel{genericTile(1), genericTile(2), genericTile(3), genericTile(4)},
	nr:   4,
	kc:   256,
	mc:   64,
	nc:   1024,

	directUpTo: 1 << 18,
	packRows:   8,
	packStride: 128,
	copyA:      1024,
	aloneBelow: 1 << 16,

	copyRows: func(rows int, src *float32, srcRow int, dst *float32) {
		for i := range rows {
			for j := range 4 {
				*at(dst, 4*i+j) = *at(src, i*srcRow+j)
			}
		}
	},
}

func genericTile(rows int) tileKernel {
	return func(tiles, n, k int, a *float32, aRow, aCol, aTile int, b *float32, bRow int, c *float32, cRow int, alpha, beta float32, bias *float32) {
		for tile := range tiles {
			var acc [4][4]float32
			for l := range k {
				bl := (*[4]float32)(unsafe.Pointer(at(b, l*bRow)))
				for i := range rows {
					ail := *at(a, tile*aTile+i*aRow+l*aCol)
					for j, blj := range bl {
						acc[i][j] += float32(ail * blj)
					}
				}
			}
			for i := range rows {
				for j := range n {
					cij := at(c, (tile*rows+i)*cRow+j)
					v := acc[i][j] * alpha
					if beta != 0 {
						v += float32(beta * *cij)
					}
					if bias != nil {
						v += *at(bias, j)
					}
					*cij = v
				}
			}
		}
	}
}

// at returns the float that is offset floats from p.
func at(p *float32, offset int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*offset))
}

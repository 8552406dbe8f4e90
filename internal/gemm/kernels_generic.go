package gemm

import "unsafe"

// nrGeneric is the columns of a panel of B in plain Go.
const nrGeneric = 4

// generic32 returns the table of the reference with the kernels of convolutions.
func generic32() Table[float32] {
	t := generic[float32]()
	t.taps = genericTaps()
	return t
}

// generic returns the table of the reference. Its tile is small, so that small matrices reach all
// of the driver's edges.
func generic[T Float]() Table[T] {
	return Table[T]{
		NR: nrGeneric,
		panels: []panelKernels[TileKernel[T]]{
			{nrGeneric, []TileKernel[T]{genericTile[T](1), genericTile[T](2), genericTile[T](3), genericTile[T](4)}},
		},
		KC:        256,
		MC:        64,
		NC:        1024,
		PackBlock: 1024 * 256,

		DirectUpTo:      1 << 18,
		PackRows:        8,
		PackRowsAligned: 8,
		PackStride:      128,
		CopyA:           1024,
		CopyFighting:    96,
		AloneBelow:      1 << 16,
		PartWork:        1 << 14,

		copyPanels: func(rows, panels int, src *T, srcRow int, dst *T, dstPanel int) {
			for i := range rows {
				for j := range 4 * panels {
					*At(dst, j/4*dstPanel+4*i+j%4) = *At(src, i*srcRow+j)
				}
			}
		},
	}
}

func genericTile[T Float](rows int) TileKernel[T] {
	return func(tiles, n, k int, a *T, aRow, aCol, aTile int, b *T, bRow int, c *T, cRow int, alpha, beta T, bias, rowBias *T, relu bool) {
		for tile := range tiles {
			var acc [4][4]T
			for l := range k {
				bl := (*[4]T)(unsafe.Pointer(At(b, l*bRow)))
				for i := range rows {
					ail := *At(a, tile*aTile+i*aRow+l*aCol)
					for j, blj := range bl {
						acc[i][j] += T(ail * blj)
					}
				}
			}
			for i := range rows {
				row := tile*rows + i
				for j := range n {
					cij := At(c, row*cRow+j)
					v := T(acc[i][j] * alpha)
					if beta != 0 {
						v += T(beta * *cij)
					}
					if bias != nil {
						v += *At(bias, j)
					}
					if rowBias != nil {
						v += *At(rowBias, row)
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

// genericTaps are the kernels of convolutions.
func genericTaps() []panelKernels[TapKernel[float32]] {
	return []panelKernels[TapKernel[float32]]{
		{nrGeneric, []TapKernel[float32]{genericTap(1), genericTap(2), genericTap(3), genericTap(4)}},
	}
}

func genericTap(rows int) TapKernel[float32] {
	return func(lines, tiles, n int, tap *[2]int, taps, k int, a *float32, aRow, aCol, aTile, aLine, aNext, nextLines int,
		b *float32, bRow int, c *float32, cRow, cLine int, accumulate bool, bias *float32, relu bool) {
		for line := range lines {
			for row := range tiles * rows {
				from := line*aLine + row/rows*aTile + row%rows*aRow
				var sums [nrGeneric]float32
				for _, t := range unsafe.Slice(tap, taps) {
					for l := range k {
						x := *At(a, from+t[0]+l*aCol)
						for j, w := range unsafe.Slice(At(b, t[1]+l*bRow), n) {
							sums[j] += float32(x * w)
						}
					}
				}
				for j, sum := range sums[:n] {
					to := At(c, line*cLine+row*cRow+j)
					if accumulate {
						sum += *to
					}
					if bias != nil {
						sum += *At(bias, j)
					}
					if relu && sum < 0 {
						sum = 0
					}
					*to = sum
				}
			}
		}
	}
}

package conv

import (
	"math"
	"unsafe"
)

// generic is the reference: one readable loop a kernel. Products are rounded by an
// explicit conversion, so that no compiler fuses them with a sum.
var generic = table{
	panels: genericPanels(4),

	maxPool: func(pixels, channels int, tap *int, taps int, x *float32, xPixel int, y *float32, floor float32) {
		for i := range pixels {
			for c := range channels {
				largest := floor
				for _, t := range unsafe.Slice(tap, taps) {
					largest = max(largest, *at(x, i*xPixel+t+c))
				}
				*at(y, i*channels+c) = largest
			}
		}
	},
	maxPoolBackward: genericMaxPoolBackward,
	maxPoolSpread: func(pixels, channels int, tap *int, taps int, dx, x *float32, xPixel int, y, dy *float32, floor float32) {
		for i := range pixels {
			for _, t := range unsafe.Slice(tap, taps) {
				clear(unsafe.Slice(at(dx, i*xPixel+t), channels))
			}
		}
		genericMaxPoolBackward(pixels, channels, tap, taps, dx, x, xPixel, y, dy, floor)
	},
	sumPool: func(pixels, channels int, tap *int, taps int, x *float32, xPixel int, y *float32, scale float32) {
		for i := range pixels {
			for c := range channels {
				sum := float32(0)
				for _, t := range unsafe.Slice(tap, taps) {
					sum += *at(x, i*xPixel+t+c)
				}
				*at(y, i*channels+c) = scale * sum
			}
		}
	},
	sumPoolBackward: func(pixels, channels int, tap *int, taps int, dx *float32, xPixel int, dy *float32, scale float32) {
		for i := range pixels {
			for c := range channels {
				d := float32(scale * *at(dy, i*channels+c))
				for _, t := range unsafe.Slice(tap, taps) {
					*at(dx, i*xPixel+t+c) += d
				}
			}
		}
	},
}

// genericPanels are kernels for panels of so many columns: those of blas under the same
// instruction set.
func genericPanels(columns int) []panel {
	return []panel{{columns, []tileKernel{genericTile(1), genericTile(2), genericTile(3), genericTile(4)}}}
}

func genericMaxPoolBackward(pixels, channels int, tap *int, taps int, dx, x *float32, xPixel int, y, dy *float32, floor float32) {
	for i := range pixels {
		for c := range channels {
			largest := *at(y, i*channels+c)
			if largest <= floor {
				continue
			}
			for _, t := range unsafe.Slice(tap, taps) {
				if v := *at(x, i*xPixel+t+c); v == largest || v != v || largest != largest {
					*at(dx, i*xPixel+t+c) += *at(dy, i*channels+c)
					break
				}
			}
		}
	}
}

// mostColumns is the most that any panel of plain Go's tiles has.
const mostColumns = 16

var minusInf, nan = float32(math.Inf(-1)), float32(math.NaN())

func genericTile(rows int) tileKernel {
	return func(lines, tiles, n int, tap *[2]int, taps, k int, a *float32, aRow, aCol, aTile, aLine, aNext, nextLines int,
		b *float32, bRow int, c *float32, cRow, cLine int, accumulate bool, bias *float32, relu bool) {
		for line := range lines {
			for row := range tiles * rows {
				from := line*aLine + row/rows*aTile + row%rows*aRow
				var sums [mostColumns]float32
				for _, t := range unsafe.Slice(tap, taps) {
					for l := range k {
						x := *at(a, from+t[0]+l*aCol)
						for j, w := range unsafe.Slice(at(b, t[1]+l*bRow), n) {
							sums[j] += float32(x * w)
						}
					}
				}
				for j, sum := range sums[:n] {
					to := at(c, line*cLine+row*cRow+j)
					if accumulate {
						sum += *to
					}
					if bias != nil {
						sum += *at(bias, j)
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

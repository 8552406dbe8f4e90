package conv

import (
	"math"
	"unsafe"

	"github.com/steppe-ml/steppe/internal/gemm"
)

// generic is the reference: one readable loop a kernel. Products are rounded by an
// explicit conversion, so that no compiler fuses them with a sum.
var generic = table{
	maxPool: func(pixels, channels int, tap *int, taps int, x *float32, xPixel int, y *float32, floor float32) {
		for i := range pixels {
			for c := range channels {
				largest := floor
				for _, t := range unsafe.Slice(tap, taps) {
					largest = max(largest, *gemm.At(x, i*xPixel+t+c))
				}
				*gemm.At(y, i*channels+c) = largest
			}
		}
	},
	maxPoolBackward: genericMaxPoolBackward,
	maxPoolSpread: func(pixels, channels int, tap *int, taps int, dx, x *float32, xPixel int, y, dy *float32, floor float32) {
		for i := range pixels {
			for _, t := range unsafe.Slice(tap, taps) {
				clear(unsafe.Slice(gemm.At(dx, i*xPixel+t), channels))
			}
		}
		genericMaxPoolBackward(pixels, channels, tap, taps, dx, x, xPixel, y, dy, floor)
	},
	sumPool: func(pixels, channels int, tap *int, taps int, x *float32, xPixel int, y *float32, scale float32) {
		for i := range pixels {
			for c := range channels {
				sum := float32(0)
				for _, t := range unsafe.Slice(tap, taps) {
					sum += *gemm.At(x, i*xPixel+t+c)
				}
				*gemm.At(y, i*channels+c) = scale * sum
			}
		}
	},
	sumPoolBackward: func(pixels, channels int, tap *int, taps int, dx *float32, xPixel int, dy *float32, scale float32) {
		for i := range pixels {
			for c := range channels {
				d := float32(scale * *gemm.At(dy, i*channels+c))
				for _, t := range unsafe.Slice(tap, taps) {
					*gemm.At(dx, i*xPixel+t+c) += d
				}
			}
		}
	},
}

func genericMaxPoolBackward(pixels, channels int, tap *int, taps int, dx, x *float32, xPixel int, y, dy *float32, floor float32) {
	for i := range pixels {
		for c := range channels {
			largest := *gemm.At(y, i*channels+c)
			if largest <= floor {
				continue
			}
			for _, t := range unsafe.Slice(tap, taps) {
				if v := *gemm.At(x, i*xPixel+t+c); v == largest || v != v {
					*gemm.At(dx, i*xPixel+t+c) += *gemm.At(dy, i*channels+c)
					break
				}
			}
		}
	}
}

var minusInf, nan = float32(math.Inf(-1)), float32(math.NaN())

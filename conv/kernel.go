package conv

import "github.com/steppe-ml/steppe/simd"

// table has the pooling kernels of one instruction set.
//
// The taps of a window are so many floats from where the pixel's window begins in x (and dx), which
// is xPixel further on for each further pixel. Operands without windows have their pixels one
// behind the other. pixels, channels, taps >= 1.
type table struct {
	// maxPool sets y to the largest of floor and the x of each window, NaN if any is.
	maxPool func(pixels, channels int, tap *int, taps int, x *float32, xPixel int, y *float32, floor float32)
	// maxPoolBackward adds dy to dx at the first tap of each window whose x is y or NaN,
	// unless y <= floor.
	maxPoolBackward func(pixels, channels int, tap *int, taps int, dx, x *float32, xPixel int, y, dy *float32, floor float32)
	// maxPoolSpread sets dx to the values that maxPoolBackward would add, for windows that don't
	// overlap.
	maxPoolSpread func(pixels, channels int, tap *int, taps int, dx, x *float32, xPixel int, y, dy *float32, floor float32)
	// sumPool sets y to scale times the sum of each window.
	sumPool func(pixels, channels int, tap *int, taps int, x *float32, xPixel int, y *float32, scale float32)
	// sumPoolBackward adds scale*dy to each tap of dx.
	sumPoolBackward func(pixels, channels int, tap *int, taps int, dx *float32, xPixel int, dy *float32, scale float32)
}

func kernels() *table { return &tables[simd.Active()] }

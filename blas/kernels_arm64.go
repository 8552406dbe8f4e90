//go:build arm64 && !purego

package blas

import "github.com/steppe-ml/steppe/simd"

// The columns of a pass over a matrix, and the elements of a group of rows, are AVX2's, not
// measured.

var vectors32 = [simd.NumISA]vectors[float32]{
	simd.Generic: genericVectors[float32](),
	simd.NEON: {
		axpy:        saxpyNEON,
		scal:        sscalNEON,
		swap:        sswapNEON,
		rot:         srotNEON,
		dot:         sdotNEON,
		asum:        sasumNEON,
		iamax:       siamaxNEON,
		dotRows:     sdotRowsNEON,
		axpyRows:    saxpyRowsNEON,
		rank1:       srank1NEON,
		rank2:       srank2NEON,
		dotAxpyRows: sdotAxpyRowsNEON,

		across: 1 << 12,
		atOnce: 1 << 16,
	},
}

var vectors64 = [simd.NumISA]vectors[float64]{
	simd.Generic: genericVectors[float64](),
	simd.NEON: {
		axpy:        daxpyNEON,
		scal:        dscalNEON,
		swap:        dswapNEON,
		rot:         drotNEON,
		dot:         ddotNEON,
		asum:        dasumNEON,
		iamax:       diamaxNEON,
		dotRows:     ddotRowsNEON,
		axpyRows:    daxpyRowsNEON,
		rank1:       drank1NEON,
		rank2:       drank2NEON,
		dotAxpyRows: ddotAxpyRowsNEON,

		across: 1 << 12,
		atOnce: 1 << 16,
	},
}

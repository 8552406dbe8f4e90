//go:build amd64 && !purego

package blas

import "github.com/steppe-ml/steppe/simd"

func init() { // levels 1 and 2 have no tiles to choose
	vectors32[simd.AVX512Halves] = vectors32[simd.AVX512]
	vectors64[simd.AVX512Halves] = vectors64[simd.AVX512]
}

var vectors32 = [simd.NumISA]vectors[float32]{
	simd.Generic: genericVectors[float32](),
	simd.AVX2: {
		axpy:        saxpyAVX2,
		scal:        sscalAVX2,
		swap:        sswapAVX2,
		rot:         srotAVX2,
		dot:         sdotAVX2,
		asum:        sasumAVX2,
		iamax:       siamaxAVX2,
		dotRows:     sdotRowsAVX2,
		axpyRows:    saxpyRowsAVX2,
		rank1:       srank1AVX2,
		rank2:       srank2AVX2,
		dotAxpyRows: sdotAxpyRowsAVX2,

		across: 1 << 12,
		atOnce: 1 << 16,
	},
	simd.AVX512: {
		axpy:        saxpyAVX512,
		scal:        sscalAVX512,
		swap:        sswapAVX512,
		rot:         srotAVX512,
		dot:         sdotAVX512,
		asum:        sasumAVX512,
		iamax:       siamaxAVX512,
		dotRows:     sdotRowsAVX512,
		axpyRows:    saxpyRowsAVX512,
		rank1:       srank1AVX512,
		rank2:       srank2AVX512,
		dotAxpyRows: sdotAxpyRowsAVX512,

		across: 1 << 12,
		atOnce: 1 << 16,
	},
}

var vectors64 = [simd.NumISA]vectors[float64]{
	simd.Generic: genericVectors[float64](),
	simd.AVX2: {
		axpy:        daxpyAVX2,
		scal:        dscalAVX2,
		swap:        dswapAVX2,
		rot:         drotAVX2,
		dot:         ddotAVX2,
		asum:        dasumAVX2,
		iamax:       diamaxAVX2,
		dotRows:     ddotRowsAVX2,
		axpyRows:    daxpyRowsAVX2,
		rank1:       drank1AVX2,
		rank2:       drank2AVX2,
		dotAxpyRows: ddotAxpyRowsAVX2,

		across: 1 << 12,
		atOnce: 1 << 16,
	},
	simd.AVX512: {
		axpy:        daxpyAVX512,
		scal:        dscalAVX512,
		swap:        dswapAVX512,
		rot:         drotAVX512,
		dot:         ddotAVX512,
		asum:        dasumAVX512,
		iamax:       diamaxAVX512,
		dotRows:     ddotRowsAVX512,
		axpyRows:    daxpyRowsAVX512,
		rank1:       drank1AVX512,
		rank2:       drank2AVX512,
		dotAxpyRows: ddotAxpyRowsAVX512,

		across: 1 << 12,
		atOnce: 1 << 16,
	},
}

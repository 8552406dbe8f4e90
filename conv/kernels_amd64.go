//go:build amd64 && !purego

package conv

import "github.com/steppe-ml/steppe/simd"

func init() { tables[simd.AVX512Halves] = tables[simd.AVX512] } // pooling has no tiles to choose

var tables = [simd.NumISA]table{
	simd.Generic: generic,
	simd.AVX2: {
		maxPool:         maxPoolAVX2,
		maxPoolBackward: maxPoolBackwardAVX2,
		maxPoolSpread:   maxPoolSpreadAVX2,
		sumPool:         sumPoolAVX2,
		sumPoolBackward: sumPoolBackwardAVX2,
	},
	simd.AVX512: {
		maxPool:         maxPoolAVX512,
		maxPoolBackward: maxPoolBackwardAVX512,
		maxPoolSpread:   maxPoolSpreadAVX512,
		sumPool:         sumPoolAVX512,
		sumPoolBackward: sumPoolBackwardAVX512,
	},
}

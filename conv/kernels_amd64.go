//go:build amd64 && !purego

package conv

import "github.com/steppe-ml/steppe/simd"

var tables = [simd.NumISA]table{
	simd.Generic: generic,
	simd.AVX2: {
		panels: []panel{
			{8, []tileKernel{
				tile1x8AVX2, tile2x8AVX2, tile3x8AVX2, tile4x8AVX2, tile5x8AVX2, tile6x8AVX2,
				tile7x8AVX2, tile8x8AVX2, tile9x8AVX2, tile10x8AVX2,
			}},
			{16, []tileKernel{
				tile1x16AVX2, tile2x16AVX2, tile3x16AVX2, tile4x16AVX2, tile5x16AVX2, tile6x16AVX2,
			}},
		},
		maxPool:         maxPoolAVX2,
		maxPoolBackward: maxPoolBackwardAVX2,
		maxPoolSpread:   maxPoolSpreadAVX2,
		sumPool:         sumPoolAVX2,
		sumPoolBackward: sumPoolBackwardAVX2,
	},
	simd.AVX512: {
		panels: []panel{
			{8, []tileKernel{
				tile1x8AVX512, tile2x8AVX512, tile3x8AVX512, tile4x8AVX512, tile5x8AVX512, tile6x8AVX512,
				tile7x8AVX512, tile8x8AVX512, tile9x8AVX512, tile10x8AVX512,
			}},
			{16, []tileKernel{
				tile1x16AVX512, tile2x16AVX512, tile3x16AVX512, tile4x16AVX512, tile5x16AVX512, tile6x16AVX512,
			}},
			{24, []tileKernel{
				tile1x24AVX512, tile2x24AVX512, tile3x24AVX512, tile4x24AVX512,
			}},
			{32, []tileKernel{
				tile1x32AVX512, tile2x32AVX512, tile3x32AVX512, tile4x32AVX512, tile5x32AVX512, tile6x32AVX512,
				tile7x32AVX512, tile8x32AVX512, tile9x32AVX512, tile10x32AVX512, tile11x32AVX512, tile12x32AVX512,
			}},
		},
		maxPool:         maxPoolAVX512,
		maxPoolBackward: maxPoolBackwardAVX512,
		maxPoolSpread:   maxPoolSpreadAVX512,
		sumPool:         sumPoolAVX512,
		sumPoolBackward: sumPoolBackwardAVX512,
	},
}

//go:build arm64 && !purego

package conv

import "github.com/steppe-ml/steppe/simd"

var tables = [simd.NumISA]table{
	simd.Generic: generic,
	simd.NEON: {
		maxPool:         maxPoolNEON,
		maxPoolBackward: maxPoolBackwardNEON,
		maxPoolSpread:   maxPoolSpreadNEON,
		sumPool:         sumPoolNEON,
		sumPoolBackward: sumPoolBackwardNEON,
	},
}

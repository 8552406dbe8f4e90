//go:build (!amd64 && !arm64) || purego

package gemm

import "github.com/steppe-ml/steppe/simd"

var (
	tables32 = [simd.NumISA]Table[float32]{simd.Generic: generic32()}
	tables64 = [simd.NumISA]Table[float64]{simd.Generic: generic[float64]()}
)

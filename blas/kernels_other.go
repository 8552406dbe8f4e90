//go:build (!amd64 && !arm64) || purego

package blas

import "github.com/steppe-ml/steppe/simd"

var (
	vectors32 = [simd.NumISA]vectors[float32]{simd.Generic: genericVectors[float32]()}
	vectors64 = [simd.NumISA]vectors[float64]{simd.Generic: genericVectors[float64]()}
)

//go:build (!amd64 && !arm64) || purego

package blas

import "github.com/steppe-ml/steppe/simd"

var tables = [simd.NumISA]table{simd.Generic: generic}

//go:build arm64 && !purego

package conv

import "github.com/steppe-ml/steppe/simd"

var tables = [simd.NumISA]table{simd.Generic: generic, simd.NEON: neon()}

// neon is plain Go, for panels as blas has them.
func neon() table {
	t := generic
	t.panels = genericPanels(12)
	return t
}

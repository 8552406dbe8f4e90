//go:build arm64 && !purego

package simd

var tables = [NumISA]table{
	Generic: generic,
	NEON:    neon(),
}

// neon has assembly where it pays most; the compiler's scalar code does the
// rest.
func neon() table {
	t := generic
	t.axpy = axpyNEON
	t.dot = dotNEON
	t.peak = peakNEON
	t.peakFlops = 24 * 4 * 2
	return t
}

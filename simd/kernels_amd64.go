//go:build amd64 && !purego

package simd

var tables = [NumISA]table{
	Generic: generic,
	AVX2: {
		axpy:         axpyAVX2,
		axpyTo:       axpyToAVX2,
		scale:        scaleAVX2,
		add:          addAVX2,
		mul:          mulAVX2,
		dot:          dotAVX2,
		dot64:        dot64AVX2,
		max:          maxAVX2,
		relu:         reluAVX2,
		reluBackward: reluBackwardAVX2,
		momentum:     momentumAVX2,
		peak:         peakAVX2,
		peakFlops:    14 * 8 * 2,
	},
	AVX512: {
		axpy:         axpyAVX512,
		axpyTo:       axpyToAVX512,
		scale:        scaleAVX512,
		add:          addAVX512,
		mul:          mulAVX512,
		dot:          dotAVX512,
		dot64:        dot64AVX512,
		max:          maxAVX512,
		relu:         reluAVX512,
		reluBackward: reluBackwardAVX512,
		momentum:     momentumAVX512,
		peak:         peakAVX512,
		peakFlops:    14 * 16 * 2,
	},
}

// Package conv convolves and pools images in float32, forward and backward, on
// slices. Images are channels-last (NHWC), filters HWIO.
//
// Begin with a Geometry, the shape of a convolution, and pass it to Forward,
// BackwardData or BackwardFilter. A Window is the shape of a pooling, for MaxPool
// and AveragePool.
//
// The fast path makes no copy of the input: tiles of output pixels times output
// channels are summed in registers, tap by tap, by kernels like those of a matrix
// product (Georganas et al., Anatomy of High-Performance Deep Learning Convolutions
// on SIMD Architectures, SC18), and taps that lie in the padding are never visited.
// Im2col and Col2im are the readable reference.
//
// Results have the same bits on any number of workers.
package conv

//go:generate go run -C ../asm_gen ./pool -isa avx2 -out ../conv/pool_avx2_amd64.s -stubs ../conv/pool_avx2_amd64.go -pkg conv
//go:generate go run -C ../asm_gen ./pool -isa avx512 -out ../conv/pool_avx512_amd64.s -stubs ../conv/pool_avx512_amd64.go -pkg conv
//go:generate go run -C ../asm_gen ./pool -isa neon -out ../conv/pool_neon_arm64.s -stubs ../conv/pool_neon_arm64.go -pkg conv

// The names of constants are the comments at the ends of their lines.
//go:generate go tool -modfile=../tools/go.mod stringer -type Algorithm,Purpose -linecomment -output names.go

// Package simd finds out what the CPU can do, and has the vector kernels that the packages above
// share.
//
// The instruction set is chosen once, at start: the best that the CPU has, or another one that the
// environment variable STEPPE_SIMD names (generic, avx2, avx512, avx512-halves, neon). Each
// instruction set has a table of kernels, in kernels_GOARCH.go. The table in kernels_generic.go is
// plain Go: the others are tested against it. With the build tag purego it is the only one.
//
// All kernels are public, so that a layer or an optimizer outside this module has what those inside
// have:
//
//   - vectors: Add, Mul, Scale, Axpy, AxpyTo, ScaledAxpyTo, Dot, Dot64, SumSquares, ScaledSquares,
//     Max
//   - functions and their gradients: ReLU, GELU, Sigmoid, Tanh, Exp, Log, SoftmaxRows
//   - matrices of rows of channels, as normalizations need them: ChannelSums, ChannelGradSums,
//     ScaleShift, ScaleAddShift and their variants; for layer normalization NormalizeRows,
//     NormalizeRowsBackward and NormalizeRowsGradSums; RowDots
//   - blocks of attention's scores: Scores, with Softmax, SoftmaxAgain and SoftmaxBackward
//   - updates of weights in one pass: Momentum, AdamW
//
// Kernels read and write nothing outside their slices, assume no alignment, and let NaN and Inf
// through. Slices of different lengths panic. docs/KERNELS.md has the whole contract.
package simd

//go:generate go run -C ../asm_gen ./simd -isa avx2 -out ../simd/vector_avx2_amd64.s -stubs ../simd/vector_avx2_amd64.go -pkg simd
//go:generate go run -C ../asm_gen ./simd -isa avx512 -out ../simd/vector_avx512_amd64.s -stubs ../simd/vector_avx512_amd64.go -pkg simd
//go:generate go run -C ../asm_gen ./simd -isa pairs -out ../simd/pairs_avx2_amd64.s -stubs ../simd/pairs_avx2_amd64.go -pkg simd
//go:generate go run -C ../asm_gen ./simd -isa bf16 -out ../simd/pairs_bf16_amd64.s -stubs ../simd/pairs_bf16_amd64.go -pkg simd
//go:generate go run -C ../asm_gen ./simd -isa neon -out ../simd/vector_neon_arm64.s -stubs ../simd/vector_neon_arm64.go -pkg simd

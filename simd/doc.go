// Package simd is the ground floor: it finds out what the CPU can do, and
// holds the vector kernels that everything above is made of.
//
// The instruction set is chosen once, at start: the best that the CPU has, or
// a lesser one named by the environment variable STEPPE_SIMD (generic, avx2,
// avx512, neon). Choosing an instruction set is choosing a table of kernels;
// there is one table each, in kernels_GOARCH.go, and the table of
// kernels_generic.go, plain Go, is the reference that the others are tested
// against. The build tag purego leaves only that one in.
//
// Kernels read and write nothing outside their slices, assume no alignment,
// and let NaN and Inf through. docs/KERNELS.md has the whole contract.
package simd

//go:generate go run -C ../asm_gen ./simd -isa avx2 -out ../simd/vector_avx2_amd64.s -stubs ../simd/vector_avx2_amd64.go -pkg simd
//go:generate go run -C ../asm_gen ./simd -isa avx512 -out ../simd/vector_avx512_amd64.s -stubs ../simd/vector_avx512_amd64.go -pkg simd
//go:generate go run -C ../asm_gen ./neon/simd -out ../simd/vector_neon_arm64.s -stubs ../simd/vector_neon_arm64.go -pkg simd

// Package blas multiplies matrices of float32 or float64. Sgemm and Dgemm are the BLAS's; MatMul is
// for training: its results depend neither on the number of workers nor on how the product is cut.
//
// Begin with MatMul and RowMajor for networks, with Use for gonum's users, or with Sgemm and Dgemm.
// Package internal/gemm computes the products, by kernels in assembly for each instruction set. It
// reads A by strides and B in panels, copied first only where that pays. docs/KERNELS.md has the
// contract of the kernels and docs/TUNING.md the figures.
//
// # gonum
//
// Use makes gonum compute by this package: blas32 and blas64, and mat and lapack, which stand on
// them.
//
//	import "github.com/steppe-ml/steppe/blas"
//
//	blas.Use() // first in main
//
// Implementation is gonum's BLAS with the kernels of this package. It has the checks and panics of
// gonum's own, and its results are the same, bit for bit, on any number of cores. It differs from
// gonum's in these points:
//
//   - Sums go in another order.
//   - A zero is multiplied like any number, where gonum skips it, so NaN and Inf reach every result
//     that depends on them. In products with a triangular matrix, and in solutions, they reach no
//     other result.
//   - With beta == 0, C is not read.
//   - The other triangle of a symmetric or triangular matrix is not written, and its values change
//     nothing.
//
// Levels 1 and 2 (level1.go, level2*.go) have kernels of their own (vectors.go); level 3 stands on
// the matrix product.
package blas

//go:generate go run -C ../asm_gen ./vector -float 32 -isa avx2 -out ../blas/svector_avx2_amd64.s -stubs ../blas/svector_avx2_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 64 -isa avx2 -out ../blas/dvector_avx2_amd64.s -stubs ../blas/dvector_avx2_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 32 -isa avx512 -out ../blas/svector_avx512_amd64.s -stubs ../blas/svector_avx512_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 64 -isa avx512 -out ../blas/dvector_avx512_amd64.s -stubs ../blas/dvector_avx512_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 32 -isa neon -out ../blas/svector_neon_arm64.s -stubs ../blas/svector_neon_arm64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 64 -isa neon -out ../blas/dvector_neon_arm64.s -stubs ../blas/dvector_neon_arm64.go -pkg blas

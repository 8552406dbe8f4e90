// Package blas multiplies matrices of float32 or float64: Sgemm and Dgemm for
// users of the BLAS, and MatMul for training, whose results depend neither on
// the number of workers nor on how the product is cut.
//
// The driver (gemm.go) is the five loops of Goto and van de Geijn around kernels
// in assembly, of which each instruction set has a table (kernels_*.go). A is
// read by strides, in place where that pays; B in panels, packed where that
// does. Products are shared among workers in product.go. docs/KERNELS.md has the
// contract and the figures.
//
// # gonum
//
// Use makes gonum compute by this package: blas32 and blas64, and what stands on
// them, mat and lapack.
//
//	import "github.com/steppe-ml/steppe/blas"
//
//	blas.Use() // first in main
//
// Implementation is what gonum is told to use. It has the checks and panics of
// gonum's own, and differs from it in what it can't be asked for: sums go in another
// order, and a zero is multiplied as any number is, where gonum skips it, so that NaN
// and Inf reach all that depends on them. Products with a triangular matrix, and
// solutions, see to it that they reach nothing else. With beta == 0, C is not read; the other
// triangle of a symmetric or triangular matrix is not written, and what it holds changes
// nothing. The result is the same, bit for bit, on any number of cores. Levels 1 and 2 (level1.go,
// level2*.go) go by kernels of their own (vectors.go), level 3 by the matrix product.
package blas

//go:generate go run -C ../asm_gen ./vector -float 32 -isa avx2 -out ../blas/svector_avx2_amd64.s -stubs ../blas/svector_avx2_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 64 -isa avx2 -out ../blas/dvector_avx2_amd64.s -stubs ../blas/dvector_avx2_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 32 -isa avx512 -out ../blas/svector_avx512_amd64.s -stubs ../blas/svector_avx512_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 64 -isa avx512 -out ../blas/dvector_avx512_amd64.s -stubs ../blas/dvector_avx512_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./neon/vector -float 32 -out ../blas/svector_neon_arm64.s -stubs ../blas/svector_neon_arm64.go -pkg blas
//go:generate go run -C ../asm_gen ./neon/vector -float 64 -out ../blas/dvector_neon_arm64.s -stubs ../blas/dvector_neon_arm64.go -pkg blas

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
// Implementation is the BLAS for gonum. Its levels 1 and 2 (level1.go,
// level2*.go) go by kernels of their own (vectors.go). As in the
// products, nothing is skipped because it meets a zero: a NaN or Inf in A reaches y
// even if x is 0, where gonum may leave it out.
package blas

//go:generate go run -C ../asm_gen ./blas -float 32 -isa avx2 -out ../blas/sgemm_avx2_amd64.s -stubs ../blas/sgemm_avx2_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./blas -float 64 -isa avx2 -out ../blas/dgemm_avx2_amd64.s -stubs ../blas/dgemm_avx2_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./blas -float 32 -isa avx512 -out ../blas/sgemm_avx512_amd64.s -stubs ../blas/sgemm_avx512_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./blas -float 64 -isa avx512 -out ../blas/dgemm_avx512_amd64.s -stubs ../blas/dgemm_avx512_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 32 -isa avx2 -out ../blas/svector_avx2_amd64.s -stubs ../blas/svector_avx2_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 64 -isa avx2 -out ../blas/dvector_avx2_amd64.s -stubs ../blas/dvector_avx2_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 32 -isa avx512 -out ../blas/svector_avx512_amd64.s -stubs ../blas/svector_avx512_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./vector -float 64 -isa avx512 -out ../blas/dvector_avx512_amd64.s -stubs ../blas/dvector_avx512_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./neon/blas -float 32 -out ../blas/sgemm_neon_arm64.s -stubs ../blas/sgemm_neon_arm64.go -pkg blas
//go:generate go run -C ../asm_gen ./neon/blas -float 64 -out ../blas/dgemm_neon_arm64.s -stubs ../blas/dgemm_neon_arm64.go -pkg blas
//go:generate go run -C ../asm_gen ./neon/vector -float 32 -out ../blas/svector_neon_arm64.s -stubs ../blas/svector_neon_arm64.go -pkg blas
//go:generate go run -C ../asm_gen ./neon/vector -float 64 -out ../blas/dvector_neon_arm64.s -stubs ../blas/dvector_neon_arm64.go -pkg blas

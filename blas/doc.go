// Package blas multiplies matrices.
package blas

//go:generate go run -C ../asm_gen ./blas -isa avx2 -out ../blas/sgemm_avx2_amd64.s -stubs ../blas/sgemm_avx2_amd64.go -pkg blas
//go:generate go run -C ../asm_gen ./blas -isa avx512 -out ../blas/sgemm_avx512_amd64.s -stubs ../blas/sgemm_avx512_amd64.go -pkg blas

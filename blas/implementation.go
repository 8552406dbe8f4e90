package blas

import (
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/blas/gonum"
)

// Implementation is a BLAS for gonum. It implements the interfaces of gonum.org/v1/gonum/blas with
// the kernels of this package, and leaves packed and banded matrices and complex numbers to gonum's
// own code. Its zero value is ready.
type Implementation struct{ gonum.Implementation }

// Use makes gonum compute by this package: blas32 and blas64, and so mat and lapack, which call
// them. Call it at the start of the program, before anything else calls gonum.
func Use() {
	blas32.Use(Implementation{})
	blas64.Use(Implementation{})
}

// Sgemm is the package's Sgemm.
func (Implementation) Sgemm(tA, tB Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dgemm is the package's Dgemm.
func (Implementation) Dgemm(tA, tB Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	Dgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

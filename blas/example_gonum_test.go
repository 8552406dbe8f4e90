package blas_test

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/steppe-ml/steppe/blas"
)

// The matrices of the examples: 3 x 3, and one that is symmetric and positive
// definite.
var (
	square    = mat.NewDense(3, 3, []float64{2, 1, 1, 4, 3, 3, 8, 7, 9})
	symmetric = mat.NewSymDense(3, []float64{4, 2, 2, 2, 5, 3, 2, 3, 6})
)

// show prints a matrix without negative zeros and the last digits.
func show(m mat.Matrix) {
	var rounded mat.Dense
	rounded.Apply(func(_, _ int, v float64) float64 { return math.Round(v*1e6)/1e6 + 0 }, m)
	fmt.Printf("%.4g\n", mat.Formatted(&rounded))
}

func ExampleUse() {
	blas.Use() // once, first in main

	var product mat.Dense
	product.Mul(square, square.T())
	show(&product)
	// Output:
	// ⎡  6   14   32⎤
	// ⎢ 14   34   80⎥
	// ⎣ 32   80  194⎦
}

func ExampleUse_lu() {
	blas.Use()

	var lu mat.LU
	lu.Factorize(square)
	var x mat.VecDense
	if err := lu.SolveVecTo(&x, false, mat.NewVecDense(3, []float64{4, 10, 24})); err != nil {
		fmt.Println(err)
	}
	fmt.Printf("determinant %.3f\n", lu.Det())
	show(&x)
	// Output:
	// determinant 4.000
	// ⎡1⎤
	// ⎢1⎥
	// ⎣1⎦
}

func ExampleUse_qr() {
	blas.Use()

	// The line closest to four points.
	points := mat.NewDense(4, 2, []float64{1, 0, 1, 1, 1, 2, 1, 3})
	var qr mat.QR
	qr.Factorize(points)
	var line mat.Dense
	if err := qr.SolveTo(&line, false, mat.NewVecDense(4, []float64{1, 3, 4, 8})); err != nil {
		fmt.Println(err)
	}
	show(&line)
	// Output:
	// ⎡0.7⎤
	// ⎣2.2⎦
}

func ExampleUse_cholesky() {
	blas.Use()

	var cholesky mat.Cholesky
	fmt.Println("positive definite:", cholesky.Factorize(symmetric))
	var l mat.TriDense
	cholesky.LTo(&l)
	show(&l)
	// Output:
	// positive definite: true
	// ⎡2  0  0⎤
	// ⎢1  2  0⎥
	// ⎣1  1  2⎦
}

func ExampleUse_eigenvalues() {
	blas.Use()

	var eigen mat.EigenSym
	eigen.Factorize(symmetric, false)
	fmt.Printf("%.4f\n", eigen.Values(nil))
	// Output: [2.3225 2.7858 9.8917]
}

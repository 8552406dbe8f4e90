package simd

import "fmt"

// Axpy adds alpha*x to y. It panics if the lengths differ, as do all
// functions of this package that take several slices.
func Axpy(alpha float32, x, y []float32) {
	sameLength("Axpy", len(x), len(y))
	kernels().axpy(alpha, x, y)
}

// AxpyTo sets dst to y + alpha*x. dst may be x or y, but must not overlap them otherwise; the same
// holds for every dst in this package.
func AxpyTo(dst []float32, alpha float32, x, y []float32) {
	sameLength("AxpyTo", len(dst), len(x), len(y))
	kernels().axpyTo(dst, alpha, x, y)
}

// Scale multiplies x by alpha.
func Scale(alpha float32, x []float32) { kernels().scale(alpha, x) }

// Add sets dst to x + y.
func Add(dst, x, y []float32) {
	sameLength("Add", len(dst), len(x), len(y))
	kernels().add(dst, x, y)
}

// Mul sets dst to x * y, element by element.
func Mul(dst, x, y []float32) {
	sameLength("Mul", len(dst), len(x), len(y))
	kernels().mul(dst, x, y)
}

// Dot returns the sum of x*y, summed in float32 in an order that depends on
// the length and the instruction set alone.
func Dot(x, y []float32) float32 {
	sameLength("Dot", len(x), len(y))
	return kernels().dot(x, y)
}

// Dot64 returns the sum of x*y, multiplied and summed in float64 (the BLAS's
// dsdot), in an order that depends on the length and the instruction set
// alone.
func Dot64(x, y []float32) float64 {
	sameLength("Dot64", len(x), len(y))
	return kernels().dot64(x, y)
}

// SumSquares returns the sum of the squares of x, in float64. It is finite
// exactly if all of x is.
func SumSquares(x []float32) float64 { return kernels().squares(x) }

// ScaledSquares returns the sum of the squares of (|y| + eta)*x, in float64. It is
// finite exactly if all of x, y and eta is.
func ScaledSquares(eta float32, x, y []float32) float64 {
	sameLength("ScaledSquares", len(x), len(y))
	return kernels().scaledSquares(eta, x, y)
}

// ScaledAxpyTo sets dst to y + alpha*(|y| + eta)^2*x.
func ScaledAxpyTo(dst []float32, alpha, eta float32, x, y []float32) {
	sameLength("ScaledAxpyTo", len(dst), len(x), len(y))
	kernels().scaledAxpyTo(dst, alpha, eta, x, y)
}

// Max returns the largest element of x: NaN if any is NaN, -Inf if x is empty.
// Of zeros it may return either.
func Max(x []float32) float32 { return kernels().max(x) }

// ReLU sets dst to max(0, x), and to NaN where x is NaN.
func ReLU(dst, x []float32) {
	sameLength("ReLU", len(dst), len(x))
	kernels().relu(dst, x)
}

// ReLUBackward sets dst to dy where y > 0 or y is NaN, and to 0 elsewhere; y
// may be the input or the output of ReLU.
func ReLUBackward(dst, dy, y []float32) {
	sameLength("ReLUBackward", len(dst), len(dy), len(y))
	kernels().reluBackward(dst, dy, y)
}

func sameLength(name string, n int, others ...int) {
	for _, o := range others {
		if o != n {
			panic(fmt.Sprintf("simd: %s: slices of %d and %d elements", name, n, o))
		}
	}
}

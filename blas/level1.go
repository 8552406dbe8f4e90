package blas

import (
	"math"

	"github.com/steppe-ml/steppe/simd"
)

// Level 1: vectors. Contiguous vectors go to kernels, a stretch at a time, since Go can't preempt a
// kernel. Plain Go computes on vectors with other increments. x and y may be the same vector, but
// must not overlap otherwise.

// stretch is the most elements of a vector that one call of a kernel takes.
const stretch = 1 << 14

// short reports whether two vectors are contiguous and fit one call of a kernel. Most calls are of
// this kind and have to be cheap, so routines test for it first.
func short(n, lenX, incX, lenY, incY int) bool {
	return incX == 1 && incY == 1 && 0 < n && n <= min(stretch, lenX, lenY)
}

// Sdot returns the sum of x*y.
func (Implementation) Sdot(n int, x []float32, incX int, y []float32, incY int) float32 {
	if short(n, len(x), incX, len(y), incY) {
		return kernels32().dot(n, &x[0], &y[0])
	}
	return dot(kernels32(), n, x, incX, y, incY)
}

// Ddot returns the sum of x*y.
func (Implementation) Ddot(n int, x []float64, incX int, y []float64, incY int) float64 {
	if short(n, len(x), incX, len(y), incY) {
		return kernels64().dot(n, &x[0], &y[0])
	}
	return dot(kernels64(), n, x, incX, y, incY)
}

func dot[T Float](k *vectors[T], n int, x []T, incX int, y []T, incY int) (sum T) {
	if !checkXY(n, x, incX, y, incY) {
		return 0
	}
	if incX == 1 && incY == 1 {
		for i := 0; i < n; i += stretch {
			sum += k.dot(min(stretch, n-i), &x[i], &y[i])
		}
		return sum
	}
	ix, iy := first(n, incX), first(n, incY)
	for range n {
		sum += T(x[ix] * y[iy])
		ix, iy = ix+incX, iy+incY
	}
	return sum
}

// Dsdot returns the sum of x*y, multiplied and summed in float64.
func (Implementation) Dsdot(n int, x []float32, incX int, y []float32, incY int) (sum float64) {
	if !checkXY(n, x, incX, y, incY) {
		return 0
	}
	if incX == 1 && incY == 1 {
		for i := 0; i < n; i += stretch {
			end := min(n, i+stretch)
			sum += simd.Dot64(x[i:end], y[i:end])
		}
		return sum
	}
	ix, iy := first(n, incX), first(n, incY)
	for range n {
		sum += float64(x[ix]) * float64(y[iy]) // the product is exact
		ix, iy = ix+incX, iy+incY
	}
	return sum
}

// Sdsdot returns alpha plus the sum of x*y, multiplied and summed in float64. It returns 0 for
// empty vectors, as gonum does.
func (i Implementation) Sdsdot(n int, alpha float32, x []float32, incX int, y []float32, incY int) float32 {
	if !checkXY(n, x, incX, y, incY) {
		return 0
	}
	return alpha + float32(i.Dsdot(n, x, incX, y, incY))
}

// Saxpy adds alpha*x to y.
func (Implementation) Saxpy(n int, alpha float32, x []float32, incX int, y []float32, incY int) {
	if short(n, len(x), incX, len(y), incY) && alpha != 0 {
		kernels32().axpy(n, alpha, &x[0], &y[0])
		return
	}
	axpy(kernels32(), n, alpha, x, incX, y, incY)
}

// Daxpy adds alpha*x to y.
func (Implementation) Daxpy(n int, alpha float64, x []float64, incX int, y []float64, incY int) {
	if short(n, len(x), incX, len(y), incY) && alpha != 0 {
		kernels64().axpy(n, alpha, &x[0], &y[0])
		return
	}
	axpy(kernels64(), n, alpha, x, incX, y, incY)
}

func axpy[T Float](k *vectors[T], n int, alpha T, x []T, incX int, y []T, incY int) {
	if !checkXY(n, x, incX, y, incY) || alpha == 0 {
		return
	}
	if incX == 1 && incY == 1 {
		for i := 0; i < n; i += stretch {
			k.axpy(min(stretch, n-i), alpha, &x[i], &y[i])
		}
		return
	}
	ix, iy := first(n, incX), first(n, incY)
	for range n {
		y[iy] += T(alpha * x[ix])
		ix, iy = ix+incX, iy+incY
	}
}

// Sscal multiplies x by alpha; with alpha == 0 x is not read.
func (Implementation) Sscal(n int, alpha float32, x []float32, incX int) {
	if short(n, len(x), incX, len(x), 1) && alpha != 0 {
		kernels32().scal(n, alpha, &x[0])
		return
	}
	scal(kernels32(), n, alpha, x, incX)
}

// Dscal multiplies x by alpha; with alpha == 0 x is not read.
func (Implementation) Dscal(n int, alpha float64, x []float64, incX int) {
	if short(n, len(x), incX, len(x), 1) && alpha != 0 {
		kernels64().scal(n, alpha, &x[0])
		return
	}
	scal(kernels64(), n, alpha, x, incX)
}

func scal[T Float](k *vectors[T], n int, alpha T, x []T, incX int) {
	checkIncrement(incX, zeroIncX)
	if incX < 0 {
		return
	}
	if n < 1 {
		checkDimension(n, nLT0)
		return
	}
	checkLength(x, n, incX, shortX)
	switch {
	case incX == 1 && alpha == 0:
		clear(x[:n])
	case incX == 1:
		for i := 0; i < n; i += stretch {
			k.scal(min(stretch, n-i), alpha, &x[i])
		}
	case alpha == 0:
		for i := range n {
			x[i*incX] = 0
		}
	default:
		for i := range n {
			x[i*incX] *= alpha
		}
	}
}

// Sswap exchanges x and y.
func (Implementation) Sswap(n int, x []float32, incX int, y []float32, incY int) {
	if short(n, len(x), incX, len(y), incY) {
		kernels32().swap(n, &x[0], &y[0])
		return
	}
	swap(kernels32(), n, x, incX, y, incY)
}

// Dswap exchanges x and y.
func (Implementation) Dswap(n int, x []float64, incX int, y []float64, incY int) {
	if short(n, len(x), incX, len(y), incY) {
		kernels64().swap(n, &x[0], &y[0])
		return
	}
	swap(kernels64(), n, x, incX, y, incY)
}

func swap[T Float](k *vectors[T], n int, x []T, incX int, y []T, incY int) {
	if !checkXY(n, x, incX, y, incY) {
		return
	}
	if incX == 1 && incY == 1 {
		for i := 0; i < n; i += stretch {
			k.swap(min(stretch, n-i), &x[i], &y[i])
		}
		return
	}
	ix, iy := first(n, incX), first(n, incY)
	for range n {
		x[ix], y[iy] = y[iy], x[ix]
		ix, iy = ix+incX, iy+incY
	}
}

// Scopy copies x to y.
func (Implementation) Scopy(n int, x []float32, incX int, y []float32, incY int) {
	if short(n, len(x), incX, len(y), incY) {
		copy(y[:n], x)
		return
	}
	copyTo(n, x, incX, y, incY)
}

// Dcopy copies x to y.
func (Implementation) Dcopy(n int, x []float64, incX int, y []float64, incY int) {
	if short(n, len(x), incX, len(y), incY) {
		copy(y[:n], x)
		return
	}
	copyTo(n, x, incX, y, incY)
}

func copyTo[T Float](n int, x []T, incX int, y []T, incY int) {
	if !checkXY(n, x, incX, y, incY) {
		return
	}
	if incX == 1 && incY == 1 {
		copy(y[:n], x[:n])
		return
	}
	ix, iy := first(n, incX), first(n, incY)
	for range n {
		y[iy] = x[ix]
		ix, iy = ix+incX, iy+incY
	}
}

// Srot sets x to c*x + s*y, and y to c*y - s*x.
func (Implementation) Srot(n int, x []float32, incX int, y []float32, incY int, c, s float32) {
	if short(n, len(x), incX, len(y), incY) {
		kernels32().rot(n, &x[0], &y[0], c, s)
		return
	}
	rot(kernels32(), n, x, incX, y, incY, c, s)
}

// Drot sets x to c*x + s*y, and y to c*y - s*x.
func (Implementation) Drot(n int, x []float64, incX int, y []float64, incY int, c, s float64) {
	if short(n, len(x), incX, len(y), incY) {
		kernels64().rot(n, &x[0], &y[0], c, s)
		return
	}
	rot(kernels64(), n, x, incX, y, incY, c, s)
}

func rot[T Float](k *vectors[T], n int, x []T, incX int, y []T, incY int, c, s T) {
	if !checkXY(n, x, incX, y, incY) {
		return
	}
	if incX == 1 && incY == 1 {
		for i := 0; i < n; i += stretch {
			k.rot(min(stretch, n-i), &x[i], &y[i], c, s)
		}
		return
	}
	ix, iy := first(n, incX), first(n, incY)
	for range n {
		x[ix], y[iy] = T(c*x[ix])+T(s*y[iy]), T(c*y[iy])-T(s*x[ix])
		ix, iy = ix+incX, iy+incY
	}
}

// Sasum returns the sum of |x|.
func (Implementation) Sasum(n int, x []float32, incX int) float32 {
	if short(n, len(x), incX, len(x), 1) {
		return kernels32().asum(n, &x[0])
	}
	return asum(kernels32(), n, x, incX)
}

// Dasum returns the sum of |x|.
func (Implementation) Dasum(n int, x []float64, incX int) float64 {
	if short(n, len(x), incX, len(x), 1) {
		return kernels64().asum(n, &x[0])
	}
	return asum(kernels64(), n, x, incX)
}

func asum[T Float](k *vectors[T], n int, x []T, incX int) (sum T) {
	checkDimension(n, nLT0)
	if !checkX(n, x, incX) {
		return 0
	}
	if incX == 1 {
		for i := 0; i < n; i += stretch {
			sum += k.asum(min(stretch, n-i), &x[i])
		}
		return sum
	}
	for i := range n {
		sum += magnitude(x[i*incX])
	}
	return sum
}

// Isamax returns the index of the first of the largest |x|, -1 if there is none.
// It skips NaNs, unless the first element is a NaN, which then wins, as in gonum.
func (Implementation) Isamax(n int, x []float32, incX int) int {
	if short(n, len(x), incX, len(x), 1) && x[0] == x[0] {
		return kernels32().iamax(n, &x[0], -1)
	}
	return iamax(kernels32(), n, x, incX)
}

// Idamax is Isamax for float64.
func (Implementation) Idamax(n int, x []float64, incX int) int {
	if short(n, len(x), incX, len(x), 1) && x[0] == x[0] {
		return kernels64().iamax(n, &x[0], -1)
	}
	return iamax(kernels64(), n, x, incX)
}

func iamax[T Float](k *vectors[T], n int, x []T, incX int) (index int) {
	if !checkX(n, x, incX) {
		return -1
	}
	if x[0] != x[0] {
		return 0
	}
	if incX != 1 {
		largest := magnitude(x[0])
		for i := range n {
			if m := magnitude(x[i*incX]); m > largest {
				largest, index = m, i
			}
		}
		return index
	}
	const block = 1 << 12 // elements; in the cache for the second pass, which finds the index
	largest := T(-1)
	for i := 0; i < n; i += block {
		if found := k.iamax(min(block, n-i), &x[i], largest); found >= 0 {
			index = i + found
			largest = magnitude(x[index])
		}
	}
	return index
}

// Snrm2 returns the square root of the sum of squares of x. It sums in float64, where squares of
// float32 can neither overflow nor underflow.
func (Implementation) Snrm2(n int, x []float32, incX int) float32 {
	if short(n, len(x), incX, len(x), 1) {
		return float32(math.Sqrt(simd.SumSquares(x[:n])))
	}
	if !checkX(n, x, incX) {
		return 0
	}
	sum := 0.0
	if incX == 1 {
		for i := 0; i < n; i += stretch {
			sum += simd.SumSquares(x[i:min(n, i+stretch)])
		}
	} else {
		for i := range n {
			v := float64(x[i*incX])
			sum += v * v // the square is exact
		}
	}
	return float32(math.Sqrt(sum))
}

// Dnrm2 returns the square root of the sum of squares of x. If the sum overflows, or its terms may
// have underflowed, Dnrm2 computes it again from a scaled x.
func (Implementation) Dnrm2(n int, x []float64, incX int) float64 {
	if !checkX(n, x, incX) {
		return 0
	}
	sum := 0.0
	if incX == 1 {
		k := kernels64()
		for i := 0; i < n; i += stretch {
			sum += k.dot(min(stretch, n-i), &x[i], &x[i])
		}
	} else {
		for i := range n {
			v := x[i*incX]
			sum += float64(v * v)
		}
	}
	// A square that underflows is wrong by 2^-1075 at most, so n of them are
	// nothing beside a sum of 2^-960.
	if sum != sum || 0x1p-960 <= sum && sum <= math.MaxFloat64 {
		return math.Sqrt(sum)
	}
	return scaledNorm(n, x, incX)
}

// scaledNorm is Dnrm2 with elements scaled by a power of 2, to magnitudes around 1. No element is
// NaN.
func scaledNorm(n int, x []float64, incX int) float64 {
	largest := 0.0
	for i := range n {
		largest = max(largest, math.Abs(x[i*incX]))
	}
	if largest == 0 || math.IsInf(largest, 1) {
		return largest
	}
	_, exponent := math.Frexp(largest)
	exponent = max(exponent, -1000) // 2^1000 is a number, and makes squares of what is left large enough
	scale := math.Ldexp(1, -exponent)
	sum := 0.0
	for i := range n {
		v := x[i*incX] * scale
		sum += float64(v * v)
	}
	return math.Ldexp(math.Sqrt(sum), exponent)
}

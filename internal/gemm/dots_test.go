package gemm

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestDotsKernels(t *testing.T) {
	floattest.Each(t, testDotsKernels[float32], testDotsKernels[float64])
}

// Each operand ends, then begins, at an unreadable page; C is NaN where it must
// not be read.
func testDotsKernels[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		kernels := Active[T]().dots
		if kernels == nil {
			t.Skip("there are no kernels of dot products")
		}
		r := rand.New(rand.NewPCG(11, 11))
		for side, memory := range guard.Sides[T]() {
			for nx := 1; nx <= len(kernels); nx++ {
				for which, size := range []int{len(kernels), 1} { // of a group
					for _, k := range []int{1, 3, Lanes[T]() - 1, Lanes[T](), 2*Lanes[T]() + 5, 70} {
						checkDots(t, r, kernels[nx-1][which], side, memory, nx, size, 1+r.IntN(3), k)
					}
				}
			}
		}
	})
}

func checkDots[T Float](t *testing.T, r *rand.Rand, kernel dotsKernel[T], side string, memory func(testing.TB, int) []T, nx, size, groups, k int) {
	t.Helper()
	ny := groups * size
	xRow, yRow := k+r.IntN(3), k+r.IntN(3)
	x, y := memory(t, (nx-1)*xRow+k), memory(t, (ny-1)*yRow+k)
	copy(x, floattest.Normal[T](r, len(x)))
	copy(y, floattest.Normal[T](r, len(y)))
	cRow, cCol := ny+r.IntN(3), 1
	if r.IntN(2) == 0 { // C(i,j) lies at its transpose's place
		cRow, cCol = 1, nx+r.IntN(3)
	}
	c := memory(t, (nx-1)*cRow+(ny-1)*cCol+1)
	alpha, beta := T(r.IntN(3)), T(r.IntN(3)-1)
	old := make([]float64, nx*ny)
	gaps := 0
	for i := range c {
		c[i] = T(floattest.Unused)
	}
	for i := range nx {
		for j := range ny {
			if beta != 0 {
				c[i*cRow+j*cCol] = T(r.IntN(9) - 4)
			}
			old[i*ny+j] = float64(c[i*cRow+j*cCol])
		}
	}
	floattest.WithoutFault(t, side, func() {
		kernel(groups, k, &x[0], xRow, &y[0], yRow, &c[0], cRow, cCol, alpha, beta)
	})
	for i := range nx {
		for j := range ny {
			var sum floattest.Exact
			for l := range k {
				sum.Add(float64(x[i*xRow+l]), float64(y[j*yRow+l]))
			}
			sum.Scale(float64(alpha))
			if beta != 0 {
				sum.Add(float64(beta), old[i*ny+j])
			}
			got, bound := float64(c[i*cRow+j*cCol]), floattest.Gamma[T](k+5)*sum.Size
			require.LessOrEqual(t, math.Abs(got-sum.Value()), bound, "C(%d,%d) of %dx%dx%d is %v, want %v", i, j, nx, ny, k, got, sum.Value())
		}
	}
	for _, v := range c {
		if floattest.Bits(v) == floattest.Bits(T(floattest.Unused)) {
			gaps++
		}
	}
	require.Equal(t, len(c)-nx*ny, gaps, "elements between C's that are as they were")
}

package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/blas/testblas"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// TestGonumsLevel1 is gonum's own test of a BLAS.
func TestGonumsLevel1(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		var i Implementation
		testblas.DasumTest(t, i)
		testblas.DaxpyTest(t, i)
		testblas.DcopyTest(t, i)
		testblas.DdotTest(t, i)
		testblas.Dnrm2Test(t, i)
		testblas.DrotTest(t, i)
		testblas.DscalTest(t, i)
		testblas.DswapTest(t, i)
		testblas.IdamaxTest(t, i)
	})
}

// level1 is the routines of level 1 for one type of elements.
type level1[T Float] struct {
	dot             func(n int, x []T, incX int, y []T, incY int) T
	axpy            func(n int, alpha T, x []T, incX int, y []T, incY int)
	scal            func(n int, alpha T, x []T, incX int)
	swap, copy      func(n int, x []T, incX int, y []T, incY int)
	rot             func(n int, x []T, incX int, y []T, incY int, c, s T)
	asum, nrm2      func(n int, x []T, incX int) T
	iamax           func(n int, x []T, incX int) int
	dsdot           func(n int, x []T, incX int, y []T, incY int) float64 // of float32
	sdsdot          func(n int, alpha T, x []T, incX int, y []T, incY int) T
	relativeOfSum   float64 // the error of a sum of squares, for each term
	relativeOfNorm2 float64 // and of its square root's, besides
}

type float32And64 interface {
	blas.Float32
	blas.Float64
}

func level1Of[T Float](i float32And64) level1[T] {
	s := level1[float32]{i.Sdot, i.Saxpy, i.Sscal, i.Sswap, i.Scopy, i.Srot, i.Sasum, i.Snrm2, i.Isamax, i.Dsdot, i.Sdsdot, 0x1p-53, 0x1p-24}
	if v, ok := any(s).(level1[T]); ok {
		return v
	}
	d := level1[float64]{i.Ddot, i.Daxpy, i.Dscal, i.Dswap, i.Dcopy, i.Drot, i.Dasum, i.Dnrm2, i.Idamax, nil, nil, 0x1p-53, 0x1p-53}
	return any(d).(level1[T])
}

// strided is a vector of the BLAS in memory. What is between its elements is
// unused.
type strided[T Float] struct {
	data   []T
	n, inc int
}

func newStrided[T Float](t testing.TB, memory func(testing.TB, int) []T, values []T, inc int) strided[T] {
	v := strided[T]{n: len(values), inc: inc}
	v.data = memory(t, reach(v.n, 1, max(inc, -inc)))
	for i := range v.data {
		v.data[i] = T(floattest.Unused)
	}
	for i, x := range values {
		v.data[v.at(i)] = x
	}
	return v
}

func (v strided[T]) at(i int) int { return first(v.n, v.inc) + i*v.inc }

// values returns the elements, and requires that what is between them is as it was.
func (v strided[T]) values(t testing.TB) []T {
	t.Helper()
	values := make([]T, v.n)
	used := map[int]bool{}
	for i := range values {
		values[i] = v.data[v.at(i)]
		used[v.at(i)] = true
	}
	for i, x := range v.data {
		if !used[i] && floattest.Bits(x) != floattest.Bits(T(floattest.Unused)) {
			require.Failf(t, "wrote between elements", "element %d of memory is %v", i, x)
		}
	}
	return values
}

// level1Case is a call of every routine of level 1.
type level1Case[T Float] struct {
	x, y        []T
	incX, incY  int
	alpha, c, s T
	memory      func(testing.TB, int) []T
}

// check compares all results with an oracle's, within the bound of as many
// roundings as there are on the way of each term.
func (l level1Case[T]) check(t *testing.T) {
	t.Helper()
	about := fmt.Sprintf("n = %d, increments %d and %d", len(l.x), l.incX, l.incY)
	n, routines := len(l.x), level1Of[T](Implementation{})
	near := func(what string, got T, want floattest.Exact, roundings int) {
		t.Helper()
		if bound := floattest.Gamma[T](roundings) * want.Size; !(math.Abs(float64(got)-want.Value()) <= bound) {
			require.Failf(t, "wrong result", "%s, %s: %v, want %v +- %v", what, about, got, want.Value(), bound)
		}
	}
	vectors := func() (x, y strided[T]) {
		return newStrided(t, l.memory, l.x, l.incX), newStrided(t, l.memory, l.y, l.incY)
	}

	x, y := vectors()
	var dot, asum, squares floattest.Exact
	for i := range n {
		dot.Add(float64(l.x[i]), float64(l.y[i]))
		asum.Add(math.Abs(float64(l.x[i])), 1)
		squares.Add(float64(l.x[i]), float64(l.x[i]))
	}
	floattest.WithoutFault(t, about, func() {
		near("dot", routines.dot(n, x.data, l.incX, y.data, l.incY), dot, n)
		if routines.dsdot != nil {
			got := routines.dsdot(n, x.data, l.incX, y.data, l.incY)
			require.InDelta(t, dot.Value(), got, floattest.Gamma[float64](n)*dot.Size, "dsdot, %s", about)
			plus := dot
			plus.Add(float64(l.alpha), 1)
			if n == 0 {
				plus = floattest.Exact{}
			}
			near("sdsdot", routines.sdsdot(n, l.alpha, x.data, l.incX, y.data, l.incY), plus, 3)
		}
		if l.incX < 0 {
			require.Zero(t, routines.asum(n, x.data, l.incX), about)
			require.Zero(t, routines.nrm2(n, x.data, l.incX), about)
			require.Equal(t, -1, routines.iamax(n, x.data, l.incX), about)
			return
		}
		near("asum", routines.asum(n, x.data, l.incX), asum, n)
		norm := math.Sqrt(squares.Value())
		require.InDelta(t, norm, float64(routines.nrm2(n, x.data, l.incX)), norm*(float64(n+2)*routines.relativeOfSum+2*routines.relativeOfNorm2), "nrm2, %s", about)
		require.Equal(t, largest(l.x), routines.iamax(n, x.data, l.incX), about)
	})
	require.Equal(t, l.x, x.values(t), about)
	require.Equal(t, l.y, y.values(t), about)

	floattest.WithoutFault(t, about, func() { routines.axpy(n, l.alpha, x.data, l.incX, y.data, l.incY) })
	require.Equal(t, l.x, x.values(t), about)
	for i, got := range y.values(t) {
		var want floattest.Exact
		want.Add(float64(l.y[i]), 1)
		want.Add(float64(l.alpha), float64(l.x[i]))
		near("axpy", got, want, 2)
	}

	floattest.WithoutFault(t, about, func() { routines.scal(n, l.alpha, x.data, l.incX) })
	for i, got := range x.values(t) {
		if want := l.alpha * l.x[i]; l.incX > 0 && got != want || l.incX < 0 && got != l.x[i] {
			require.Failf(t, "wrong element", "scal, %s: %v, want %v", about, got, want)
		}
	}

	x, y = vectors()
	floattest.WithoutFault(t, about, func() { routines.swap(n, x.data, l.incX, y.data, l.incY) })
	require.Equal(t, l.y, x.values(t), about)
	require.Equal(t, l.x, y.values(t), about)
	floattest.WithoutFault(t, about, func() { routines.copy(n, x.data, l.incX, y.data, l.incY) })
	require.Equal(t, l.y, x.values(t), about)
	require.Equal(t, l.y, y.values(t), about)

	x, y = vectors()
	floattest.WithoutFault(t, about, func() { routines.rot(n, x.data, l.incX, y.data, l.incY, l.c, l.s) })
	xs, ys := x.values(t), y.values(t)
	for i := range n {
		var wantX, wantY floattest.Exact
		wantX.Add(float64(l.c), float64(l.x[i]))
		wantX.Add(float64(l.s), float64(l.y[i]))
		wantY.Add(float64(l.c), float64(l.y[i]))
		wantY.Add(-float64(l.s), float64(l.x[i]))
		near("rot's x", xs[i], wantX, 2)
		near("rot's y", ys[i], wantY, 2)
	}
}

// largest is iamax of numbers.
func largest[T Float](x []T) (index int) {
	index = -1
	for i, v := range x {
		if index < 0 || magnitude(v) > magnitude(x[index]) {
			index = i
		}
	}
	return index
}

func TestLevel1(t *testing.T) { floattest.Each(t, testLevel1[float32], testLevel1[float64]) }

func testLevel1[T Float](t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for side, memory := range guard.Sides[T]() {
			t.Run("side="+side, func(t *testing.T) {
				r := rand.New(rand.NewPCG(21, 21))
				check := func(n, incX, incY int) {
					level1Case[T]{floattest.Normal[T](r, n), floattest.Normal[T](r, n), incX, incY, -0.7, 0.6, 0.8, memory}.check(t)
				}
				for n := range 3*gemm.Lanes[T]()*8 + 2 {
					check(n, 1, 1)
				}
				for _, n := range []int{stretch - 1, stretch, 2*stretch + 17} {
					check(n, 1, 1)
				}
				for _, n := range []int{0, 1, 2, 7, 30} {
					for _, incX := range []int{1, 2, -1, -3} {
						for _, incY := range []int{1, 3, -1, -2} {
							check(n, incX, incY)
						}
					}
				}
			})
		}
	})
}

func FuzzLevel1(f *testing.F) {
	f.Add(uint64(1), uint16(100), int8(1), int8(1), 0.5)
	f.Add(uint64(2), uint16(33), int8(-2), int8(3), -1.0)
	f.Add(uint64(3), uint16(5), int8(1), int8(-1), 0.0)
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, incX, incY int8, alpha float64) {
		if incX == 0 || incY == 0 || !(math.Abs(alpha) < 1e6) || alpha != 0 && math.Abs(alpha) < 1e-6 {
			t.Skip("no such increment or alpha")
		}
		r := rand.New(rand.NewPCG(seed, 1))
		size := int(n) % 3000
		for _, isa := range simdtest.ISAs() {
			simdtest.Use(t, isa)
			for _, side := range []string{"ending", "beginning"} {
				level1Case[float32]{floattest.Normal[float32](r, size), floattest.Normal[float32](r, size), int(incX), int(incY), float32(alpha), 0.6, -0.8, guard.Sides[float32]()[side]}.check(t)
				level1Case[float64]{floattest.Normal[float64](r, size), floattest.Normal[float64](r, size), int(incX), int(incY), alpha, 0.6, -0.8, guard.Sides[float64]()[side]}.check(t)
			}
		}
	})
}

// TestNorm2Extremes scales vectors by powers of 2, through all that a float can be: the
// norm is scaled as exactly.
func TestNorm2Extremes(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testNorm2Extremes[float32](t, -149, 127) })
	t.Run("float64", func(t *testing.T) { testNorm2Extremes[float64](t, -1074, 1023) })
}

func testNorm2Extremes[T Float](t *testing.T, least, most int) {
	simdtest.EachISA(t, func(t *testing.T) {
		nrm2 := level1Of[T](Implementation{}).nrm2
		for exponent := least; exponent < most-2; exponent++ {
			scale := math.Ldexp(1, exponent)
			for _, inc := range []int{1, 2} {
				x := []T{T(3 * scale), 0, T(-4 * scale)}
				n := len(x)
				if inc == 2 {
					x[1] = T(floattest.Unused)
					n = 2
				}
				require.Equal(t, T(5*scale), nrm2(n, x, inc), "exponent %d", exponent)
			}
			// Beside one of 2^60, in the sum of whose squares its own is lost.
			if exponent+60 < most {
				require.Equal(t, T(scale*0x1p60), nrm2(2, []T{T(scale), T(scale * 0x1p60)}, 1), "exponent %d", exponent)
			}
		}
		inf, nan, huge := T(math.Inf(1)), T(math.NaN()), T(math.Ldexp(1, most))
		require.Equal(t, huge, nrm2(1, []T{-huge}, 1))
		require.Equal(t, inf, nrm2(8, slices.Repeat([]T{huge}, 8), 1), "more than the largest number")
		require.Equal(t, 2*(huge/4), nrm2(4, slices.Repeat([]T{huge / 4}, 4), 1))
		require.Equal(t, inf, nrm2(3, []T{1, -inf, 0}, 1))
		for _, x := range [][]T{{nan}, {1, nan}, {inf, nan}, {nan, -inf}, {0, 0, nan}, {huge, huge, nan}} {
			got := nrm2(len(x), x, 1)
			require.True(t, got != got, "%v: %v", x, got)
		}
		require.Zero(t, nrm2(3, make([]T, 3), 1))
	})
}

// Iamax compares as gonum's does.
func TestIamaxOfSpecials(t *testing.T) {
	floattest.Each(t, testIamaxOfSpecials[float32], testIamaxOfSpecials[float64])
}

func testIamaxOfSpecials[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		ours, gonums := level1Of[T](Implementation{}).iamax, level1Of[T](gonum.Implementation{}).iamax
		specials := []T{0, T(math.Copysign(0, -1)), 1, -1, T(math.NaN()), T(math.Inf(1)), T(math.Inf(-1)), 2}
		r := rand.New(rand.NewPCG(22, 22))
		for range 3000 {
			x := make([]T, 1+r.IntN(80))
			for few, i := 1+r.IntN(len(specials)), 0; i < len(x); i++ {
				x[i] = specials[r.IntN(few)]
			}
			inc := 1 + r.IntN(2)
			n := (len(x) + inc - 1) / inc
			require.Equal(t, gonums(n, x, inc), ours(n, x, inc), "%v, increment %d", x, inc)
		}
		long := make([]T, 20000)
		long[12345], long[12999], long[19999] = -3, 3, 3
		require.Equal(t, 12345, ours(len(long), long, 1))
	})
}

// Nothing is left out because it meets a zero, but where alpha is 0.
func TestLevel1Propagates(t *testing.T) {
	floattest.Each(t, testLevel1Propagates[float32], testLevel1Propagates[float64])
}

func testLevel1Propagates[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		routines := level1Of[T](Implementation{})
		for _, n := range []int{1, 5, 8*gemm.Lanes[T]() + 3} {
			for at := range n {
				x, y := make([]T, n), make([]T, n)
				x[at] = T(math.Inf(-1))
				dot := routines.dot(n, x, 1, y, 1)
				require.True(t, dot != dot, "%v", dot)
				require.Equal(t, T(math.Inf(1)), routines.asum(n, x, 1))
				routines.axpy(n, 1, x, 1, y, 1)
				require.Equal(t, x, y)
				routines.axpy(n, 0, x, 1, y, 1)
				require.Equal(t, x, y, "x is not read")
				x[at] = T(math.NaN())
				asum := routines.asum(n, x, 1)
				require.True(t, asum != asum, "%v", asum)
				routines.scal(n, 0, x, 1)
				require.Equal(t, make([]T, n), x, "x is not read")
			}
		}
	})
}

// x and y may be the same vector.
func TestLevel1OnOneVector(t *testing.T) {
	floattest.Each(t, testLevel1OnOneVector[float32], testLevel1OnOneVector[float64])
}

func testLevel1OnOneVector[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		routines := level1Of[T](Implementation{})
		for n := range 100 {
			for _, inc := range []int{1, -1, 2} {
				x := floattest.Integers[T](rand.New(rand.NewPCG(23, uint64(n))), reach(n, 1, max(inc, -inc)))
				same, apart := slices.Clone(x), slices.Clone(x)
				require.Equal(t, routines.dot(n, x, inc, apart, inc), routines.dot(n, same, inc, same, inc))
				routines.axpy(n, 2, x, inc, apart, inc)
				routines.axpy(n, 2, same, inc, same, inc)
				require.Equal(t, apart, same)
				routines.swap(n, same, inc, same, inc)
				routines.copy(n, same, inc, same, inc)
				require.Equal(t, apart, same)
			}
		}
	})
}

func TestLevel1PanicsLikeGonum(t *testing.T) {
	floattest.Each(t, testLevel1Panics[float32], testLevel1Panics[float64])
}

func testLevel1Panics[T Float](t *testing.T) {
	type call struct{ n, x, incX, y, incY int } // x and y are lengths
	calls := map[string]func(level1[T], call){
		"dot":   func(l level1[T], c call) { l.dot(c.n, make([]T, c.x), c.incX, make([]T, c.y), c.incY) },
		"axpy":  func(l level1[T], c call) { l.axpy(c.n, 2, make([]T, c.x), c.incX, make([]T, c.y), c.incY) },
		"axpy0": func(l level1[T], c call) { l.axpy(c.n, 0, make([]T, c.x), c.incX, make([]T, c.y), c.incY) },
		"swap":  func(l level1[T], c call) { l.swap(c.n, make([]T, c.x), c.incX, make([]T, c.y), c.incY) },
		"copy":  func(l level1[T], c call) { l.copy(c.n, make([]T, c.x), c.incX, make([]T, c.y), c.incY) },
		"rot":   func(l level1[T], c call) { l.rot(c.n, make([]T, c.x), c.incX, make([]T, c.y), c.incY, 0, 1) },
		"scal":  func(l level1[T], c call) { l.scal(c.n, 2, make([]T, c.x), c.incX) },
		"scal0": func(l level1[T], c call) { l.scal(c.n, 0, make([]T, c.x), c.incX) },
		"asum":  func(l level1[T], c call) { l.asum(c.n, make([]T, c.x), c.incX) },
		"nrm2":  func(l level1[T], c call) { l.nrm2(c.n, make([]T, c.x), c.incX) },
		"iamax": func(l level1[T], c call) { l.iamax(c.n, make([]T, c.x), c.incX) },
	}
	if level1Of[T](Implementation{}).dsdot != nil {
		calls["dsdot"] = func(l level1[T], c call) { l.dsdot(c.n, make([]T, c.x), c.incX, make([]T, c.y), c.incY) }
		calls["sdsdot"] = func(l level1[T], c call) { l.sdsdot(c.n, 1, make([]T, c.x), c.incX, make([]T, c.y), c.incY) }
	}
	for name, routine := range calls {
		panics := 0
		for _, n := range []int{-1, 0, 1, 3} {
			for _, incX := range []int{-2, -1, 0, 1, 2} {
				for _, incY := range []int{-2, 0, 1, 2} {
					for _, x := range []int{0, 1, 2, 3, 4, 5} {
						for _, y := range []int{0, 2, 3, 5} {
							c := call{n, x, incX, y, incY}
							want := panicOf(func() { routine(level1Of[T](gonum.Implementation{}), c) })
							got := panicOf(func() { routine(level1Of[T](Implementation{}), c) })
							require.Equal(t, want, got, "%s, %+v", name, c)
							if want != nil {
								panics++
							}
						}
					}
				}
			}
		}
		assert.Greater(t, panics, 100, name)
		// Not gonum's, whose arithmetic overflows.
		assert.NotNil(t, panicOf(func() { routine(level1Of[T](Implementation{}), call{math.MaxInt/2 + 2, 1, 2, 1, 2}) }), name)
		assert.NotNil(t, panicOf(func() { routine(level1Of[T](Implementation{}), call{math.MaxInt, 1, 1, 1, 1}) }), name)
	}
}

func TestLevel1AllocatesNothing(t *testing.T) {
	x, y := make([]float64, 1000), make([]float64, 1000)
	x[3] = 1e300
	var i Implementation
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		i.Ddot(1000, x, 1, y, 1)
		i.Daxpy(1000, 2, x, 1, y, 1)
		i.Dnrm2(1000, x, 1)
		i.Idamax(500, x, 2)
	}))
}

package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/blas/testblas"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// TestGonumsLevel2 is gonum's own test of a BLAS, but for packed and banded
// matrices, which are gonum's.
func TestGonumsLevel2(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, tiny := range []bool{false, true} {
			if tiny {
				setVectors(t, tinyColumns[float64])
			}
			var i Implementation
			testblas.DgemvTest(t, i)
			testblas.DgerTest(t, i)
			testblas.DsymvTest(t, i)
			testblas.DsyrTest(t, i)
			testblas.Dsyr2Test(t, i)
			testblas.DtrmvTest(t, i)
			testblas.DtrsvTest(t, i)
			testblas.DtxmvTest(t, i)
		}
	})
}

// setVectors is setTable for the kernels of levels 1 and 2.
func setVectors[T Float](t testing.TB, change func(*vectors[T])) {
	at := kernelsOf[T]()
	old := *at
	change(at)
	t.Cleanup(func() { *at = old })
}

func kernelsOf[T Float]() *vectors[T] {
	if k, ok := any(kernels32()).(*vectors[T]); ok {
		return k
	}
	return any(kernels64()).(*vectors[T])
}

// tinyColumns makes every edge of a block come up in small matrices.
func tinyColumns[T Float](k *vectors[T]) { k.across, k.atOnce = 13, 100 }

// level2 is the routines of level 2 for one type of elements.
type level2[T Float] struct {
	gemv       func(tA blas.Transpose, m, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int)
	ger        func(m, n int, alpha T, x []T, incX int, y []T, incY int, a []T, lda int)
	symv       func(ul blas.Uplo, n int, alpha T, a []T, lda int, x []T, incX int, beta T, y []T, incY int)
	syr        func(ul blas.Uplo, n int, alpha T, x []T, incX int, a []T, lda int)
	syr2       func(ul blas.Uplo, n int, alpha T, x []T, incX int, y []T, incY int, a []T, lda int)
	trmv, trsv func(ul blas.Uplo, tA blas.Transpose, d blas.Diag, n int, a []T, lda int, x []T, incX int)
}

func level2Of[T Float](i float32And64) level2[T] {
	s := level2[float32]{i.Sgemv, i.Sger, i.Ssymv, i.Ssyr, i.Ssyr2, i.Strmv, i.Strsv}
	if v, ok := any(s).(level2[T]); ok {
		return v
	}
	return any(level2[float64]{i.Dgemv, i.Dger, i.Dsymv, i.Dsyr, i.Dsyr2, i.Dtrmv, i.Dtrsv}).(level2[T])
}

// level2Case is a call of every routine of level 2.
type level2Case[T Float] struct {
	m, n, gap   int // gap: lda is so much more than n
	ul          blas.Uplo
	tA          blas.Transpose
	d           blas.Diag
	incX, incY  int
	alpha, beta T
	memory      func(testing.TB, int) []T
	r           *rand.Rand
}

// String leaves out what can't be printed.
func (l level2Case[T]) String() string {
	return fmt.Sprintf("m %d, n %d, lda %d, %c %c %c, increments %d and %d, alpha %v, beta %v", l.m, l.n, l.n+l.gap, l.ul, l.tA, l.d, l.incX, l.incY, l.alpha, l.beta)
}

// matrix is a matrix in memory, in which all is NaN that a routine has no business with.
type matrix[T Float] struct {
	data      []T
	lda       int
	rows      int
	cols      int
	used      func(i, j int) bool
	unchanged []T
}

func (l level2Case[T]) matrix(t testing.TB, rows, cols int, used func(i, j int) bool) matrix[T] {
	m := matrix[T]{lda: max(1, cols+l.gap), rows: rows, cols: cols, used: used}
	if rows > 0 && cols > 0 {
		m.data = l.memory(t, reach(rows, cols, m.lda))
	}
	for i := range m.data {
		m.data[i] = T(math.NaN())
	}
	for i := range rows {
		for j := range cols {
			if used(i, j) {
				m.data[i*m.lda+j] = T(l.r.NormFloat64())
			}
		}
	}
	m.unchanged = slices.Clone(m.data)
	return m
}

func (m matrix[T]) at(i, j int) float64  { return float64(m.data[i*m.lda+j]) }
func (m matrix[T]) was(i, j int) float64 { return float64(m.unchanged[i*m.lda+j]) }

// requireUnchanged requires that all is as it was, but, if they are written, the elements
// that are used.
func (m matrix[T]) requireUnchanged(t testing.TB, about any, written bool) {
	t.Helper()
	for at, v := range m.data {
		if i, j := at/m.lda, at%m.lda; written && j < m.cols && m.used(i, j) {
			continue
		}
		if floattest.Bits(v) != floattest.Bits(m.unchanged[at]) {
			require.Failf(t, "wrote to the matrix", "%v: element (%d,%d)", about, at/m.lda, at%m.lda)
		}
	}
}

func everywhere(i, j int) bool { return true }

// triangle is the elements of a triangle, but for the diagonal of a unit one.
func (l level2Case[T]) triangle(i, j int) bool {
	return i == j && l.d == blas.NonUnit || i < j && l.ul == blas.Upper || i > j && l.ul == blas.Lower
}

// half is the elements that are stored of a symmetric matrix.
func (l level2Case[T]) half(i, j int) bool { return i == j || (i < j) == (l.ul == blas.Upper) }

// near requires an element to be a sum, within the error of so many roundings for
// each of its terms.
func (l level2Case[T]) near(t testing.TB, what string, i, j int, got float64, want floattest.Exact, roundings int) {
	if bound := floattest.Gamma[T](roundings) * want.Size; !(math.Abs(got-want.Value()) <= bound) {
		t.Helper()
		require.Failf(t, "wrong element", "%s, %v: element (%d,%d) is %v, want %v +- %v", what, l, i, j, got, want.Value(), bound)
	}
}

// vector returns a vector of so many elements, NaN if it isn't to be read.
func (l level2Case[T]) vector(t testing.TB, n, inc int, read bool) (v strided[T], values []T) {
	values = floattest.Normal[T](l.r, n)
	if !read {
		for i := range values {
			values[i] = T(math.NaN())
		}
	}
	return newStrided(t, l.memory, values, inc), values
}

func (l level2Case[T]) check(t *testing.T) {
	t.Helper()
	l.checkGemv(t)
	l.checkSymv(t)
	l.checkOuter(t)
	l.checkTriangular(t)
}

// checkProduct checks y = alpha*A*x + beta*y, where A is given by its elements.
func (l level2Case[T]) checkProduct(t *testing.T, what string, rows, cols int, a matrix[T], at func(i, j int) float64, call func(x, y strided[T])) {
	t.Helper()
	if l.alpha == 0 {
		for i := range a.data {
			a.data[i], a.unchanged[i] = T(math.NaN()), T(math.NaN())
		}
	}
	x, xs := l.vector(t, cols, l.incX, l.alpha != 0)
	y, ys := l.vector(t, rows, l.incY, l.beta != 0)
	floattest.WithoutFault(t, l, func() { call(x, y) })
	a.requireUnchanged(t, l, false)
	for i, v := range x.values(t) {
		require.True(t, same(v, xs[i]), "%s, %v: x(%d)", what, l, i)
	}
	for i, got := range y.values(t) {
		var want floattest.Exact
		for j := range cols {
			if l.alpha != 0 {
				want.Add(at(i, j), float64(xs[j]))
			}
		}
		want.Scale(float64(l.alpha))
		if l.beta != 0 {
			want.Add(float64(l.beta), float64(ys[i]))
		}
		l.near(t, what, i, 0, float64(got), want, cols+4)
	}
}

func (l level2Case[T]) checkGemv(t *testing.T) {
	t.Helper()
	a := l.matrix(t, l.m, l.n, everywhere)
	rows, cols, at := l.m, l.n, a.at
	if l.tA != blas.NoTrans {
		rows, cols, at = l.n, l.m, func(i, j int) float64 { return a.at(j, i) }
	}
	if l.m == 0 || l.n == 0 {
		rows, cols = 0, 0 // y isn't even scaled
	}
	l.checkProduct(t, "gemv", rows, cols, a, at, func(x, y strided[T]) {
		level2Of[T](Implementation{}).gemv(l.tA, l.m, l.n, l.alpha, a.data, a.lda, x.data, l.incX, l.beta, y.data, l.incY)
	})
}

func (l level2Case[T]) checkSymv(t *testing.T) {
	t.Helper()
	a := l.matrix(t, l.n, l.n, l.half)
	at := func(i, j int) float64 {
		if !l.half(i, j) {
			i, j = j, i
		}
		return a.at(i, j)
	}
	l.checkProduct(t, "symv", l.n, l.n, a, at, func(x, y strided[T]) {
		level2Of[T](Implementation{}).symv(l.ul, l.n, l.alpha, a.data, a.lda, x.data, l.incX, l.beta, y.data, l.incY)
	})
}

// checkOuter checks ger, syr and syr2.
func (l level2Case[T]) checkOuter(t *testing.T) {
	t.Helper()
	routines, alpha := level2Of[T](Implementation{}), float64(l.alpha)
	check := func(what string, rows int, used func(i, j int) bool, call func(a matrix[T], x, y strided[T]), add func(sum *floattest.Exact, x, y []T, i, j int)) {
		t.Helper()
		x, xs := l.vector(t, rows, l.incX, l.alpha != 0)
		y, ys := l.vector(t, l.n, l.incY, l.alpha != 0)
		a := l.matrix(t, rows, l.n, used)
		floattest.WithoutFault(t, l, func() { call(a, x, y) })
		a.requireUnchanged(t, l, l.alpha != 0)
		for i := range rows {
			for j := range l.n {
				if used(i, j) && l.alpha != 0 {
					var want floattest.Exact
					add(&want, xs, ys, i, j)
					want.Scale(alpha)
					want.Add(1, a.was(i, j))
					l.near(t, what, i, j, a.at(i, j), want, 4)
				}
			}
		}
	}
	check("ger", l.m, everywhere, func(a matrix[T], x, y strided[T]) {
		routines.ger(l.m, l.n, l.alpha, x.data, l.incX, y.data, l.incY, a.data, a.lda)
	}, func(sum *floattest.Exact, x, y []T, i, j int) {
		sum.Add(float64(x[i]), float64(y[j]))
	})
	check("syr", l.n, l.half, func(a matrix[T], x, _ strided[T]) {
		routines.syr(l.ul, l.n, l.alpha, x.data, l.incX, a.data, a.lda)
	}, func(sum *floattest.Exact, x, _ []T, i, j int) {
		sum.Add(float64(x[i]), float64(x[j]))
	})
	check("syr2", l.n, l.half, func(a matrix[T], x, y strided[T]) {
		routines.syr2(l.ul, l.n, l.alpha, x.data, l.incX, y.data, l.incY, a.data, a.lda)
	}, func(sum *floattest.Exact, x, y []T, i, j int) {
		sum.Add(float64(x[i]), float64(y[j]))
		sum.Add(float64(y[i]), float64(x[j]))
	})
}

// checkTriangular checks trmv and trsv. What trsv returns is the solution of a system whose
// elements are as much as n roundings off (Higham, Accuracy and Stability, theorem 8.5),
// so that multiplied by A it is as close to what was given.
func (l level2Case[T]) checkTriangular(t *testing.T) {
	t.Helper()
	a := l.matrix(t, l.n, l.n, l.triangle)
	for i := range l.n { // else solutions grow with a power of n
		for j := range l.n {
			if at := i*a.lda + j; i != j {
				a.data[at] /= T(l.n)
			} else if l.d == blas.NonUnit {
				a.data[at] += T(math.Copysign(1, a.at(i, j)))
			}
		}
	}
	copy(a.unchanged, a.data)
	times := func(x []T, i int) (sum floattest.Exact) {
		for j := range l.n {
			row, col := i, j
			if l.tA != blas.NoTrans {
				row, col = j, i
			}
			switch {
			case l.triangle(row, col):
				sum.Add(a.at(row, col), float64(x[j]))
			case i == j:
				sum.Add(1, float64(x[j]))
			}
		}
		return sum
	}
	routines := level2Of[T](Implementation{})
	x, old := l.vector(t, l.n, l.incX, true)
	floattest.WithoutFault(t, l, func() { routines.trmv(l.ul, l.tA, l.d, l.n, a.data, a.lda, x.data, l.incX) })
	a.requireUnchanged(t, l, false)
	for i, got := range x.values(t) {
		l.near(t, "trmv", i, 0, float64(got), times(old, i), l.n+1)
	}

	x, old = l.vector(t, l.n, l.incX, true)
	floattest.WithoutFault(t, l, func() { routines.trsv(l.ul, l.tA, l.d, l.n, a.data, a.lda, x.data, l.incX) })
	a.requireUnchanged(t, l, false)
	solution := x.values(t)
	for i, b := range old {
		l.near(t, "trsv, times A,", i, 0, float64(b), times(solution, i), l.n+1)
	}
}

func TestLevel2(t *testing.T) { floattest.Each(t, testLevel2[float32], testLevel2[float64]) }

func testLevel2[T Float](t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for side, memory := range guard.Sides[T]() {
			for _, tiny := range []bool{false, true} {
				t.Run(fmt.Sprintf("side=%s/tiny=%v", side, tiny), func(t *testing.T) {
					if tiny {
						setVectors(t, tinyColumns[T])
					}
					r := rand.New(rand.NewPCG(31, 31))
					pick := func(values ...int) int { return values[r.IntN(len(values))] }
					for n := range 70 {
						for range 3 {
							level2Case[T]{
								m: r.IntN(40), n: n, gap: pick(0, 0, 3),
								ul:   []blas.Uplo{blas.Upper, blas.Lower}[r.IntN(2)],
								tA:   []blas.Transpose{blas.NoTrans, blas.Trans, blas.ConjTrans}[r.IntN(3)],
								d:    []blas.Diag{blas.Unit, blas.NonUnit}[r.IntN(2)],
								incX: pick(1, 1, 2, -1, -3), incY: pick(1, 1, 3, -1, -2),
								alpha: T(pick(0, 1, 1, -7, -7)) / 10, beta: T(pick(0, 10, 3)) / 10,
								memory: memory, r: r,
							}.check(t)
						}
					}
				})
			}
		}
	})
}

// Several rows of several blocks of columns, as they are.
func TestLevel2Blocks(t *testing.T) {
	floattest.Each(t, testLevel2Blocks[float32], testLevel2Blocks[float64])
}

func testLevel2Blocks[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(32, 32))
		for _, tA := range []blas.Transpose{blas.NoTrans, blas.Trans} {
			for _, size := range [][2]int{{19, kernelsOf[T]().across + 37}, {kernelsOf[T]().atOnce/64 + 21, 64}} {
				l := level2Case[T]{m: size[0], n: size[1], tA: tA, incX: 1, incY: 1, alpha: 1, beta: 1, memory: guard.Ending[T], r: r}
				l.checkGemv(t)
				l.n, l.m = min(l.n, 300), min(l.m, 300) // the oracle is slow
				l.ul, l.d = blas.Lower, blas.NonUnit
				l.check(t)
			}
		}
	})
}

// Matrices that are shared: the results are right, and don't depend on the cores.
func TestLevel2OnAnyCores(t *testing.T) {
	floattest.Each(t, testLevel2OnAnyCores[float32], testLevel2OnAnyCores[float64])
}

func testLevel2OnAnyCores[T Float](t *testing.T) {
	const n = 1100
	require.Greater(t, partsOf[T](n*n/2, n), 1)
	routines := level2Of[T](Implementation{})
	simdtest.SlowEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(35, 35))
		a, x, y := floattest.Normal[T](r, n*n), floattest.Normal[T](r, n), floattest.Normal[T](r, n)
		for name, call := range map[string]func(a, y []T){
			"gemv":             func(a, y []T) { routines.gemv(blas.NoTrans, n, n, 1, a, n, x, 1, 1, y, 1) },
			"gemv, transposed": func(a, y []T) { routines.gemv(blas.Trans, n, n, 1, a, n, x, 1, 1, y, 1) },
			"ger":              func(a, y []T) { routines.ger(n, n, 1, x, 1, y, 1, a, n) },
			"symv, lower":      func(a, y []T) { routines.symv(blas.Lower, n, 1, a, n, x, 1, 1, y, 1) },
			"symv, upper":      func(a, y []T) { routines.symv(blas.Upper, n, 1, a, n, x, 1, 1, y, 1) },
			"syr":              func(a, _ []T) { routines.syr(blas.Lower, n, 1, x, 1, a, n) },
			"syr2":             func(a, y []T) { routines.syr2(blas.Upper, n, 1, x, 1, y, 1, a, n) },
		} {
			var wantA, wantY []T
			for _, cores := range []int{1, 2, 5} {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
				gotA, gotY := slices.Clone(a), slices.Clone(y)
				call(gotA, gotY)
				if cores == 1 {
					wantA, wantY = gotA, gotY
					require.False(t, slices.Equal(a, gotA) && slices.Equal(y, gotY), "%s does something", name)
				}
				require.True(t, slices.Equal(wantA, gotA) && slices.Equal(wantY, gotY), "%s on %d cores", name, cores)
			}
		}
		l := level2Case[T]{m: 700, n: n, ul: blas.Upper, tA: blas.Trans, d: blas.NonUnit, incX: 1, incY: 1, alpha: 1, beta: 1, memory: guard.Ending[T], r: r}
		l.checkGemv(t)
		l.checkSymv(t)
		l.checkOuter(t)
	})
}

// The parts of a half are all of it.
func TestHalvesAreCutWhole(t *testing.T) {
	for _, lower := range []bool{false, true} {
		for _, n := range []int{1, 16, 100, 1024, 5000} {
			for parts := 1; parts <= 9; parts++ {
				h, next := half{lower, n}, 0
				for part := range parts {
					from, to := h.cut(parts, part)
					require.Equal(t, next, from)
					require.True(t, from%blockRows == 0 || from == n)
					next = to
				}
				require.Equal(t, n, next)
			}
		}
	}
}

func FuzzLevel2(f *testing.F) {
	f.Add(uint64(1), uint8(20), uint8(33), uint8(0), uint8(0), int8(1), int8(1), 0.5, 0.0)
	f.Add(uint64(2), uint8(7), uint8(64), uint8(2), uint8(7), int8(-2), int8(3), -1.0, 1.0)
	f.Add(uint64(3), uint8(1), uint8(1), uint8(1), uint8(13), int8(1), int8(-1), 0.0, 2.0)
	f.Fuzz(func(t *testing.T, seed uint64, m, n, gap, choice uint8, incX, incY int8, alpha, beta float64) {
		for _, scale := range []float64{alpha, beta} {
			if !(math.Abs(scale) < 1e6) || scale != 0 && math.Abs(scale) < 1e-6 {
				t.Skip("over- or underflows")
			}
		}
		if incX == 0 || incY == 0 {
			t.Skip("no such increment")
		}
		for _, isa := range simdtest.ISAs() {
			simdtest.Use(t, isa)
			if choice&16 != 0 {
				setVectors(t, tinyColumns[float32])
				setVectors(t, tinyColumns[float64])
			}
			fuzzLevel2[float32](t, seed, m, n, gap, choice, incX, incY, alpha, beta)
			fuzzLevel2[float64](t, seed, m, n, gap, choice, incX, incY, alpha, beta)
		}
	})
}

func fuzzLevel2[T Float](t *testing.T, seed uint64, m, n, gap, choice uint8, incX, incY int8, alpha, beta float64) {
	l := level2Case[T]{
		m: int(m), n: int(n), gap: int(gap), incX: int(incX), incY: int(incY), alpha: T(alpha), beta: T(beta),
		ul: blas.Upper, tA: blas.NoTrans, d: blas.NonUnit, memory: guard.Ending[T], r: rand.New(rand.NewPCG(seed, 1)),
	}
	if choice&1 != 0 {
		l.ul = blas.Lower
	}
	if choice&2 != 0 {
		l.tA = blas.Trans
	}
	if choice&4 != 0 {
		l.d = blas.Unit
	}
	if choice&8 != 0 {
		l.memory = guard.Beginning[T]
	}
	l.check(t)
}

// A NaN or Inf in A reaches what it is multiplied into, even by zeros.
func TestLevel2Propagates(t *testing.T) {
	floattest.Each(t, testLevel2Propagates[float32], testLevel2Propagates[float64])
}

func testLevel2Propagates[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const n = 21
		routines, r := level2Of[T](Implementation{}), rand.New(rand.NewPCG(33, 33))
		for _, bad := range []T{T(math.NaN()), T(math.Inf(1))} {
			for range 30 {
				row, col := r.IntN(n), r.IntN(n)
				lower, upper := max(row, col)*n+min(row, col), min(row, col)*n+max(row, col)
				requireNaN := func(what string, x []T, where ...int) {
					t.Helper()
					for i, v := range x {
						require.Equal(t, slices.Contains(where, i), v != v, "%s of %v at (%d,%d): element %d is %v", what, bad, row, col, i, v)
					}
				}
				a := make([]T, n*n)
				a[row*n+col] = bad
				y := make([]T, n)
				routines.gemv(blas.NoTrans, n, n, 1, a, n, make([]T, n), 1, 0, y, 1)
				requireNaN("gemv", y, row)
				routines.gemv(blas.Trans, n, n, 1, a, n, make([]T, n), 1, 0, y, 1)
				requireNaN("gemv, transposed,", y, col)
				for ul, at := range map[blas.Uplo]int{blas.Lower: lower, blas.Upper: upper} {
					clear(a)
					a[at] = bad
					routines.symv(ul, n, 1, a, n, make([]T, n), 1, 0, y, 1)
					requireNaN("symv", y, row, col)
					i, j := at/n, at%n
					clear(y)
					routines.trmv(ul, blas.NoTrans, blas.NonUnit, n, a, n, y, 1)
					requireNaN("trmv", y, i)
					clear(y)
					routines.trmv(ul, blas.Trans, blas.NonUnit, n, a, n, y, 1)
					requireNaN("trmv, transposed,", y, j)

					x := make([]T, n)
					x[row] = bad
					clear(a)
					routines.syr(ul, n, 1, x, 1, a, n)
					var where []int
					for j := range n {
						if i, j := max(row, j), min(row, j); ul == blas.Lower {
							where = append(where, i*n+j)
						} else {
							where = append(where, j*n+i)
						}
					}
					if bad == bad { // Inf*Inf
						a[row*n+row] = T(math.NaN())
					}
					requireNaN("syr", a, where...)
				}
				clear(a)
				x := make([]T, n)
				x[row] = bad
				routines.ger(n, n, 1, x, 1, make([]T, n), 1, a, n)
				for i, v := range a {
					require.Equal(t, i/n == row, v != v, "ger")
				}
			}
		}
	})
}

func TestLevel2PanicsLikeGonum(t *testing.T) {
	floattest.Each(t, testLevel2Panics[float32], testLevel2Panics[float64])
}

func testLevel2Panics[T Float](t *testing.T) {
	type call struct {
		ul            blas.Uplo
		tA            blas.Transpose
		d             blas.Diag
		m, n, lda     int
		a, x, incX, y int // a, x and y are lengths
		incY          int
		alpha         T
	}
	calls := map[string]func(level2[T], call, []T, []T, []T){
		"gemv": func(l level2[T], c call, a, x, y []T) {
			l.gemv(c.tA, c.m, c.n, c.alpha, a, c.lda, x, c.incX, 1, y, c.incY)
		},
		"ger":  func(l level2[T], c call, a, x, y []T) { l.ger(c.m, c.n, c.alpha, x, c.incX, y, c.incY, a, c.lda) },
		"symv": func(l level2[T], c call, a, x, y []T) { l.symv(c.ul, c.n, c.alpha, a, c.lda, x, c.incX, 1, y, c.incY) },
		"syr":  func(l level2[T], c call, a, x, y []T) { l.syr(c.ul, c.n, c.alpha, x, c.incX, a, c.lda) },
		"syr2": func(l level2[T], c call, a, x, y []T) { l.syr2(c.ul, c.n, c.alpha, x, c.incX, y, c.incY, a, c.lda) },
		"trmv": func(l level2[T], c call, a, x, y []T) { l.trmv(c.ul, c.tA, c.d, c.n, a, c.lda, x, c.incX) },
		"trsv": func(l level2[T], c call, a, x, y []T) { l.trsv(c.ul, c.tA, c.d, c.n, a, c.lda, x, c.incX) },
	}
	r := rand.New(rand.NewPCG(34, 34))
	for name, routine := range calls {
		seen := map[any]int{}
		for range 20000 {
			c := call{ul: blas.Lower, tA: blas.NoTrans, d: blas.NonUnit, m: 3, n: 4, lda: 5, a: 19, x: 7, incX: 2, y: 4, incY: -1, alpha: T(r.IntN(2))}
			for range 1 + r.IntN(3) { // one or several things are otherwise, or wrong
				switch r.IntN(11) {
				case 0:
					c.ul = []blas.Uplo{blas.Upper, blas.All, 'X'}[r.IntN(3)]
				case 1:
					c.tA = []blas.Transpose{blas.Trans, blas.ConjTrans, 'X'}[r.IntN(3)]
				case 2:
					c.d = []blas.Diag{blas.Unit, 'X'}[r.IntN(2)]
				case 3:
					c.m = r.IntN(5) - 1
				case 4:
					c.n = r.IntN(6) - 1
				case 5:
					c.lda = r.IntN(6)
				case 6:
					c.a = r.IntN(20)
				case 7:
					c.x = r.IntN(8)
				case 8:
					c.incX = r.IntN(5) - 2
				case 9:
					c.y = r.IntN(5)
				case 10:
					c.incY = r.IntN(3) - 1
				}
			}
			run := func(l level2[T]) any {
				return panicOf(func() { routine(l, c, make([]T, c.a), make([]T, c.x), make([]T, c.y)) })
			}
			want := run(level2Of[T](gonum.Implementation{}))
			require.Equal(t, want, run(level2Of[T](Implementation{})), "%s, %+v", name, c)
			seen[want]++
		}
		assert.Greater(t, len(seen), 6, "%s: all kinds of panics: %v", name, seen)
	}
}

func TestLevel2AllocatesNothing(t *testing.T) {
	const n = 50
	a, x, y := make([]float64, n*n), make([]float64, 2*n), make([]float64, n)
	for i := range n {
		a[i*n+i] = 1
	}
	routines := level2Of[float64](Implementation{})
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		for inc := 1; inc <= 2; inc++ {
			routines.gemv(blas.Trans, n, n, 1, a, n, x, inc, 2, y, 1)
			routines.ger(n, n, 1, x, inc, y, 1, a, n)
			routines.symv(blas.Upper, n, 1, a, n, x, inc, 2, y, 1)
			routines.syr2(blas.Upper, n, 1, x, inc, y, 1, a, n)
			routines.trmv(blas.Upper, blas.NoTrans, blas.NonUnit, n, a, n, x, inc)
			routines.trsv(blas.Upper, blas.NoTrans, blas.NonUnit, n, a, n, x, inc)
		}
	}))
}

package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/internal/floattest"
)

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

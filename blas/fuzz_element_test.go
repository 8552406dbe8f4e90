package blas

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
)

// element is what an element of C must be: a sum of products as IEEE 754 has
// it, whatever the order of summation.
type element[T Float] struct {
	finite      floattest.Exact
	terms       int
	scaled      float64 // the largest scale of the finite terms
	nan         bool
	plus, minus bool // there are infinite terms
	infinite    bool // there is no finite term, but they may be of either sign
	overflows   bool // finite sums may be infinite
}

// dot adds row i of a times column j of b.
func (e *element[T]) dot(a, b Mat[T], i, j int) {
	for l := range a.Cols {
		e.add(a.get(i, l), b.get(l, j))
	}
}

// add adds x*y.
func (e *element[T]) add(x, y float64) {
	e.terms++
	switch product := x * y; {
	case math.IsNaN(product):
		e.nan = true
	case math.IsInf(x, 0) || math.IsInf(y, 0):
		e.plus = e.plus || product > 0
		e.minus = e.minus || product < 0
	default:
		e.finite.Add(x, y)
		e.overflows = e.overflows || !(e.finite.Size < float64(most[T]())/2)
	}
}

// scale multiplies what was added by alpha, which isn't 0. If it is infinite,
// so is each partial sum then, or it is NaN, but its sign may depend on how the
// terms were rounded.
func (e *element[T]) scale(alpha float64) {
	e.scaled = math.Abs(alpha)
	e.nan = e.nan || math.IsNaN(alpha) || e.plus && e.minus
	switch {
	case math.IsNaN(alpha):
	case math.IsInf(alpha, 0):
		e.infinite, e.plus, e.minus = true, false, false
	default:
		e.finite.Scale(alpha)
		e.overflows = e.overflows || !(e.finite.Size < float64(most[T]())/2)
		if alpha < 0 {
			e.plus, e.minus = e.minus, e.plus
		}
	}
}

// check returns what is wrong with an element, if anything is. The bound is
// requireProduct's, and the least number for each rounding of what is next to 0.
func (e *element[T]) check(got T, relu bool) (wrong string) {
	x := float64(got)
	switch {
	case e.nan || e.plus && e.minus:
		if !math.IsNaN(x) {
			return fmt.Sprintf("is %v, want NaN", x)
		}
	case e.infinite:
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			return fmt.Sprintf("is %v, want Inf or NaN", x)
		}
	case e.overflows:
	case e.plus || e.minus:
		want := math.Inf(1)
		if e.minus {
			want = math.Inf(-1)
		}
		if relu {
			want = max(0, want)
		}
		if x != want {
			return fmt.Sprintf("is %v, want %v", x, want)
		}
	default:
		want := e.finite.Value()
		if relu {
			want = max(0, want)
		}
		bound := floattest.Gamma[T](e.terms+5)*e.finite.Size + float64(least[T]())*2*float64(e.terms+5)*(1+e.scaled)
		if !(math.Abs(x-want) <= bound) {
			return fmt.Sprintf("is %v, want %v +- %v", x, want, bound)
		}
	}
	return ""
}

// least is the least positive number.
func least[T Float]() T {
	if gemm.Size[T]() == 4 {
		return T(math.Float32frombits(1))
	}
	return T(math.Float64frombits(1))
}

// most is the largest finite number.
func most[T Float]() T {
	if gemm.Size[T]() == 4 {
		return T(math.Float32frombits(0x7f7fffff))
	}
	return T(math.Float64frombits(0x7fefffffffffffff))
}

package simd_test

import (
	"math"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/simd"
)

// kernel is a vector kernel as the tests see it: a function of some slices of
// one length, with its oracle in float64.
type kernel struct {
	name   string
	slices int   // how many it takes
	writes []int // which of them it writes; none if it returns a number
	dst    bool  // the first one is not read, and may be any of the others
	exact  bool  // its results are rounded once, if at all, so that every ISA has the same
	rounds bool  // its results are rounded even where those of others are small integers
	square int   // the slice, if not 0, that holds no negative numbers
	call   func(s ...[]float32) float64

	// element returns what becomes of the elements of the slices in writes, from
	// those of all slices, with the roundings on the longest way to any of them.
	element   func(x []number) []number
	roundings int
	// sum returns the result, from whole slices, and unit, the unit roundoff of
	// its sums. (Max has neither: see TestMax.)
	sum  func(x [][]number) number
	unit float64
}

// number is a term in float64, and its size: the sum of the magnitudes that it
// is made of. What is computed in float32 or float64 with at most n roundings
// on the way of each of them is within gamma_n times that of it (Higham,
// Accuracy and Stability of Numerical Algorithms, section 3.1).
type number struct{ value, size float64 }

const (
	unit32 = 1.0 / (1 << 24)
	unit64 = 1.0 / (1 << 53)
)

func gamma(n int, unit float64) float64 { return float64(n) * unit / (1 - float64(n)*unit) }

func (x number) times(c float32) number {
	return number{x.value * float64(c), x.size * math.Abs(float64(c))}
}

func (x number) plus(y number) number { return number{x.value + y.value, x.size + y.size} }

func product(x, y number) number { return number{x.value * y.value, x.size * y.size} }

func magnitude(x number) number { return number{math.Abs(x.value), x.size} }

func numbers(s []float32) []number {
	x := make([]number, len(s))
	for i, v := range s {
		x[i] = number{float64(v), math.Abs(float64(v))}
	}
	return x
}

// kernels returns all vector kernels, with these scalars.
func kernels(alpha float32, m simd.Momentum) []kernel {
	nesterov := m
	nesterov.Nesterov = true
	nesterov.Scale = 0.5
	adam := simd.AdamW{LR: 0.01, Beta1: 0.9, Beta2: 0.99, Eps: 1e-3, Decay: 0.1, Step: 3, Scale: 0.7}
	dot := func(x [][]number) (sum number) {
		for i := range x[0] {
			sum = sum.plus(product(x[0][i], x[1][i]))
		}
		return sum
	}
	return []kernel{
		{
			name: "Axpy", slices: 2, writes: []int{1},
			call:      func(s ...[]float32) float64 { simd.Axpy(alpha, s[0], s[1]); return 0 },
			element:   func(x []number) []number { return []number{x[1].plus(x[0].times(alpha))} },
			roundings: 2,
		},
		{
			name: "AxpyTo", slices: 3, writes: []int{0}, dst: true,
			call:      func(s ...[]float32) float64 { simd.AxpyTo(s[0], alpha, s[1], s[2]); return 0 },
			element:   func(x []number) []number { return []number{x[2].plus(x[1].times(alpha))} },
			roundings: 2,
		},
		{
			name: "Scale", slices: 1, writes: []int{0}, exact: true,
			call:      func(s ...[]float32) float64 { simd.Scale(alpha, s[0]); return 0 },
			element:   func(x []number) []number { return []number{x[0].times(alpha)} },
			roundings: 1,
		},
		{
			name: "Add", slices: 3, writes: []int{0}, dst: true, exact: true,
			call:      func(s ...[]float32) float64 { simd.Add(s[0], s[1], s[2]); return 0 },
			element:   func(x []number) []number { return []number{x[1].plus(x[2])} },
			roundings: 1,
		},
		{
			name: "Mul", slices: 3, writes: []int{0}, dst: true, exact: true,
			call:      func(s ...[]float32) float64 { simd.Mul(s[0], s[1], s[2]); return 0 },
			element:   func(x []number) []number { return []number{product(x[1], x[2])} },
			roundings: 1,
		},
		{
			name: "ReLU", slices: 2, writes: []int{0}, dst: true, exact: true,
			call:    func(s ...[]float32) float64 { simd.ReLU(s[0], s[1]); return 0 },
			element: func(x []number) []number { return []number{{value: max(0, x[1].value)}} },
		},
		{
			name: "ReLUBackward", slices: 3, writes: []int{0}, dst: true, exact: true,
			call: func(s ...[]float32) float64 { simd.ReLUBackward(s[0], s[1], s[2]); return 0 },
			element: func(x []number) []number {
				if x[2].value > 0 {
					return []number{x[1]}
				}
				return []number{{}}
			},
		},
		{
			name: "Momentum.Update", slices: 3, writes: []int{0, 1},
			call:      func(s ...[]float32) float64 { m.Update(s[0], s[1], s[2]); return 0 },
			element:   func(x []number) []number { return updated(m, x[0], x[1], x[2]) },
			roundings: 9,
		},
		{
			name: "Momentum.Update, Nesterov", slices: 3, writes: []int{0, 1},
			call:      func(s ...[]float32) float64 { nesterov.Update(s[0], s[1], s[2]); return 0 },
			element:   func(x []number) []number { return updated(nesterov, x[0], x[1], x[2]) },
			roundings: 9,
		},
		{
			name: "AdamW.Update", slices: 4, writes: []int{0, 1, 2}, rounds: true, square: 2,
			call:      func(s ...[]float32) float64 { adam.Update(s[0], s[1], s[2], s[3]); return 0 },
			element:   func(x []number) []number { return adamUpdated(adam, x[0], x[1], x[2], x[3]) },
			roundings: 20,
		},
		{
			name: "Dot", slices: 2,
			call: func(s ...[]float32) float64 { return float64(simd.Dot(s[0], s[1])) },
			sum:  dot, unit: unit32,
		},
		{
			name: "Dot64", slices: 2,
			call: func(s ...[]float32) float64 { return simd.Dot64(s[0], s[1]) },
			sum:  dot, unit: unit64,
		},
		{
			name: "SumSquares", slices: 1,
			call: func(s ...[]float32) float64 { return simd.SumSquares(s[0]) },
			sum:  func(x [][]number) number { return dot([][]number{x[0], x[0]}) }, unit: unit64,
		},
		{
			name: "ScaledSquares", slices: 2,
			call: func(s ...[]float32) float64 { return simd.ScaledSquares(0.5, s[0], s[1]) },
			sum: func(x [][]number) (sum number) {
				for i := range x[0] {
					scaled := product(x[0][i], magnitude(x[1][i]).plus(number{0.5, 0.5}))
					sum = sum.plus(product(scaled, scaled))
				}
				return sum
			},
			unit: 4 * unit64, // in a term, a sum and a product, both squared
		},
		{
			name: "ScaledAxpyTo", slices: 3, writes: []int{0}, dst: true,
			call: func(s ...[]float32) float64 { simd.ScaledAxpyTo(s[0], alpha, 0.5, s[1], s[2]); return 0 },
			element: func(x []number) []number {
				t := magnitude(x[2]).plus(number{0.5, 0.5})
				return []number{x[2].plus(product(product(t, t), x[1]).times(alpha))}
			},
			roundings: 6,
		},
		{
			name: "Max", slices: 1,
			call: func(s ...[]float32) float64 { return float64(simd.Max(s[0])) },
		},
	}
}

// updated is what Momentum.Update makes of a weight and its velocity: three
// roundings for d, two more for v, two more for the step, two more for w.
func updated(m simd.Momentum, w, v, g number) []number {
	if m.Scale != 0 {
		g = g.times(m.Scale)
	}
	d := g.plus(w.times(m.Decay))
	v = d.plus(v.times(m.Mu))
	step := v
	if m.Nesterov {
		step = d.plus(v.times(m.Mu))
	}
	return []number{w.plus(step.times(-m.LR)), v}
}

// adamUpdated is what AdamW.Update makes of a weight and its means: four roundings
// for m and seven for v, those of 1-beta among them; half of v's, and five, for the
// denominator; three for the quotient and its factor; two for w.
func adamUpdated(a simd.AdamW, w, m, v, g number) []number {
	d := g.times(a.Scale)
	m = m.times(a.Beta1).plus(d.times(1 - a.Beta1))
	v = v.times(a.Beta2).plus(product(d, d).times(1 - a.Beta2))
	bias := func(beta float32) float64 { return 1 - math.Pow(float64(beta), float64(a.Step)) }
	factor := float64(a.LR) / bias(a.Beta1) / (math.Sqrt(v.value/bias(a.Beta2)) + float64(a.Eps))
	step := number{m.value * factor, m.size * factor}
	decay := float64(a.LR) * float64(a.Decay)
	return []number{
		{w.value - decay*w.value - step.value, w.size + decay*w.size + step.size}, m, v,
	}
}

// data is a kind of data, with scalars that go with it.
type data struct {
	name    string
	fill    func(r *rand.Rand) float32
	kernels []kernel
	slack   float64 // of the error bound; 0 for exact results
}

var kinds = []data{
	{
		name:    "normal",
		fill:    func(r *rand.Rand) float32 { return float32(r.NormFloat64()) },
		kernels: kernels(-0.7, simd.Momentum{LR: 0.1, Mu: 0.9, Decay: 5e-4}),
		slack:   1,
	},
	{
		// Sums of some ten thousand products of these, with scalars of few
		// bits, are exact in float32.
		name:    "integers",
		fill:    func(r *rand.Rand) float32 { return float32(r.IntN(17) - 8) },
		kernels: kernels(1.5, simd.Momentum{LR: 0.25, Mu: 0.5, Decay: 0.125}),
	},
}

// anyKernels is the kernels where the scalars don't matter.
var anyKernels = kinds[0].kernels

// slackOf is the slack for a kernel.
func (d data) slackOf(k kernel) float64 {
	if k.rounds {
		return 1
	}
	return d.slack
}

// operands returns n elements for each of k's slices; those that k must not
// read are NaN.
func (d data) operands(r *rand.Rand, k kernel, n int) [][]float32 {
	s := make([][]float32, k.slices)
	for i := range s {
		s[i] = make([]float32, n)
		for j := range s[i] {
			s[i][j] = d.fill(r)
			switch {
			case i == 0 && k.dst:
				s[i][j] = nan
			case i == k.square:
				s[i][j] = max(s[i][j], -s[i][j])
			}
		}
	}
	return s
}

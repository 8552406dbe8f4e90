package child

import "math"

// accumulator is a compensated sum (A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur
// Summation endlicher Summen", ZAMM 54, 1974). gonum's floats.SumCompensated needs all terms in a
// slice, here n^2 of them. A plain sum of a million squares of numbers on a grid has a larger error
// than the eigenvalues that it checks, because the bits that it loses are not random.
type accumulator struct{ sum, lost float64 }

func (a *accumulator) add(v float64) {
	s := a.sum + v
	if math.Abs(a.sum) >= math.Abs(v) {
		a.lost += (a.sum - s) + v
	} else {
		a.lost += (v - s) + a.sum
	}
	a.sum = s
}

func (a *accumulator) total() float64 { return a.sum + a.lost }

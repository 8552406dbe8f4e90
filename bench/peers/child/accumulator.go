package child

import "math"

// accumulator is a sum that carries the errors of its roundings along (A. Neumaier,
// "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", ZAMM 54, 1974). A
// plain sum of a million squares of numbers on a grid is off by more than eigenvalues are: the
// bits that it loses each time are not random.
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

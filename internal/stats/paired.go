package stats

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// PairedT returns the two-sided p-value of Student's paired t-test: the probability, if a and b
// have the same mean, of differences a[i]-b[i] whose mean is at least as far from 0. It assumes
// that the differences are independent and about normal. ok is false for fewer than two pairs. The
// lengths must be equal.
//
// least is the smallest standard deviation of the differences to believe; a smaller one counts as
// it. Values with steps, such as fractions of a test set, may differ by the same step for every
// pair. This doesn't show that their spread is 0, only that it is below the step.
//
// If the deviation is 0 and least, too, p is 1 for differences that are all 0. Otherwise it is the
// sign test's, 2^(1-n) for n pairs, which needs no spread.
func PairedT(a, b []float64, least float64) (p float64, ok bool) {
	if len(a) < 2 {
		return 0, false
	}
	mean, deviation := stat.MeanStdDev(Differences(a, b), nil)
	n := float64(len(a))
	if deviation <= 1e-12*math.Abs(mean) { // the same but for the rounding of differences
		deviation = 0
	}
	deviation = max(deviation, least)
	switch {
	case mean == 0:
		return 1, true
	case deviation == 0:
		return math.Exp2(1 - n), true
	}
	t := math.Abs(mean) / (deviation / math.Sqrt(n))
	return min(1, 2*distuv.StudentsT{Sigma: 1, Nu: n - 1}.Survival(t)), true
}

// Holm returns p-values that are corrected for how many they are, in the order of the given ones.
// To call a test significant if its corrected value is at most alpha keeps the probability of any
// false claim among them at alpha, however the tests depend on each other (Holm, "A Simple
// Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979). Of
// n values, the smallest is multiplied by n, the next by n-1 and so on, and none comes out smaller
// than one before it.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	corrected := make([]float64, len(p))
	least := 0.0
	for place, i := range order {
		least = min(1, max(least, float64(len(p)-place)*p[i]))
		corrected[i] = least
	}
	return corrected
}

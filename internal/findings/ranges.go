package findings

import (
	"math"
	"slices"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/study"
)

// The useful range of an axis leaves out values that are so far below the others, such as those of
// runs that collapsed, that showing them would make the others look alike.

const (
	leastSpan = 0.5 // percentage points that values differ by, at least, for what is far
	far       = 4   // as many times the span of the better half of the values below it is far
)

// usefulRange returns the range for means with their intervals, in percentage points. Of an
// interval that is much longer than the values differ, a part is shown.
func usefulRange(means []stats.Mean) (from, to float64) {
	if len(means) == 0 {
		return 0, 0
	}
	values := make([]float64, len(means))
	for i, m := range means {
		values[i] = m.Mean
	}
	slices.Sort(values)
	top, middle := values[len(values)-1], values[len(values)/2]
	if len(values)%2 == 0 {
		middle = values[len(values)/2-1]
	}
	room := far * max(top-middle, leastSpan)
	from, to = math.Inf(1), math.Inf(-1)
	for _, m := range means {
		if m.Mean < middle-room {
			continue
		}
		from, to = min(from, max(m.Low, middle-room)), max(to, min(m.High, top+room))
	}
	return padded(from, to)
}

// percentages returns the part of a range that accuracies can have.
func percentages(from, to float64) (float64, float64) { return max(0, from), min(100, to) }

// withBase returns a range of accuracies that has the base optimizer's mean, too, and its interval if
// there is room, unless all its runs collapsed or it is so far away that the others would look alike.
func withBase(base *study.Row, from, to float64) (float64, float64) {
	const widest = 30 // percentage points
	if base.Collapsed == len(base.Accuracies) {
		return from, to
	}
	of := times100(base.Accuracy)
	for _, ends := range [][2]float64{{of.Low, of.High}, {of.Mean, of.Mean}} {
		least, most := percentages(min(from, ends[0]), max(to, ends[1]))
		if most-least <= widest {
			return least, most
		}
	}
	return from, to
}

// padded returns a range that isn't empty.
func padded(from, to float64) (float64, float64) {
	if to-from < leastSpan/2 {
		middle := (from + to) / 2
		return middle - leastSpan/4, middle + leastSpan/4
	}
	return from, to
}

// curveRange returns the range for curves of accuracies over rho, in percentage points: it has the
// best of each curve, the reference (NaN for none), and all that isn't far below those.
func curveRange(curves [][]float64, reference float64) (from, to float64) {
	from, to = math.Inf(1), math.Inf(-1)
	if !math.IsNaN(reference) {
		from, to = reference, reference
	}
	for _, c := range curves {
		if len(c) > 0 {
			best := slices.Max(c)
			from, to = min(from, best), max(to, best)
		}
	}
	if from > to {
		return 0, 1
	}
	const times = 3
	cut := from - times*max(to-from, 2*leastSpan)
	for _, c := range curves {
		for _, v := range c {
			if v >= cut {
				from = min(from, v)
			}
		}
	}
	return padded(from, to)
}

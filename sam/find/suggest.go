package find

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/stats"
)

// bell is the standard deviation of the bell curve that smooths the losses, as a part of all steps.
const bell = 0.02

// smooth fills in the smoothed losses: means of the steps around each, with weights that fall along
// a bell curve of the given width. Unlike an exponential mean, it lags behind neither way. A last
// loss near infinity doesn't hide the ones before it, since no loss counts for more than limit, or
// more than the largest up to the lowest one.
func (r *LRResult) smooth(width, limit float64) {
	reach := int(math.Ceil(3 * width))
	for _, p := range r.Points[:r.lowest(func(p LRPoint) float64 { return p.Loss })] {
		limit = max(limit, p.Loss)
	}
	for i := range r.Points {
		sum, weight := 0.0, 0.0
		for j := max(0, i-reach); j <= min(len(r.Points)-1, i+reach); j++ {
			d := float64(j-i) / width
			w := math.Exp(-d * d / 2)
			sum, weight = sum+w*min(r.Points[j].Loss, limit), weight+w
		}
		r.Points[i].Smoothed = sum / weight
	}
}

// lowest returns the index of the first point with the lowest loss; 0 if there are no points.
func (r *LRResult) lowest(loss func(LRPoint) float64) int {
	low := 0
	for i, p := range r.Points {
		if loss(p) < loss(r.Points[low]) {
			low = i
		}
	}
	return low
}

func smoothed(p LRPoint) float64 { return p.Smoothed }

const (
	// fallen is the part of its fall that the loss has made at the suggestion.
	fallen = 0.95
	// leastFall is the least fall that counts, as a part of the first loss.
	leastFall = 0.01
	// sureFall is the least fall that counts, in standard deviations of what noise makes of it.
	sureFall = 4
)

// suggest fills in the suggestion, or None. width is that of smooth, and largest the learning rate
// that the test would have gone to.
func (r *LRResult) suggest(width, largest float64) {
	if r.End == Canceled {
		r.None = "the test was ended from outside"
		return
	}
	if n := len(r.Points); n < fewestSteps {
		r.None = fmt.Sprintf("only %d steps were made, and reading the curve takes %d", n, fewestSteps)
		return
	}
	low := r.lowest(smoothed)
	start, fall := r.Points[0].Smoothed, r.Points[0].Smoothed-r.Points[low].Smoothed
	switch {
	case fall <= sureFall*r.noise(low, width) || fall <= leastFall*math.Abs(start):
		r.None = fmt.Sprintf("no learning rate up to %.2g makes the loss fall below its first %.4g by more than noise does", r.Points[len(r.Points)-1].LR, start)
		if r.End != Finished {
			r.None += "; a smaller smallest learning rate may"
		}
		return
	case r.End == Finished && low >= len(r.Points)-1-int(math.Ceil(width)):
		r.None = fmt.Sprintf("the loss still falls at the largest learning rate, %.4g", largest)
		return
	}
	r.Lowest, r.Steepest = r.Points[low].LR, r.Points[r.steepest(low)].LR
	for _, p := range r.Points {
		if p.Smoothed <= start-fallen*fall {
			r.Suggestion = round(p.LR)
			return
		}
	}
}

// steepest returns the index before low at which the smoothed loss falls the fastest.
func (r *LRResult) steepest(low int) int {
	at, most := 0, math.Inf(-1)
	for i := range low {
		if fall := r.Points[max(0, i-1)].Smoothed - r.Points[i+1].Smoothed; fall > most {
			at, most = i, fall
		}
	}
	return at
}

// noise returns the standard deviation of the difference between the first smoothed loss and
// another one, if the losses up to low were noise about the smoothed ones. Successive differences
// leave out the trend, and their median the jumps.
func (r *LRResult) noise(low int, width float64) float64 {
	var steps []float64
	for i := range max(low, fewestSteps-1) {
		steps = append(steps, math.Abs(r.Points[i+1].Loss-r.Points[i].Loss))
	}
	const ofNormal = 0.6745 // median of the absolute value of a standard normal variable
	deviation := stats.Median(steps) / ofNormal / math.Sqrt2
	steps2 := 2 * math.SqrtPi * width // that a mean along the whole bell curve is worth, and the first has half of it
	return deviation * math.Sqrt(1/steps2+2/steps2)
}

// round rounds a positive x to two significant digits.
func round(x float64) float64 {
	scale := math.Pow(10, 1-math.Floor(math.Log10(x)))
	return math.Round(x*scale) / scale
}

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/tuning"
)

// speeds are six rounds around a median, with quartiles a hundredth from it.
func speeds(median float64) (all []float64) {
	for _, f := range []float64{0.98, 0.99, 1, 1, 1.01, 1.02} {
		all = append(all, f*median)
	}
	return all
}

// reversed is speeds in the other order, so that ratios to those are no constant.
func reversed(median float64) (all []float64) {
	for _, f := range []float64{1.02, 1.01, 1, 1, 0.99, 0.98} {
		all = append(all, f*median)
	}
	return all
}

// thresholdAt is points of a threshold's series, of which each has the speed of
// what is done above, with 100 below.
func thresholdAt(value int, above ...float64) (points []tuning.Point) {
	for i, speed := range above {
		x := 10 * (i + 1)
		points = append(points, tuning.Point{Knob: "CopyA", Value: value, Axis: "columns", X: x, Candidates: []tuning.Candidate{
			{Name: "in place", Table: x < value, Speeds: speeds(100)},
			{Name: "copied", Table: x >= value, Speeds: reversed(speed)},
		}})
	}
	return points
}

func TestCrossing(t *testing.T) {
	for _, test := range []struct {
		above       []float64
		least, most int
		want        string
	}{
		{[]float64{90, 95, 110, 120}, 2, 2, "Crossing from in place to copied: between 20 and 30 columns. The table has 30,\nthe slower side at 0 of 4 rows."},
		{[]float64{90, 110, 111, 120}, 1, 1, "Crossing from in place to copied: between 10 and 20 columns. The table has 30,\nthe slower side at 1 of 4 rows (by up to 10.0%)."},
		{[]float64{90, 99.5, 100.5, 110}, 1, 3, "Crossing from in place to copied: between 10 and 40 columns. The table has 30,\nthe slower side at 0 of 4 rows, 2 within noise."},
		{[]float64{90, 80, 70, 100.5}, 3, 4, "No crossing: from 10 to 40 columns in place is the better side. The table has 30,\nthe slower side at 1 of 4 rows (by up to 42.9%), 1 within noise."},
		{[]float64{100.5, 120, 130, 140}, 0, 1, "No crossing: from 10 to 40 columns copied is the better side. The table has 30,\nthe slower side at 1 of 4 rows (by up to 20.0%), 1 within noise."},
		{[]float64{99.9, 100.1, 100, 100.2}, 0, 4, "No crossing: in place and copied are within noise of each other. The table has 30,\nthe slower side at 0 of 4 rows, 4 within noise."},
	} {
		points := thresholdAt(30, test.above...)
		least, most := crossing(points)
		assert.Equal(t, []int{test.least, test.most}, []int{least, most}, "%v", test.above)
		assert.Equal(t, test.want, conclude(points))
	}
	least, most := crossing(thresholdAt(30, 90, 104, 80, 70, 120, 130))
	assert.Equal(t, []int{4, 4}, []int{least, most}, "one stray figure")
}

// sizes is a point of candidates 1, 2 and 3, of which the table has 2.
func sizes(one, two, three []float64) tuning.Point {
	return tuning.Point{Knob: "MC", Value: 2, Candidates: []tuning.Candidate{
		{Name: "1", Speeds: one}, {Name: "2", Table: true, Speeds: two}, {Name: "3", Speeds: three},
	}}
}

func TestVerdict(t *testing.T) {
	for _, test := range []struct {
		one, three float64
		want, over string
	}{
		{90, 110, "3", "Over all rows 3 is the best, 10.0% ±1.7% faster than the table's 2."},
		{90, 80, "2", "Over all rows the table's 2 is the best."},
		{90, 99.9, "within noise", "Over all rows the best is within noise of others; the table has 2."},
		{90, 100.1, "within noise", "Over all rows the best is within noise of others; the table has 2."},
	} {
		p := sizes(reversed(test.one), speeds(100), reversed(test.three))
		c := compare(p)
		assert.Equal(t, test.want, c.verdict())
		assert.Equal(t, test.over, conclude([]tuning.Point{p, p}))
	}
	few := sizes([]float64{1, 2}, []float64{3, 4}, []float64{5, 6})
	c := compare(few)
	assert.Equal(t, "too few rounds", c.verdict())
	assert.Equal(t, "The table has 2. Too few rounds for a verdict.", conclude([]tuning.Point{few}))
}

// A constant is compared with what it stands for, and the conclusion says what it decides.
func TestConstant(t *testing.T) {
	for _, test := range []struct {
		measured float64
		want     string
	}{
		{5, "Measured: 5 bytes (quartiles 4.96 and 5.04). The table has 4, 0.80 of that: near enough."},
		{2, "Measured: 2 bytes (quartiles 1.98 and 2.02). The table has 4, 2.00 of that:\na better value here would be about 2."},
		{12, "Measured: 12 bytes (quartiles 11.9 and 12.1). The table has 4, 0.33 of that:\na better value here would be about 12."},
		{-1, "Measured: -1 bytes (quartiles -1.01 and -0.992). The table has 4, and the figures\nare too far apart for a verdict: try more rounds on a quiet machine."},
	} {
		p := tuning.Point{Knob: "FormedBytes", Value: 4, Unit: "bytes", Constant: true, Candidates: []tuning.Candidate{{Name: "bytes", Speeds: speeds(test.measured)}}}
		assert.Equal(t, test.want, conclude([]tuning.Point{p}))
		wide := p
		wide.Candidates = []tuning.Candidate{{Name: "bytes", Speeds: []float64{1, 2, 3, 5, 7, 8}}}
		assert.Contains(t, conclude([]tuning.Point{wide}), "too far apart for a verdict")
		void := p
		void.Void = "others had the cores"
		assert.Contains(t, conclude([]tuning.Point{void}), "The table has 4, and the figures\nsay nothing: others had the cores.")
		p.Bits = "steps"
		assert.Equal(t, test.want+"\nAnother value would change the bits of steps,\nand with them golden hashes or users' results: that is a decision.", conclude([]tuning.Point{p}))
		assert.Contains(t, render("f32", []tuning.Point{p}), "FormedBytes = 4: \n\n")
	}
}

// What slows down a whole round leaves its ratios as they are.
func TestRoundsCancelOut(t *testing.T) {
	p := sizes([]float64{11, 22, 33, 11, 44}, []float64{10, 20, 30, 10, 40}, []float64{1, 1, 1, 1, 1})
	c := compare(p)
	assert.InDelta(t, 1.1, c.spread(0).Median, 1e-12)
	assert.InDelta(t, 0, c.spread(0).Half(), 1e-12)
	assert.Equal(t, "1", c.verdict())
}

func TestOverall(t *testing.T) {
	p := sizes([]float64{4, 1}, []float64{1, 1}, []float64{2, 2})
	q := sizes([]float64{1, 9}, []float64{1, 1}, []float64{2, 2})
	mean := overall([]tuning.Point{p, q})
	assert.InDeltaSlice(t, []float64{2, 3}, mean.ratios[0], 1e-12)
	assert.InDeltaSlice(t, []float64{2, 2}, mean.ratios[2], 1e-12)
	assert.Equal(t, []float64{4, 1}, compare(p).ratios[0], "left as it was")
}

func TestQuantile(t *testing.T) {
	assert.Equal(t, stats.Spread{Q1: 1.75, Median: 2.5, Q3: 3.25}, stats.SpreadOf([]float64{4, 1, 3, 2}))
	assert.Equal(t, stats.Spread{Q1: 7, Median: 7, Q3: 7}, stats.SpreadOf([]float64{7}))
}

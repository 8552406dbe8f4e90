package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/tuning"
)

// enough is the rounds from which on quartiles mean something.
const enough = 5

// sign says on which side of 1 ratios lie, or 0 within noise.
func sign(s stats.Spread) int {
	switch {
	case s.Q1 > 1:
		return 1
	case s.Q3 < 1:
		return -1
	}
	return 0
}

// comparison is how candidates did beside the one that the table has.
type comparison struct {
	names  []string
	table  int         // index of the table's
	ratios [][]float64 // of each candidate to the table's, round by round
}

func compare(p tuning.Point) (c comparison) {
	c.table = slices.IndexFunc(p.Candidates, func(one tuning.Candidate) bool { return one.Table })
	for _, one := range p.Candidates {
		c.names = append(c.names, one.Name)
		c.ratios = append(c.ratios, stats.Ratios(one.Speeds, p.Candidates[c.table].Speeds))
	}
	return c
}

// overall compares over all points: in each round by their geometric mean.
func overall(points []tuning.Point) comparison {
	mean := compare(points[0])
	for _, p := range points[1:] {
		for i, r := range compare(p).ratios {
			for round := range r {
				mean.ratios[i][round] *= r[round]
			}
		}
	}
	for _, r := range mean.ratios {
		for round := range r {
			r[round] = math.Pow(r[round], 1/float64(len(points)))
		}
	}
	return mean
}

// best returns the candidate with the best median.
func (c *comparison) best() (best int) {
	best = c.table
	for i := range c.ratios {
		if c.spread(i).Median > c.spread(best).Median {
			best = i
		}
	}
	return best
}

func (c *comparison) spread(i int) stats.Spread { return stats.SpreadOf(c.ratios[i]) }

// clear says whether the best is better by more than noise: another one than
// the table's, or the table's than all others.
func (c *comparison) clear() bool {
	if best := c.best(); best != c.table {
		return sign(c.spread(best)) > 0
	}
	for i := range c.ratios {
		if i != c.table && sign(c.spread(i)) >= 0 {
			return false
		}
	}
	return true
}

// verdict says which candidate is the fastest, if any is.
func (c *comparison) verdict() string {
	switch {
	case len(c.ratios[0]) < enough:
		return "too few rounds"
	case !c.clear():
		return "within noise"
	}
	return c.names[c.best()]
}

// gain is the logarithm of what is won at a point by being above a threshold, or
// 0 within noise.
func gain(p tuning.Point) float64 {
	s := stats.SpreadOf(stats.Ratios(p.Candidates[1].Speeds, p.Candidates[0].Speeds))
	if sign(s) == 0 {
		return 0
	}
	return math.Log(s.Median)
}

// crossing returns how many of the points, in ascending order, should lie below
// a threshold, at least and at most: so that in the sum over all of them as
// little speed as possible is lost by being on the wrong side. So one stray
// figure doesn't move it far.
func crossing(points []tuning.Point) (least, most int) {
	won, best := 0.0, 0.0 // by having the first points below rather than above
	for i, p := range points {
		won -= gain(p)
		if won > best {
			best, least, most = won, i+1, i+1
		} else if won == best && most == i {
			most = i + 1
		}
	}
	return least, most
}

// conclude says what a series shows about its knob, and what another value would change.
func conclude(points []tuning.Point) string {
	first := points[0]
	var text string
	switch {
	case len(first.Candidates[0].Speeds) < enough:
		return fmt.Sprintf("The table has %d. Too few rounds for a verdict.", first.Value)
	case first.Constant:
		text = measuredConstant(first)
	case first.Axis != "":
		text = measuredCrossing(points)
	default:
		text = measuredBest(points)
	}
	if first.Bits != "" {
		text += fmt.Sprintf("\nAnother value would change the bits of %s,\nand with them golden hashes or users' results: that is a decision.", first.Bits)
	}
	return text
}

// measuredConstant compares a constant with the median of what it stands for. Choices by it aren't
// sharp, so a factor of less than 1.5 says nothing against it.
func measuredConstant(p tuning.Point) string {
	const far, scattered = 1.5, 2
	s := stats.SpreadOf(p.Candidates[0].Speeds)
	text := fmt.Sprintf("Measured: %.3g %s (quartiles %.3g and %.3g). The table has %d, ", s.Median, p.Unit, s.Q1, s.Q3, p.Value)
	switch ratio := float64(p.Value) / s.Median; {
	case p.Void != "":
		return text + fmt.Sprintf("and the figures\nsay nothing: %s.", p.Void)
	case s.Q1 <= 0 || s.Q3 > scattered*s.Q1:
		return text + "and the figures\nare too far apart for a verdict: try more rounds on a quiet machine."
	case ratio > far || ratio < 1/far:
		return text + fmt.Sprintf("%.2f of that:\na better value here would be about %.0f.", ratio, s.Median)
	default:
		return text + fmt.Sprintf("%.2f of that: near enough.", ratio)
	}
}

func measuredCrossing(points []tuning.Point) string {
	first, last := points[0], points[len(points)-1]
	below, above := first.Candidates[0].Name, first.Candidates[1].Name
	noise, slower, worst := 0, 0, 0.0
	for _, p := range points {
		c := compare(p)
		other := c.spread(1 - c.table)
		switch sign(other) {
		case 0:
			noise++
		case 1:
			slower++
			worst = max(worst, other.Median-1)
		}
	}

	var where string
	switch least, most := crossing(points); {
	case noise == len(points):
		where = fmt.Sprintf("No crossing: %s and %s are within noise of each other.", below, above)
	case least == 0:
		where = fmt.Sprintf("No crossing: from %d to %d %s %s is the better side.", first.X, last.X, first.Axis, above)
	case most == len(points):
		where = fmt.Sprintf("No crossing: from %d to %d %s %s is the better side.", first.X, last.X, first.Axis, below)
	default:
		where = fmt.Sprintf("Crossing from %s to %s: between %d and %d %s.", below, above, points[least-1].X, points[most].X, first.Axis)
	}
	text := fmt.Sprintf("%s The table has %d,\nthe slower side at %d of %d rows", where, first.Value, slower, len(points))
	if slower > 0 {
		text += fmt.Sprintf(" (by up to %.1f%%)", 100*worst)
	}
	if noise > 0 {
		text += fmt.Sprintf(", %d within noise", noise)
	}
	return text + "."
}

func measuredBest(points []tuning.Point) string {
	value, all := points[0].Value, overall(points)
	switch best := all.best(); {
	case !all.clear():
		return fmt.Sprintf("Over all rows the best is within noise of others; the table has %d.", value)
	case best == all.table:
		return fmt.Sprintf("Over all rows the table's %d is the best.", value)
	default:
		s := all.spread(best)
		return fmt.Sprintf("Over all rows %s is the best, %.1f%% ±%.1f%% faster than the table's %d.", all.names[best], 100*(s.Median-1), 100*s.Half(), value)
	}
}

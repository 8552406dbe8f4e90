package main

import (
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/simd"
)

// drawable says whether there is a line to draw: a step by mSAM, and the one by SAM
// that is its measure.
func (o options) drawable() bool {
	return o.any(func(msam protocol.Work) bool {
		return msam.Step != nil && msam.Step.Method == protocol.MSAM && o.any(func(sam protocol.Work) bool {
			return sam.Step != nil && *sam.Step == samOf(*msam.Step)
		})
	})
}

// costs draws what mSAM costs of SAM against the number of shards: a solid line a model
// for ours, and a broken one for PyTorch's best. Each side is measured by its own SAM,
// which is mSAM with one shard. A model has a line for its first batch only.
func (r *Report) costs() chart.Lines {
	l := chart.Lines{
		Title: "Cost of a training step with mSAM, relative to SAM",
		Note: fmt.Sprintf("%s, %v, %s; medians of %s%s; revision %s",
			strings.Split(r.Machine, ",")[0], simd.Active(), r.Date.Format("2006-01-02"), r.rounds(), r.intervals(), r.Revision),
		X: "shards of the batch", Y: "time / time with SAM",
		LogX: true, FromZero: true, Reference: 1,
	}
	drawn := map[string]bool{}
	for _, line := range r.lines() {
		if drawn[line.sam.Model] || len(line.own.X) < 2 {
			continue
		}
		drawn[line.sam.Model] = true
		l.Series = append(l.Series, line.own)
		if len(line.best.X) > 1 {
			l.Series = append(l.Series, line.best)
		}
	}
	return l
}

// lines returns the lines of all models and batches, those with a single point, too.
func (r *Report) lines() (lines []*line) {
	for _, row := range r.Rows {
		if row.Step.Method == protocol.SGD {
			continue
		}
		sam := samOf(*row.Step)
		if len(lines) == 0 || lines[len(lines)-1].sam != sam {
			lines = append(lines, &line{
				sam: sam, own: chart.Series{Name: sam.Model}, best: chart.Series{Name: sam.Model + ", PyTorch", Beside: true},
			})
		}
		of := lines[len(lines)-1]
		addPoint(&of.own, row.Step, row.Training.ownRatios)
		addPoint(&of.best, row.Step, row.Training.bestRatios)
	}
	return lines
}

// intervals says what the bars are, if there are any.
func (r *Report) intervals() string {
	for _, row := range r.Rows {
		if _, ok := stats.MedianInterval(row.Training.ownRatios, confidence); ok {
			return fmt.Sprintf(" with %g%% intervals", 100*confidence)
		}
	}
	return ""
}

const confidence = 0.95

// line is a model's: ours, and PyTorch's.
type line struct {
	sam       protocol.Step
	own, best chart.Series
}

// addPoint adds the median of a step's ratios, with its interval. Rounds too few for an
// interval are too few for all points of a line.
func addPoint(s *chart.Series, step *protocol.Step, ratios []float64) {
	if len(ratios) == 0 {
		return
	}
	s.X, s.Y = append(s.X, float64(max(1, step.Shards))), append(s.Y, stats.Median(ratios))
	if in, ok := stats.MedianInterval(ratios, confidence); ok {
		s.Low, s.High = append(s.Low, in.Low), append(s.High, in.High)
	}
}

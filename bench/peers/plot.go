package main

import (
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/simd"
)

// drawable says whether the work has a step by mSAM, and the step by SAM to compare it with.
func (o options) drawable() bool {
	return o.any(func(msam protocol.Work) bool {
		return msam.Step != nil && msam.Step.Method == protocol.MSAM && o.any(func(sam protocol.Work) bool {
			return sam.Step != nil && *sam.Step == samOf(*msam.Step)
		})
	})
}

// costs returns the chart of the time of mSAM over the time of SAM, against the number of shards.
// Each model has a solid line for our side and a broken one for PyTorch's best. Each side is
// compared with its own SAM, which is mSAM with one shard. Only a model's first batch is drawn.
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

// lines returns the lines of all models and batches, including those of a single point.
func (r *Report) lines() (lines []*line) {
	for _, row := range r.Rows {
		if !perturbs(row.Work) {
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

// intervals says what the error bars are, "" if there are none.
func (r *Report) intervals() string {
	for _, row := range r.Rows {
		if _, ok := stats.MedianInterval(row.Training.ownRatios, confidence); ok {
			return fmt.Sprintf(" with %g%% intervals", 100*confidence)
		}
	}
	return ""
}

const confidence = 0.95

// line is the two lines of a model and batch: ours and PyTorch's.
type line struct {
	sam       protocol.Step
	own, best chart.Series
}

// addPoint adds the median of a step's ratios, with its interval. All points of a line have the
// same number of rounds, so either all have an interval or none has.
func addPoint(s *chart.Series, step *protocol.Step, ratios []float64) {
	if len(ratios) == 0 {
		return
	}
	s.X, s.Y = append(s.X, float64(max(1, step.Shards))), append(s.Y, stats.Median(ratios))
	if in, ok := stats.MedianInterval(ratios, confidence); ok {
		s.Low, s.High = append(s.Low, in.Low), append(s.High, in.High)
	}
}

package find

import (
	"cmp"
	"slices"

	"github.com/steppe-ml/steppe/internal/stats"
)

// RhoResult compares the runs of Rho, over the seeds whose runs are all done.
type RhoResult struct {
	Seeds  []uint64    `json:"seeds"`
	Epochs int         `json:"epochs"`
	Batch  int         `json:"batch"`
	SGD    RhoCell     `json:"sgd"` // rho 0: the base optimizer
	Rows   []RhoRow    `json:"rows"`
	Best   *RhoSetting `json:"best,omitempty"` // of all rows; nil if every one of their runs failed
}

// RhoSetting is a number of shards and a rho.
type RhoSetting struct {
	Shards int     `json:"shards"`
	Rho    float64 `json:"rho"`
}

// RhoRow has the results for a number of shards.
type RhoRow struct {
	Shards  int       `json:"shards"`  // of a full batch
	Samples int       `json:"samples"` // of a shard
	Cells   []RhoCell `json:"cells"`   // by rho, ascending
	// Best is the rho with the lowest loss, among those without a run that collapsed or was refused;
	// 0 if there is none. Close has the others that can't be told from it: the interval of the
	// difference, seed by seed, includes 0. One seed says nothing about that, and Close is nil.
	Best    float64   `json:"best,omitempty"`
	Close   []float64 `json:"close,omitempty"`
	Default float64   `json:"default"` // DefaultRho, without having tried
}

// RhoCell has the results for one rho. Intervals are at 95%, by Student's t over the seeds; that of
// one seed has no length. Without a loss, because a run was refused, they are nil.
type RhoCell struct {
	Rho      float64   `json:"rho"`
	Losses   []float64 `json:"losses"` // on the validation set, seed by seed; 0 where the run was refused
	Loss     *Mean     `json:"loss,omitempty"`
	Accuracy *Mean     `json:"accuracy,omitempty"` // nil without labels, too
	// AgainstSGD is the mean difference of the loss to rho 0's, and AgainstBest that to the row's
	// Best. Both are taken seed by seed, and below 0 where this rho is better. They are nil for
	// themselves.
	AgainstSGD  *Mean `json:"against_sgd,omitempty"`
	AgainstBest *Mean `json:"against_best,omitempty"`
	Collapsed   int   `json:"collapsed,omitempty"` // runs that have learned nothing
	Refused     int   `json:"refused,omitempty"`   // runs that ended in a step that was refused
}

// Mean is a mean with the ends of its 95% interval.
type Mean = stats.Mean

// failed reports whether a run has collapsed or was refused.
func (c *RhoCell) failed() bool { return c.Collapsed+c.Refused > 0 }

// result returns the results of the seeds whose trials are all done; nil if there are none.
func (s *search) result() *RhoResult {
	missing := map[uint64]bool{}
	for _, key := range s.keys() {
		if _, ok := s.store.done[key]; !ok {
			missing[key.Seed] = true
		}
	}
	r := &RhoResult{Epochs: s.run.Epochs, Batch: s.batch}
	for i := range s.o.Seeds {
		if seed := s.run.Seed + uint64(i); !missing[seed] {
			r.Seeds = append(r.Seeds, seed)
		}
	}
	if len(r.Seeds) == 0 {
		return nil
	}
	r.SGD = s.cell(1, 0, r.Seeds)
	for _, row := range s.rows {
		to := RhoRow{Shards: row.shards, Samples: row.samples, Default: defaultRho(s.run.Optimizer.Ascent, row.samples)}
		for _, rho := range row.rhos {
			to.Cells = append(to.Cells, s.cell(row.shards, rho, r.Seeds))
		}
		to.compare(&r.SGD)
		r.Rows = append(r.Rows, to)
	}
	r.chooseBest()
	return r
}

// cell returns the results of the trials of a rho.
func (s *search) cell(shards int, rho float64, seeds []uint64) RhoCell {
	c := RhoCell{Rho: rho}
	var accuracies []float64
	for _, seed := range seeds {
		t := s.store.done[RhoKey{shards, rho, seed}]
		c.Losses = append(c.Losses, t.Loss)
		if t.Refused != "" {
			c.Refused++
		} else if t.Accuracy != nil {
			accuracies = append(accuracies, *t.Accuracy)
		}
		if t.Collapsed {
			c.Collapsed++
		}
	}
	if c.Refused == 0 {
		c.Loss = mean(c.Losses)
		if accuracies != nil {
			c.Accuracy = mean(accuracies)
		}
	}
	return c
}

func mean(values []float64) *Mean {
	m := stats.MeanOf(values)
	return &m
}

// against returns the mean difference of the loss to other's; nil if one of them has no loss, or
// for the same cell.
func (c *RhoCell) against(other *RhoCell) *Mean {
	if c == other || c.Loss == nil || other.Loss == nil {
		return nil
	}
	return mean(stats.Differences(c.Losses, other.Losses))
}

// compare chooses the best rho of a row, and fills in the differences.
func (r *RhoRow) compare(sgd *RhoCell) {
	var best *RhoCell
	for i := range r.Cells {
		c := &r.Cells[i]
		c.AgainstSGD = c.against(sgd)
		if !c.failed() && (best == nil || c.Loss.Mean < best.Loss.Mean) {
			best = c
		}
	}
	if best == nil {
		return
	}
	r.Best = best.Rho
	for i := range r.Cells {
		c := &r.Cells[i]
		c.AgainstBest = c.against(best)
		if d := c.AgainstBest; d != nil && !c.failed() && len(c.Losses) > 1 && d.Low <= 0 {
			r.Close = append(r.Close, c.Rho)
		}
	}
}

// cellOf returns the cell of a rho.
func (r *RhoRow) cellOf(rho float64) *RhoCell {
	i := slices.IndexFunc(r.Cells, func(c RhoCell) bool { return c.Rho == rho })
	return &r.Cells[i]
}

// chooseBest sets Best to the row and rho with the lowest loss.
func (r *RhoResult) chooseBest() {
	rows := slices.DeleteFunc(slices.Clone(r.Rows), func(row RhoRow) bool { return row.Best == 0 })
	if len(rows) == 0 {
		return
	}
	best := slices.MinFunc(rows, func(a, b RhoRow) int {
		return cmp.Compare(a.cellOf(a.Best).Loss.Mean, b.cellOf(b.Best).Loss.Mean)
	})
	r.Best = &RhoSetting{best.Shards, best.Best}
}

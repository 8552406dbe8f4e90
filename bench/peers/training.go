package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/stats"
)

// TrainingFigures are the figures of a step: our fastest peer beside the fastest rival.
type TrainingFigures struct {
	Own    string       `json:"own"`            // our fastest peer
	Best   string       `json:"best,omitempty"` // the fastest rival
	OfTime stats.Spread `json:"ofTime"`         // our time over the best rival's

	// Medians of the rounds' ratios: the step's time over the time of the step by SAM on the same
	// model and batch. 0 if there is no such step.
	OwnOfSAM  float64 `json:"ownOfSAM,omitempty"`  // our time over our time for SAM
	BestOfSAM float64 `json:"bestOfSAM,omitempty"` // the best rival's time over the best rival's for SAM

	ownRatios, bestRatios []float64 // those ratios, round by round

	// Bytes that a step takes beside parameters, optimizer state and the batch. 0 if unknown.
	OwnBytes  int64 `json:"ownBytes,omitempty"`
	BestBytes int64 `json:"bestBytes,omitempty"`
}

// sameLoss is the relative difference that two losses may have after a few steps in which sums were
// formed in different orders.
const sameLoss = 1e-4

// drop marks the rivals that are too slow to become the fastest in further rounds. It compares the
// fastest round of each, because a single round may have been disturbed.
func (row *Row) drop(rivals []string, rounds int) {
	behind := 1.25
	if rounds == 1 {
		behind = 2
	}
	fastest := map[string]float64{}
	for _, name := range rivals {
		if cell := row.Cells[name]; len(cell.Seconds) > 0 {
			fastest[name] = slices.Min(cell.Seconds)
		}
	}
	for name, seconds := range fastest {
		if seconds > behind*slices.Min(slices.Collect(maps.Values(fastest))) {
			row.Cells[name].Beaten = true
		}
	}
}

// summarizeTraining computes the figures of a step from its times.
func (row *Row) summarizeTraining(peers []Participant) {
	row.refuseOthers(peers)
	t := &TrainingFigures{}
	row.Training = t
	for _, p := range peers {
		if cell := row.Cells[p.Name]; len(cell.Seconds) == 0 || cell.Beaten {
			continue
		}
		fastest := &t.Best
		if p.own {
			fastest = &t.Own
		}
		if *fastest == "" || row.median(p.Name) < row.median(*fastest) {
			*fastest = p.Name
		}
	}
	if t.Own == "" {
		row.Misses = []string{"wrong"}
		return
	}
	own := row.Cells[t.Own]
	t.OwnBytes = own.reply.Bytes
	row.OfCeiling = row.trainingOfCeiling(own, peers)
	if t.Best == "" {
		return
	}
	t.OfTime = stats.SpreadOf(stats.Ratios(own.Seconds, row.Cells[t.Best].Seconds))
	switch most := mostTime[row.Work.String()]; {
	case most.bar > 0 && t.OfTime.Median > most.bar:
		row.Misses = append(row.Misses, fmt.Sprintf("%.2f of time", most.bar))
	case most.goal > 0 && t.OfTime.Median > most.goal:
		row.Misses = append(row.Misses, fmt.Sprintf("the goal, %.2f", most.goal))
	}
}

// trainingOfCeiling returns the speed of our fastest as a fraction of the ceiling of its workers, 0
// if the operations of the step aren't counted.
func (row *Row) trainingOfCeiling(own *Cell, peers []Participant) float64 {
	i := slices.IndexFunc(peers, func(p Participant) bool { return p.Name == row.Training.Own })
	var fractions []float64
	for round := range min(len(own.Seconds), len(row.Ceiling)) {
		fractions = append(fractions, row.Flops()/own.Seconds[round]/1e9/(row.Ceiling[round]*float64(max(1, peers[i].workers))))
	}
	return medianOrZero(fractions)
}

func (row *Row) median(peer string) float64 { return stats.Median(row.Cells[peer].Seconds) }

// refuseOthers marks peers as wrong whose model or training differs from ours, which comes first.
// All peers begin with the same parameters, so they must have the same loss after the first steps.
func (row *Row) refuseOthers(peers []Participant) {
	var first *protocol.Reply
	for _, p := range peers {
		cell := row.Cells[p.Name]
		switch reply := &cell.reply; {
		case len(cell.Seconds) == 0:
		case first == nil:
			first = reply
		case reply.Parameters != first.Parameters:
			*cell = Cell{Wrong: fmt.Sprintf("%d parameters, ours has %d", reply.Parameters, first.Parameters)}
		case math.Abs(reply.Loss-first.Loss) > sameLoss*math.Abs(first.Loss):
			*cell = Cell{Wrong: fmt.Sprintf("after the first steps the loss is %g, ours is %g", reply.Loss, first.Loss)}
		}
	}
}

// measureMemory asks a fresh process for the memory of the fastest rival. Only the first work of a
// process shows how much the process grows.
func (row *Row) measureMemory(ctx context.Context, opt options, dir string, stderr io.Writer) error {
	t := row.Training
	if t.Best == "" {
		return nil
	}
	i := slices.IndexFunc(opt.peers, func(p peer) bool { return p.name == t.Best })
	fresh, err := start(ctx, opt.peers[i], opt, dir, stderr)
	if err != nil {
		return err
	}
	defer fresh.close()
	reply, err := fresh.ask(opt.job(row.Work))
	if err != nil {
		return err
	}
	t.BestBytes = reply.Bytes
	if most, ok := mostMemory[row.Work.String()]; ok && t.ofMemory() > most {
		row.Misses = append(row.Misses, fmt.Sprintf("%.2f of memory", most))
	}
	return nil
}

// ofMemory returns our memory over the best rival's, 0 if unknown.
func (t *TrainingFigures) ofMemory() float64 {
	if t.BestBytes == 0 {
		return 0
	}
	return float64(t.OwnBytes) / float64(t.BestBytes)
}

// String is the end of a line of progress.
func (t *TrainingFigures) String() string {
	if t.Best == "" {
		return t.Own
	}
	return fmt.Sprintf("%s takes %.2f of the time of %s", t.Own, t.OfTime.Median, t.Best)
}

const trainingLegend = `A peer's column has milliseconds a step, the median of its rounds. "best" is the fastest peer that isn't ours.
time/best is our fastest time over best's, below 1 where we are faster, with the quartiles of the rounds.
MiB is the memory of a step beside parameters, what the optimizer keeps, and batch: ours is the plan's, best's is the growth of its
process. "above" names the limits that a step exceeds.`

// trainingTable returns a table with a row for each step without SAM.
func (r *Report) trainingTable() table.Writer {
	header := r.columns("ms a step")
	header = append(header, "best", "time/best", "our MiB", "best's MiB", "MiB/best", "above")
	t := newTable(header)
	for _, row := range r.Rows {
		t.AppendRow(r.trainingCells(row))
	}
	return t
}

func (r *Report) trainingCells(row *Row) table.Row {
	cells := r.milliseconds(row)
	t := row.Training
	return append(cells, t.Best, withQuartiles(t.OfTime), number("%.1f", mebi(t.OwnBytes)), number("%.1f", mebi(t.BestBytes)),
		number("%.2f", t.ofMemory()), strings.Join(row.Misses, ", "))
}

// milliseconds formats a peer's median time, "" if it has none.
func (row *Row) milliseconds(peer string) string {
	switch cell := row.Cells[peer]; {
	case cell == nil || cell.Wrong == "" && len(cell.Seconds) == 0:
		return ""
	case cell.Wrong != "":
		return "wrong"
	default:
		return fmt.Sprintf("%.2f", 1e3*row.median(peer))
	}
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

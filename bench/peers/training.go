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

// TrainingFigures are what a step is judged by: the fastest of ours beside the
// fastest of the rivals.
type TrainingFigures struct {
	Own    string       `json:"own"`
	Best   string       `json:"best,omitempty"`
	OfTime stats.Spread `json:"ofTime"` // our time over that of the best

	// What a step costs of one by SAM of the same model and batch in the same round,
	// the median; 0 without one: ours of ours, and the best of the best there.
	OwnOfSAM  float64 `json:"ownOfSAM,omitempty"`
	BestOfSAM float64 `json:"bestOfSAM,omitempty"`

	ownRatios, bestRatios []float64 // the same, round by round

	// The memory of a step beside parameters, what the optimizer keeps of them, and
	// the batch, in bytes. 0 if it isn't known.
	OwnBytes  int64 `json:"ownBytes,omitempty"`
	BestBytes int64 `json:"bestBytes,omitempty"`
}

// sameLoss is how far apart losses may be, relative to each other, after a few steps
// in which sums were formed in other orders.
const sameLoss = 1e-4

// drop marks the rivals that are too far behind to become the fastest in further
// rounds, by the fastest round of each: one round alone may have been disturbed.
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

// summarizeTraining computes what follows from the times of a step.
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

func (row *Row) median(peer string) float64 { return stats.Median(row.Cells[peer].Seconds) }

// refuseOthers makes those peers wrong that have trained another model than the
// first, which is ours, or have trained it otherwise: all begin with the same
// parameters, so they have the same loss after the first steps.
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

// measureMemory asks for the memory of the fastest rival, in a process of its own:
// what grows can be seen in the first work of a process only.
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

// ofMemory returns our memory over that of the best, 0 if it isn't known.
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

const trainingLegend = `A peer's column has the milliseconds of a step, the median of its rounds. Best is the fastest of those that aren't
ours; time/best is the time of our fastest over its time, below 1 where we are faster, with the quartiles of the
rounds. MiB is the memory of a step beside parameters, momentum and batch: ours as the plan has it, theirs as the
process grows. Above has what a step was meant to take at most.`

// trainingTable returns a row a step by SGD.
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

// milliseconds formats the time of a peer's step, and none as nothing.
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

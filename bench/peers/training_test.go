package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/stats"
)

func step(text string) protocol.Work {
	s, err := protocol.ParseStep(text)
	if err != nil {
		panic(err)
	}
	return protocol.Work{Step: &s}
}

// knownSteps is a report of made-up times, in milliseconds by round, of a step.
func knownSteps(text string, times map[string][]float64) (*Report, *Row) {
	r := &Report{Kind: protocol.KindSteps, Dtype: protocol.Float32, Rounds: 3, Budget: time.Millisecond}
	row := &Row{Suite: "step", Work: step(text), Cells: map[string]*Cell{}, Ceiling: []float64{1}}
	for _, p := range peersOf[protocol.KindSteps] {
		if t, ok := times[p.name]; ok {
			r.Peers = append(r.Peers, Participant{Name: p.name, own: p.own, workers: p.workers})
			cell := &Cell{reply: protocol.Reply{Parameters: 7, Loss: 2, Bytes: 3 << 20}}
			for _, ms := range t {
				cell.Seconds = append(cell.Seconds, ms/1e3)
			}
			row.Cells[p.name] = cell
		}
	}
	r.Rows = []*Row{row}
	return r, row
}

func TestSummarizeTraining(t *testing.T) {
	_, row := knownSteps("mlp batch 256", map[string][]float64{
		oursOne: {6, 6, 6}, oursTwo: {3, 6, 3}, "torch-1": {5, 5, 5}, "torch-2": {6, 3, 4}, "torch-last-1": {},
	})
	row.summarize(knownParticipants(row), 0)
	assert.Equal(t, oursTwo, row.Training.Own)
	assert.Equal(t, "torch-2", row.Training.Best, "the median counts")
	assert.Equal(t, stats.Spread{Q1: 0.625, Median: 0.75, Q3: 1.375}, row.Training.OfTime, "of 1/2, 2 and 3/4")
	assert.EqualValues(t, 3<<20, row.Training.OwnBytes)
	assert.Equal(t, []string{"0.55 of time"}, row.Misses)

	_, row = knownSteps("mlp batch 64", map[string][]float64{oursOne: {6, 6, 6}, "torch-1": {5, 5, 5}})
	row.summarize(knownParticipants(row), 0)
	assert.Empty(t, row.Misses, "another batch was meant to be nothing")

	_, row = knownSteps("mlp batch 256", map[string][]float64{oursOne: {6, 6, 6}})
	row.summarize(knownParticipants(row), 0)
	assert.Equal(t, TrainingFigures{Own: oursOne, OwnBytes: 3 << 20}, *row.Training, "alone")
}

func TestSlowRivalsAreDropped(t *testing.T) {
	for _, c := range []struct {
		name  string
		times map[string][]float64
		want  []string
	}{
		{"after one round twice the time is too much", map[string][]float64{oursOne: {1}, "torch-1": {10}, "torch-2": {19}, "torch-last-1": {21}, "torch-last-2": {}}, []string{"torch-last-1"}},
		{"then a quarter more, in the better round", map[string][]float64{"torch-1": {10, 30}, "torch-2": {13, 19}, "torch-last-1": {19, 12}}, []string{"torch-2"}},
		{"what was dropped still counts", map[string][]float64{"torch-1": {30, 30}, "torch-2": {10}}, []string{"torch-1"}},
	} {
		r, row := knownSteps("mlp batch 256", c.times)
		var rivals []string
		rounds := 0
		for _, p := range r.Peers {
			if !p.own {
				rivals = append(rivals, p.Name)
				rounds = max(rounds, len(c.times[p.Name]))
			}
		}
		row.drop(rivals, rounds)
		var dropped []string
		for _, name := range rivals {
			if row.Cells[name].Beaten {
				dropped = append(dropped, name)
			}
		}
		assert.Equal(t, c.want, dropped, c.name)
	}

	_, row := knownSteps("mlp batch 256", map[string][]float64{oursOne: {6, 6, 6}, "torch-1": {8, 8, 8}, "torch-2": {7}})
	row.Cells["torch-2"].Beaten = true
	row.summarize(knownParticipants(row), 0)
	assert.Equal(t, "torch-1", row.Training.Best, "it has all rounds")
}

// knownParticipants returns the peers of a row in the table's order.
func knownParticipants(row *Row) (all []Participant) {
	for _, p := range peersOf[protocol.KindSteps] {
		if row.Cells[p.name] != nil {
			all = append(all, Participant{Name: p.name, own: p.own, workers: p.workers})
		}
	}
	return all
}

func TestOtherModelsDoNotWin(t *testing.T) {
	r, row := knownSteps("mlp batch 256", map[string][]float64{oursOne: {6, 6, 6}, "torch-1": {1, 1, 1}, "torch-2": {2, 2, 2}, "torch-last-2": {8, 8, 8}})
	row.Cells["torch-1"].reply.Parameters = 6
	row.Cells["torch-2"].reply.Loss = 2.001
	row.Cells["torch-last-2"].reply.Loss = 2.00001
	row.summarize(r.Peers, 0)
	assert.Equal(t, "torch-last-2", row.Training.Best)
	assert.Equal(t, []string{
		"torch-1 at mlp batch 256 sgd: 6 parameters, ours has 7",
		"torch-2 at mlp batch 256 sgd: after the first steps the loss is 2.001, ours is 2",
	}, r.wrong())
}

func TestTrainingTable(t *testing.T) {
	r, row := knownSteps("resnet20 batch 128", map[string][]float64{oursOne: {6, 6, 6}, "torch-1": {4, 4, 4}, "torch-2": {8, 8, 8}})
	*row.Cells["torch-2"] = Cell{Cannot: "not that"}
	row.summarize(r.Peers, 0)
	row.Training.BestBytes = 2 << 20
	r.end()
	assert.Empty(t, r.Means)
	text := r.render(false)
	assert.Regexp(t, `ms a step +ours-1 +torch-1 +torch-2 +best +time/best +our MiB +best's MiB +MiB/best +above`, text)
	assert.Regexp(t, `resnet20 batch 128 sgd +6.00 +4.00 +torch-1 +1.50 \[1.50 1.50\] +3.0 +2.0 +1.50 +0.80 of time`, text)
	assert.Contains(t, text, "training steps, f32")
	assert.Contains(t, text, "below 1 where we are faster")
	assert.Equal(t, "resnet20 batch 128 sgd ours-1 takes 1.50 of the time of torch-1", row.String())
	_, err := json.Marshal(r)
	assert.NoError(t, err)
}

// Both sides train the same models: after the first steps from the same parameters they have the
// same loss, or run says so.
func TestPyTorchTrainsTheSameModels(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	ctx := context.Background()
	if _, err := interpreter(ctx); err != nil {
		t.Skip("no PyTorch here: ", err)
	}
	opt, err := parse([]string{"--shapes", "mlp batch 9 msam 4, lenet batch 6 sam, resnet20 batch 4, resnet20 batch 8 msam 3, " +
		"text-tiny batch 8, text-tiny batch 6 ragged msam 4",
		"--peers", "torch-1,torch-last-1,torch-batched-1,torch-layers-1,torch-written-1,torch-first-1,torch-packed-1", "--rounds", "1", "--budget", "1"}, io.Discard)
	require.NoError(t, err)
	var table, progress bytes.Buffer
	require.NoError(t, run(ctx, opt, &table, &progress), progress.String())
	assert.Regexp(t, `mlp batch 9 msam 4 ( +\d+\.\d+){3} +torch`, table.String())
	assert.Regexp(t, `resnet20 batch 8 msam 3 ( +\d+\.\d+){3} +torch`, table.String())
	assert.Regexp(t, `text-tiny batch 8 adamw ( +\d+\.\d+){3} +torch`, table.String())
	assert.Regexp(t, `text-tiny batch 6 ragged msam 4 ( +\d+\.\d+){3} +torch`, table.String())
}

// PyTorch's forms of a step are what a plain one is, in float64.
func TestPyTorchTakesPlainSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	python, err := interpreter(context.Background())
	if err != nil {
		t.Skip("no PyTorch here: ", err)
	}
	said, err := exec.Command(python, "-B", "pytorch/steps_test.py").CombinedOutput()
	assert.NoError(t, err, string(said))
}

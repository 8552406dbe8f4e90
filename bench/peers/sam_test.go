package main

import (
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// knownMethods is a report of several rows of made-up times.
func knownMethods(rows []string, times []map[string][]float64) *Report {
	var all *Report
	for i, text := range rows {
		r, row := knownSteps(text, times[i])
		row.summarize(r.Peers, 0)
		if all == nil {
			all = r
		} else {
			all.Rows = append(all.Rows, row)
		}
	}
	all.end()
	return all
}

func TestTableOfSAM(t *testing.T) {
	none := []float64{}
	r := knownMethods(
		[]string{"mlp batch 256", "mlp batch 256 sam", "mlp batch 256 msam 8", "mlp batch 256 msam 32", "lenet batch 256 sam", "lenet batch 250 msam 32"},
		[]map[string][]float64{
			{oursOne: {5, 5, 5}, oursTwo: {3, 3, 3}, "torch-1": {10, 10, 10}, "torch-2": {8, 8, 8}, "torch-batched-1": none},
			{oursOne: {10, 10, 10}, oursTwo: {6, 6, 6}, "torch-1": {20, 20, 20}, "torch-2": {15, 15, 15}, "torch-batched-1": none},
			{oursOne: {9, 9, 9}, oursTwo: {5, 5, 5}, "torch-1": {40, 40, 40}, "torch-2": {80, 80, 80}, "torch-batched-1": {30, 30, 30}},
			{oursOne: {9, 9, 9}, oursTwo: {7.2, 7.2, 7.2}, "torch-1": {70, 70, 70}, "torch-2": {80, 80, 80}, "torch-batched-1": {60, 60, 60}},
			{oursOne: {7, 7, 7}, "torch-1": {10, 10, 10}},
			{oursOne: {7, 7, 7}},
		})
	text := r.render(false)
	assert.Contains(t, text, "training steps, f32")
	assert.Regexp(t, `ms a step +ours-1 +ours-2 +PyTorch +best +time/best +ours/SAM +best/SAM +at most +goal +above\n`, text)
	for _, want := range []string{
		`mlp batch 256 sgd +5.00 +3.00 +8.00 +torch-2 +0.38 \[0.38 0.38\] +0.50 +0.53 +0.55 +0.42\n`,
		`mlp batch 256 sam +10.00 +6.00 +15.00 +torch-2 +0.40 \[0.40 0.40\] +1.00 +1.00 +0.55 +0.42\n`,
		`mlp batch 256 msam 8 +9.00 +5.00 +30.00 +torch-batched-1 +0.17 \[0.17 0.17\] +0.83 +2.00\n`,
		`mlp batch 256 msam 32 +9.00 +7.20 +60.00 +torch-batched-1 +0.12 \[0.12 0.12\] +1.20 +4.00 +0.12 +0.09 +the goal, 0.09\n`,
		`lenet batch 256 sam +7.00 +10.00 +torch-1 +0.70 \[0.70 0.70\] +1.00 +1.00 +0.40 +0.30 +0.40 of time\n`,
		`lenet batch 250 msam 32 +7.00\n`,
	} {
		assert.Regexp(t, want, text)
	}
	assert.Equal(t, 3, strings.Count(text, "───\n"), "below the header and between models and batches")

	data, err := json.Marshal(r)
	require.NoError(t, err)
	var again Report
	require.NoError(t, json.Unmarshal(data, &again))
	assert.Equal(t, 4.0, again.Rows[3].Training.BestOfSAM)
	assert.InDelta(t, 1.2, again.Rows[3].Training.OwnOfSAM, 1e-12)
}

// Steps on text have a column of the FMA ceiling, that of the workers of our fastest.
func TestTableOfText(t *testing.T) {
	var times []map[string][]float64
	rows := []string{"text-tiny batch 64", "text-tiny batch 64 sam", "text-tiny batch 64 msam 64", "text-tiny batch 64 ragged sam"}
	for range rows {
		times = append(times, map[string][]float64{oursOne: {20}, oursTwo: {10}, "torch-written-2": {40}})
	}
	r := knownMethods(rows, times)
	text := r.render(false)
	assert.Contains(t, text, "each ending in AdamW")
	assert.Regexp(t, `ms a step .* best/SAM +ceiling +at most`, text)
	flops := r.Rows[0].Flops()
	assert.InDelta(t, flops/10e-3/1e9/2, r.Rows[0].OfCeiling, 1e-9, "at a ceiling of 1 GFLOP/s a core")
	assert.InDelta(t, 2*r.Rows[0].OfCeiling, r.Rows[1].OfCeiling, 1e-9, "of two gradients")
	assert.Contains(t, text, `"ceiling" is the speed of our fastest`)
	assert.Equal(t, 3, strings.Count(text, "───\n")+1, "below the header and before ragged samples")
}

// A limit leaves rows with fewer rounds than were asked for, and the header says so.
func TestRoundsThatThereWere(t *testing.T) {
	r, row := knownSteps("mlp batch 256 sam", map[string][]float64{oursOne: {6, 6, 6}})
	row.summarize(r.Peers, 0)
	row.Ceiling = []float64{1, 1, 1}
	assert.Contains(t, r.render(false), "medians of 3 rounds")
	r.Rounds = 10
	assert.Contains(t, r.render(false), "medians of 3 to 10 rounds")
}

// What is compared with a step by SAM is measured in the same rounds as that.
func TestTogether(t *testing.T) {
	work := list("mlp batch 256, mlp batch 256 sam, mlp batch 256 msam 8, mlp batch 250 sam, mlp batch 250 msam 3, lenet batch 250 sam")
	groups := together(work)
	var sizes []int
	for _, g := range groups {
		sizes = append(sizes, len(g))
	}
	assert.Equal(t, []int{3, 2, 1}, sizes)
	assert.Equal(t, work[3:5], groups[1])
	assert.Len(t, together(squares(16, 32)), 2)
}

// Costs are the medians of the rounds' ratios: a round in which all took twice as long doesn't move
// them.
func TestCostsRoundByRound(t *testing.T) {
	r := knownMethods(
		[]string{"mlp batch 256 sam", "mlp batch 256 msam 8"},
		[]map[string][]float64{
			{oursOne: {10, 20, 40}, "torch-1": {10, 10, 20}},
			{oursOne: {8, 16, 44}, "torch-1": {30, 40, 60}},
		})
	assert.InDelta(t, 0.8, r.Rows[1].Training.OwnOfSAM, 1e-12, "of 0.8, 0.8 and 1.1, where the ratio of medians is 0.8, too")
	assert.InDelta(t, 3, r.Rows[1].Training.BestOfSAM, 1e-12, "of 3, 4 and 3, where the ratio of medians is 4")
}

// Our time has limits relative to our own SAM and SGD. A row misses them only if all of its
// interval is above.
func TestLimitsOfOurOwn(t *testing.T) {
	constant := func(ms float64) []float64 { return []float64{ms, ms, ms, ms, ms, ms} }
	for _, c := range []struct {
		step  string
		times []float64 // where SGD takes 5 and SAM 10
		want  []string
	}{
		{"mlp batch 64 msam 64", constant(10), nil},
		{"mlp batch 64 msam 64", constant(10.1), []string{"1.00 of SAM"}},
		{"mlp batch 64 msam 64", []float64{9.9, 10.1, 10.1, 10.1, 10.1, 10.1}, nil},
		{"mlp batch 64 msam 64", []float64{12, 12, 12}, nil}, // too few rounds
		{"mlp batch 256 msam 4", constant(9.9), nil},
		{"mlp batch 256 msam 8", constant(8.8), []string{"0.87 of SAM"}},
		{"lenet batch 256 msam 8", constant(8.8), nil},
	} {
		of, _, _ := strings.Cut(c.step, " msam")
		r := knownMethods([]string{of, of + " sam", c.step},
			[]map[string][]float64{{oursOne: constant(5)}, {oursOne: constant(10)}, {oursOne: c.times}})
		assert.Equal(t, c.want, r.Rows[2].Misses, "%s %v", c.step, c.times)
		assert.Empty(t, r.Rows[1].Misses)
	}
	r := knownMethods([]string{"mlp batch 64", "mlp batch 64 sam"}, []map[string][]float64{{oursOne: constant(5)}, {oursOne: constant(10.1)}})
	assert.Equal(t, []string{"2.00 of SGD"}, r.Rows[1].Misses)
	assert.Empty(t, r.Rows[0].Misses)
}

func TestCostsChart(t *testing.T) {
	twice := func(a, b float64) []float64 { return []float64{a, b, a, b, a, b} }
	r := knownMethods(
		[]string{"mlp batch 256", "mlp batch 256 sam", "mlp batch 256 msam 8", "mlp batch 250 sam", "mlp batch 250 msam 3", "lenet batch 256 sam", "lenet batch 256 msam 4", "resnet20 batch 128 sam"},
		[]map[string][]float64{
			{oursOne: twice(5, 5), "torch-1": twice(5, 5)},
			{oursOne: twice(10, 20), "torch-1": twice(10, 20)},
			{oursOne: twice(8, 16), "torch-1": twice(40, 70)},
			{oursOne: twice(1, 1), "torch-1": twice(1, 1)},
			{oursOne: twice(1, 1), "torch-1": twice(1, 1)},
			{oursOne: twice(10, 10)},
			{oursOne: twice(10, 11)},
			{oursOne: twice(10, 10)},
		})
	r.Machine = "A CPU, 2 cores"
	l := r.costs()
	require.Len(t, l.Series, 3, "of mlp's two batches the first, of lenet ours alone, of resnet20, which has no mSAM, none")
	assert.Equal(t, "mlp", l.Series[0].Name)
	assert.Equal(t, []float64{1, 8}, l.Series[0].X)
	assert.Equal(t, []float64{1, 0.8}, l.Series[0].Y)
	assert.Equal(t, "mlp, PyTorch", l.Series[1].Name)
	assert.True(t, l.Series[1].Beside)
	assert.InDeltaSlice(t, []float64{1, 3.75}, l.Series[1].Y, 1e-12)
	assert.InDeltaSlice(t, []float64{1, 3.5}, l.Series[1].Low, 1e-12)
	assert.InDeltaSlice(t, []float64{1, 4}, l.Series[1].High, 1e-12)
	assert.Equal(t, "lenet", l.Series[2].Name)
	assert.Contains(t, l.Note, "A CPU, ")
	assert.Contains(t, l.Note, "with 95% intervals")
	require.NoError(t, l.Save(filepath.Join(t.TempDir(), "cost.svg")))
}

// A plot that would have no line, or no place, is an error before anything is measured.
func TestPlotFlag(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cost.png")
	for _, args := range [][]string{
		{"--plot", path}, {"--plot", path, "--suite", "step"},
		{"--plot", path, "--shapes", "mlp batch 256 msam 8"}, {"--plot", path, "--shapes", "mlp batch 256 sam, mlp batch 250 msam 8"},
	} {
		_, err := parse(args, io.Discard)
		assert.ErrorContains(t, err, "--plot draws the time of mSAM relative to SAM", args)
	}
	_, err := parse([]string{"--plot", "cost.gif", "--suite", "sam"}, io.Discard)
	assert.ErrorContains(t, err, "must end in one of .png, .svg")
	opt, err := parse([]string{"--plot", path, "--suite", "sam"}, io.Discard)
	require.NoError(t, err)
	opt.plot.Discard()
	assert.NoFileExists(t, path)
}

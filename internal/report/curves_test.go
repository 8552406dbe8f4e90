package report

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/sam/train"
)

// rows returns the log of a run of so many epochs, each of 10 steps.
func rows(epochs int) []train.Row {
	var rows []train.Row
	for e := range epochs {
		f := float64(e)
		rows = append(rows, train.Row{
			Kind: train.RowEpoch, Epoch: e + 1, Step: uint64(10 * (e + 1)), TrainLoss: 1 / (f + 1), LR: 0.1, Rho: 0.05, Seconds: 2,
			Valid: train.Scores{"loss": 1 + math.Abs(f-1)/10, "accuracy": 0.5 + f/100, "top_5_accuracy": 0.9, "f1": 0.4},
		})
	}
	return rows
}

// step returns a row of steps.
func step(epoch int, step uint64, loss, lr float64) train.Row {
	return train.Row{Kind: train.RowStep, Epoch: epoch, Step: step, TrainLoss: loss, LR: lr}
}

// titles returns the labels of a chart's panels.
func titles(p chart.Panels) (titles []string) {
	for _, l := range p.Lines {
		titles = append(titles, l.Y)
	}
	return titles
}

func TestCurves(t *testing.T) {
	p := Curves(rows(3), 3)
	assert.Equal(t, []string{"loss", "accuracy, %", "F1"}, titles(p), "neither the learning rate nor rho changes")
	assert.Equal(t, chart.Series{Name: "training", Look: chart.Numbered(lookTrain), X: []float64{1, 2, 3}, Y: []float64{1, 0.5, 1.0 / 3}}, p.Lines[0].Series[0])
	assert.Equal(t, chart.Series{Name: "validation", Look: chart.Numbered(lookValid), X: []float64{1, 2, 3}, Y: []float64{1.1, 1, 1.1}}, p.Lines[0].Series[1])
	assert.InDeltaSlice(t, []float64{50, 51, 52}, p.Lines[1].Series[0].Y, 1e-9)
	assert.Equal(t, "top 5", p.Lines[1].Series[1].Name)
	assert.Equal(t, 3.0, p.ReferenceX)
	assert.Equal(t, "Dashed: the best epoch, 3.", p.Note)
	assert.False(t, p.Lines[0].LogY)

	assert.Equal(t, 2.0, Curves(rows(3), 0).ReferenceX, "the smallest validation loss")
	log := rows(3)
	for i := range log {
		log[i].Valid = nil
	}
	p = Curves(log, 0)
	assert.Equal(t, 3.0, p.ReferenceX, "the smallest training loss")
	assert.Equal(t, []string{"loss"}, titles(p))
	assert.True(t, Curves(rows(40), 0).Lines[0].LogY, "a loss that falls to a fortieth")
}

func TestCurvesOfSettings(t *testing.T) {
	log := rows(3)
	log[1].LR, log[2].Rho = 0.01, 0
	p := Curves(log, 0)
	assert.Equal(t, []string{"loss", "accuracy, %", "F1", "learning rate", "rho"}, titles(p))
	assert.Equal(t, []float64{0.1, 0.01, 0.1}, p.Lines[3].Series[0].Y)
}

// Values that aren't finite leave no point, and are told of.
func TestCurvesNotFinite(t *testing.T) {
	log := rows(4)
	log[0].TrainLoss, log[2].Valid["loss"], log[2].TrainLoss = math.NaN(), math.Inf(1), 1e305
	p := Curves(log, 1)
	assert.Equal(t, []float64{2, 4}, p.Lines[0].Series[0].X)
	assert.Equal(t, []float64{1, 2, 4}, p.Lines[0].Series[1].X)
	assert.Equal(t, "Dashed: the best epoch, 1. Left out: 2 epochs whose loss isn't finite.", p.Note)

	for i := range log {
		log[i] = train.Row{Kind: train.RowEpoch, Epoch: i + 1, TrainLoss: math.NaN()}
	}
	p = Curves(log, 0)
	assert.Empty(t, p.Lines)
	assert.Zero(t, p.ReferenceX)
	assert.Empty(t, Curves(nil, 0).Lines)
}

// The loss of a short run is shown by steps, at fractions of epochs.
func TestCurvesBySteps(t *testing.T) {
	log := []train.Row{step(1, 5, 2, 0.1), step(1, 10, 1, 0.2)}
	p := Curves(log, 0)
	assert.Equal(t, "step", p.X, "no epoch is finished")
	assert.Equal(t, []string{"loss", "learning rate"}, titles(p))
	assert.Equal(t, []float64{5, 10}, p.Lines[0].Series[0].X)

	log = append(log, rows(1)...)
	log = append(log, step(2, 15, 0.7, 0.2))
	p = Curves(log, 0)
	assert.Equal(t, "epoch", p.X)
	assert.Equal(t, []float64{0.5, 1, 1.5}, p.Lines[0].Series[0].X)
	assert.Equal(t, []float64{1}, p.Lines[0].Series[1].X)

	p = Curves(append(rows(fewEpochs), log[:2]...), 0)
	assert.Len(t, p.Lines[0].Series[0].X, fewEpochs, "a long run is shown by epochs")
}

// Runs of any length can be drawn.
func TestCurvesSave(t *testing.T) {
	for _, epochs := range []int{1, 3, 1000} {
		require.NoError(t, Curves(rows(epochs), 0).Save(filepath.Join(t.TempDir(), "curves.svg")))
	}
	assert.EqualError(t, Curves(nil, 0).Save(filepath.Join(t.TempDir(), "curves.png")), "chart: no panels")
}

// Thinning keeps the ends, the order and the peaks of a curve.
func TestThin(t *testing.T) {
	n := 123457
	x, y := make([]float64, n), make([]float64, n)
	for i := range x {
		x[i], y[i] = float64(i), math.Sin(float64(i)/5000)
	}
	y[777], y[100001], y[n-1] = 50, -50, 0.25
	thinX, thinY := thin(x, y)
	assert.LessOrEqual(t, len(thinX), mostPoints)
	assert.Len(t, thinY, len(thinX))
	assert.IsNonDecreasing(t, thinX)
	assert.Contains(t, thinY, 50.0)
	assert.Contains(t, thinY, -50.0)
	assert.Equal(t, float64(n-1), thinX[len(thinX)-1])
	assert.Equal(t, 0.25, thinY[len(thinY)-1])
	short, _ := thin(x[:mostPoints], y[:mostPoints])
	assert.Len(t, short, mostPoints)
}

// Scores are called as the field calls them.
func TestWords(t *testing.T) {
	for name, want := range map[string]string{
		"r2": "R²", "R2": "R²", "f1": "F1", "matthews": "Matthews", "token_accuracy": "token accuracy", "perplexity": "perplexity",
	} {
		assert.Equal(t, want, words(name))
	}
}

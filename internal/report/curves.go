package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/sam/train"
)

// The looks of the curves, in all panels.
const (
	lookTrain = 1 + iota
	lookValid
	lookRate
	lookRho
	lookOther // and those after it
)

const (
	wide       = 30    // a loss that changes by this factor has a logarithmic axis
	fewEpochs  = 10    // a run of fewer shows the training loss by steps, if the log has those
	mostPoints = 1000  // of a curve
	mostValue  = 1e300 // larger values have no place on an axis
)

// Curves returns the chart of a run's log: the losses, each score of the validation set, and the
// learning rate and rho if they change, all by epoch. A dashed line marks the best epoch; 0 takes
// that with the smallest validation loss, or training loss if there is no other. Values that aren't
// finite are left out, and a note says so. A log of steps alone is drawn by step.
//
// The chart has no panels, and can't be drawn, if the log has no finite value.
func Curves(rows []train.Row, best int) chart.Panels {
	l := newLog(rows)
	p := chart.Panels{X: "epoch", WholeX: true}
	if len(l.epochs) == 0 {
		p.X = "step"
	}
	loss := chart.Lines{Y: "loss", Series: l.losses()}
	loss.LogY = isWide(loss.Series)
	panels := append([]chart.Lines{loss}, l.scores()...)
	panels = append(panels,
		chart.Lines{Y: "learning rate", Series: l.changing(lookRate, func(r *train.Row) float64 { return r.LR })},
		chart.Lines{Y: "rho", Series: l.changing(lookRho, func(r *train.Row) float64 { return r.Rho })},
	)
	for _, panel := range panels {
		if len(panel.Series) > 0 {
			p.Lines = append(p.Lines, panel)
		}
	}
	var notes []string
	if best = cmp.Or(best, l.best()); best > 0 && len(l.epochs) > 0 {
		p.ReferenceX = float64(best)
		notes = append(notes, fmt.Sprintf("Dashed: the best epoch, %d.", best))
	}
	if n := l.notFinite(); n > 0 {
		notes = append(notes, fmt.Sprintf("Left out: %s whose loss isn't finite.", count(n, l.unit())))
	}
	p.Note = strings.Join(notes, " ")
	return p
}

// log is the rows of a run, by kind.
type log struct{ epochs, steps []train.Row }

func newLog(rows []train.Row) log {
	var l log
	for _, r := range rows {
		if r.Kind == train.RowStep {
			l.steps = append(l.steps, r)
		} else {
			l.epochs = append(l.epochs, r)
		}
	}
	return l
}

// unit returns what the main rows of the log are of.
func (l log) unit() string {
	if len(l.epochs) == 0 {
		return "row"
	}
	return "epoch"
}

// main returns the rows of epochs, or those of steps if no epoch is finished.
func (l log) main() []train.Row {
	if len(l.epochs) == 0 {
		return l.steps
	}
	return l.epochs
}

// x returns the place of a row on the X axis: whole at the end of an epoch.
func (l log) x(r *train.Row) float64 {
	if len(l.epochs) == 0 {
		return float64(r.Step)
	}
	if first := l.epochs[0]; r.Kind == train.RowStep && first.Step > 0 {
		// Epochs have the same number of steps.
		return float64(r.Step) * float64(first.Epoch) / float64(first.Step)
	}
	return float64(r.Epoch)
}

// curve returns the series of a value of rows, none if no value is finite.
func (l log) curve(rows []train.Row, name string, look int, value func(*train.Row) float64) []chart.Series {
	s := chart.Series{Name: name, Look: chart.Numbered(look)}
	for i := range rows {
		if v := value(&rows[i]); drawn(v) {
			s.X, s.Y = append(s.X, l.x(&rows[i])), append(s.Y, v)
		}
	}
	if len(s.X) == 0 {
		return nil
	}
	s.X, s.Y = thin(s.X, s.Y)
	return []chart.Series{s}
}

func drawn(v float64) bool { return math.Abs(v) < mostValue } // and not NaN

func (l log) losses() []chart.Series {
	rows := l.main()
	if len(l.epochs) < fewEpochs && len(l.steps) > 0 {
		rows = l.steps
	}
	return append(
		l.curve(rows, "training", lookTrain, func(r *train.Row) float64 { return r.TrainLoss }),
		l.curve(l.epochs, "validation", lookValid, func(r *train.Row) float64 { return score(r, "loss") })...)
}

// scores returns a panel of the accuracies, and one for each other score.
func (l log) scores() []chart.Lines {
	names := map[string]bool{}
	for _, r := range l.epochs {
		for name := range r.Valid {
			names[name] = true
		}
	}
	delete(names, "loss")
	accuracies := chart.Lines{Y: "accuracy, %"}
	var others []chart.Lines
	look := lookOther
	for _, name := range slices.SortedFunc(maps.Keys(names), mainFirst) {
		series, factor := "validation", 1.0
		if accuracy := strings.HasSuffix(name, "accuracy"); accuracy {
			factor = 100
			if name != "accuracy" {
				series = label(words(strings.TrimSuffix(name, "accuracy")))
			}
		}
		hue := lookValid
		if series != "validation" {
			hue, look = look, look+1
		}
		curve := l.curve(l.epochs, series, hue, func(r *train.Row) float64 { return factor * score(r, name) })
		if factor == 100 {
			accuracies.Series = append(accuracies.Series, curve...)
		} else {
			others = append(others, chart.Lines{Y: label(words(name)), Series: curve})
		}
	}
	return append([]chart.Lines{accuracies}, others...)
}

// mainFirst sorts the accuracy before other names.
func mainFirst(a, b string) int {
	switch "accuracy" {
	case a:
		return -1
	case b:
		return 1
	}
	return strings.Compare(a, b)
}

// words returns the name of a metric, perhaps as a log has it, as words.
func words(name string) string {
	if written, ok := written[strings.ToLower(name)]; ok {
		return written
	}
	return strings.TrimSpace(strings.ReplaceAll(name, "_", " "))
}

// written is how metrics are written that aren't written small.
var written = map[string]string{"r2": "R²", "f1": "F1", "matthews": "Matthews", "pearson": "Pearson", "spearman": "Spearman"}

// changing returns the curve of a setting, none if it stays as it is.
func (l log) changing(look int, value func(*train.Row) float64) []chart.Series {
	rows := l.main()
	if len(l.steps) > len(rows) {
		rows = l.steps
	}
	curve := l.curve(rows, "", look, value)
	if len(curve) == 0 || slices.Min(curve[0].Y) == slices.Max(curve[0].Y) {
		return nil
	}
	return curve
}

// score returns a score of the validation set; NaN if there is none.
func score(r *train.Row, name string) float64 {
	if v, ok := r.Valid[name]; ok {
		return v
	}
	return math.NaN()
}

// best returns the epoch with the smallest loss; 0 without one.
func (l log) best() int {
	for _, value := range []func(*train.Row) float64{
		func(r *train.Row) float64 { return score(r, "loss") },
		func(r *train.Row) float64 { return r.TrainLoss },
	} {
		best, least := 0, math.Inf(1)
		for i := range l.epochs {
			if v := value(&l.epochs[i]); v < least {
				best, least = l.epochs[i].Epoch, v
			}
		}
		if best > 0 {
			return best
		}
	}
	return 0
}

// notFinite counts the main rows that have lost a loss.
func (l log) notFinite() int {
	n := 0
	for _, r := range l.main() {
		valid, measured := r.Valid["loss"]
		if !drawn(r.TrainLoss) || measured && !drawn(valid) {
			n++
		}
	}
	return n
}

// isWide reports whether values differ by so much that small ones would look like zero.
func isWide(series []chart.Series) bool {
	least, most := math.Inf(1), 0.0
	for _, s := range series {
		least, most = min(least, slices.Min(s.Y)), max(most, slices.Max(s.Y))
	}
	return least > 0 && most >= wide*least
}

// thin returns at most mostPoints points: of each stretch of a long curve, the least and the
// largest, so that no peak is lost.
func thin(x, y []float64) (thinX, thinY []float64) {
	if len(x) <= mostPoints {
		return x, y
	}
	const stretches = mostPoints / 2
	for i := range stretches {
		first, end := i*len(y)/stretches, (i+1)*len(y)/stretches
		least, most := first, first
		for at := first; at < end; at++ {
			if y[at] < y[least] {
				least = at
			}
			if y[at] > y[most] {
				most = at
			}
		}
		if i == stretches-1 { // a curve ends where it ends
			most, least = end-1, min(least, most)
		}
		for _, at := range []int{min(least, most), max(least, most)} {
			thinX, thinY = append(thinX, x[at]), append(thinY, y[at])
		}
	}
	return thinX, thinY
}

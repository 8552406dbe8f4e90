package report

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/chart"
)

// Fit is the predictions of a regression. Of many, some are enough.
type Fit struct {
	Target    string    // what is predicted, such as a column's name; "" if it has no name
	True      []float64 // [samples]
	Predicted []float64 // [samples]
}

// mostDots is how many predictions are drawn as points.
const mostDots = 1000

// charts returns the predictions over the true values, and a histogram of the residuals. Pairs that
// aren't finite are left out, and a note says so; there are no charts if none is left.
func (f Fit) charts() ([]chart.Chart, error) {
	if len(f.True) != len(f.Predicted) {
		return nil, fmt.Errorf("report: %d predictions of %d true values", len(f.Predicted), len(f.True))
	}
	var at []chart.Point
	var residuals []float64
	for i, y := range f.True {
		if p := f.Predicted[i]; drawn(y) && drawn(p) {
			at, residuals = append(at, chart.Point{X: y, Y: p}), append(residuals, p-y)
		}
	}
	if len(at) == 0 {
		return nil, nil
	}
	note := ""
	if lost := len(f.True) - len(at); lost > 0 {
		note = fmt.Sprintf("Left out: %s that aren't finite.", count(lost, "prediction"))
		if lost == 1 {
			note = "Left out: 1 prediction that isn't finite."
		}
	}
	name := label(f.Target)
	if name != "" {
		name = " " + name
	}
	points := chart.Points{Note: note, X: "true" + name, Y: "predicted" + name, Diagonal: true, At: at}
	if len(at) > mostDots {
		points.At = spread(at, mostDots)
		points.Note = fmt.Sprintf("%s of %s. ", number(mostDots), count(len(at), "sample")) + note
	}
	return []chart.Chart{points, chart.Histogram{X: "residual: predicted - true" + name, Y: "samples", Values: residuals}}, nil
}

// spread returns n of the points, evenly spread over them.
func spread(points []chart.Point, n int) []chart.Point {
	some := make([]chart.Point, n)
	for i := range some {
		some[i] = points[i*len(points)/n]
	}
	return some
}

// summary says how large the residuals are: their mean, and the root of their mean square.
func (f Fit) summary() string {
	sum, squares, n := 0.0, 0.0, 0.0
	for i, y := range f.True {
		if p := f.Predicted[i]; drawn(y) && drawn(p) {
			d := p - y
			sum, squares, n = sum+d, squares+d*d, n+1
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("Residuals have a mean of %s and a root mean square of %s.", value(sum/n), value(math.Sqrt(squares/n)))
}

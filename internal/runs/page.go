package runs

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/internal/report"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam/train"
)

// SaveCurves draws the log of a run into curves.png. Nothing is drawn before there is a row.
func SaveCurves(dir string, best int) error {
	rows, err := train.ReadLog(train.LogFile(dir))
	if err != nil {
		return err
	}
	curves := report.Curves(rows, best)
	if len(curves.Lines) == 0 {
		return nil
	}
	curves.Title = filepath.Base(dir)
	return curves.Save(filepath.Join(dir, CurvesFile))
}

// SaveReport writes report.html of a run: its settings, its curves, and the review of the best
// epoch's parameters on a set; review is nil if there is none.
func (j *Job) SaveReport(dir string, config *Config, history *train.History, review *Review, on *dataset.Set) error {
	page, err := j.page(dir, config, history)
	if err != nil {
		return err
	}
	if review != nil {
		if page.Result, err = j.result(review, on); err != nil {
			return err
		}
	}
	return atomicfile.Write(filepath.Join(dir, ReportFile), page.Write)
}

func (j *Job) page(dir string, config *Config, history *train.History) (*report.Page, error) {
	rows, err := train.ReadLog(train.LogFile(dir))
	if err != nil {
		return nil, err
	}
	settings, err := config.Settings.list()
	if err != nil {
		return nil, err
	}
	return &report.Page{
		Title:    fmt.Sprintf("%s on %s", j.Settings.Model, j.Name),
		Settings: settings, Rows: rows, Epochs: j.Settings.Epochs,
		Best: history.BestEpoch, Monitor: strings.NewReplacer("_", " ", "valid", "validation", "train", "training").Replace(j.Settings.Monitor),
		Stopped: history.Stopped,
		Footer:  fmt.Sprintf("steppe %s; %s", config.Version, config.Machine),
	}, nil
}

// list returns the settings that have a value, in their order, under their flags' names. Those of
// other optimizers are left out.
func (s *Settings) list() (list []report.Setting, err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if _, err := decoder.Token(); err != nil { // {
		return nil, err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value any
		if err := decoder.Decode(&value); err != nil && err != io.EOF {
			return nil, err
		}
		if flag := fmt.Sprint(name); s.uses(flag) {
			list = append(list, report.Setting{Name: flag, Value: fmt.Sprint(value)})
		}
	}
	return list, nil
}

// uses reports whether a setting isn't one of optimizers that the run doesn't use.
func (s *Settings) uses(flag string) bool {
	for _, o := range Optimizers {
		if slices.Contains(o.Own, flag) {
			return o.Name == s.Optimizer
		}
	}
	return true
}

// result turns a review into what the page shows.
func (j *Job) result(review *Review, on *dataset.Set) (*report.Result, error) {
	r := &report.Result{Samples: review.Samples, Set: "the test set of " + j.Name}
	if on == j.Valid {
		r.Set = "the validation samples of " + j.Name
	}
	for _, name := range []string{
		"accuracy", "top-5 accuracy", "balanced accuracy", "f1", "matthews", "r2", "pearson", "spearman", "perplexity", "token accuracy", "loss",
	} {
		if score, ok := review.Scores[name]; ok {
			r.Scores = append(r.Scores, report.Score{Name: name, Value: score})
		}
	}
	if on.Labels == nil {
		if !j.Language() {
			r.Fit = j.fit(review)
		}
		return r, nil
	}
	names := j.ClassNames()
	r.Confusion = &report.Confusion{Names: names, Counts: review.Confusion}
	for _, mistake := range review.Mistakes {
		example, err := j.example(on, mistake.Index)
		if err != nil {
			return nil, err
		}
		example.True, example.Predicted, example.Probability = names[mistake.Label], names[mistake.Predicted], mistake.Probability
		r.Examples = append(r.Examples, example)
	}
	return r, nil
}

// ClassNames returns what the classes are called: their numbers, if the data has no names.
func (j *Job) ClassNames() []string { return namesOr(j.Train.ClassNames, j.Train.Classes) }

// fit returns the predictions of a regression in the units of the label.
func (j *Job) fit(review *Review) *report.Fit {
	f := &report.Fit{Target: j.Settings.Label}
	value := func(y float64) float64 {
		if j.Train.Input == nil {
			return y
		}
		return j.Train.Input.Target(float32(y))
	}
	for _, pair := range review.Pairs {
		f.True, f.Predicted = append(f.True, value(pair.Target)), append(f.Predicted, value(pair.Predicted))
	}
	return f
}

// mostFields is how many columns of a table's row, or values of another sample, are shown.
const mostFields = 12

// example returns a sample of a set as the page shows it.
func (j *Job) example(set *dataset.Set, index int) (report.Example, error) {
	if set.IsText() {
		return textExample(set, index)
	}
	x := make([]float32, set.Shape.Size())
	if err := set.Read(index, x); err != nil {
		return report.Example{}, err
	}
	e := report.Example{Source: fmt.Sprintf("sample %d", index)}
	if len(set.Shape) == 3 {
		picture := &report.Picture{Shape: set.Shape, Values: x}
		if j.Settings.Standardize {
			picture.Standard = j.by
		}
		e.Picture = picture
		return e, nil
	}
	e.Fields = j.fields(x)
	if more := len(e.Fields) - mostFields; more > 0 {
		e.Fields = append(e.Fields[:mostFields], report.Setting{Name: fmt.Sprintf("and %d more", more)})
	}
	return e, nil
}

// textExample returns a text, or a pair, as its tokens have it.
func textExample(set *dataset.Set, index int) (e report.Example, err error) {
	e.Source = fmt.Sprintf("sample %d", index)
	a, b, err := set.Text(index)
	for _, text := range []string{a, b} {
		if text != "" {
			e.Texts = append(e.Texts, text)
		}
	}
	return e, err
}

// fields returns the columns of a table's row, or the numbered values of another sample.
func (j *Job) fields(x []float32) (fields []report.Setting) {
	values := make([]float64, len(x))
	for i, v := range x {
		values[i] = float64(v)
	}
	if j.Settings.Standardize {
		values = j.by.Restore(x)
	}
	if input := j.Train.Input; input != nil && input.Table != nil {
		for i, cell := range input.Table.Cells(values) {
			fields = append(fields, report.Setting{Name: input.Table.Columns[i].Name, Value: cell})
		}
		return fields
	}
	for i, v := range values {
		fields = append(fields, report.Setting{Name: fmt.Sprint(i), Value: fmt.Sprintf("%.4g", v)})
	}
	return fields
}

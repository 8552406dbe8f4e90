package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/sam/train"
)

// Page is a report of a run. Every text may be the user's own: Write escapes it.
type Page struct {
	Title    string      // what was trained, such as "lenet on mnist"
	Settings []Setting   // in this order
	Rows     []train.Row // the log
	Epochs   int         // that the run was to have; 0 if that isn't known
	Best     int         // number of the best epoch; 0 if none is finished
	Monitor  string      // what it is the best by, such as "validation loss"; "" to not say
	Stopped  string      // why the run ended before its last epoch, such as "no better for 5 epochs"; "" if it didn't
	Result   *Result     // nil if the model wasn't measured
	Footer   string      // such as the version and the machine; "" for none
}

// Setting is a name with its value.
type Setting struct{ Name, Value string }

// Result is how the model did on a set of samples.
type Result struct {
	Set       string     // what was measured, as in "the test set of mnist"
	Samples   int        // in it
	Scores    []Score    // in this order
	Confusion *Confusion // nil without classes
	Fit       *Fit       // nil without targets
	Examples  []Example  // of mistakes; the first MostExamples are shown
}

// Score is a metric with its value.
type Score struct {
	Name  string // as of train.Metric; one that ends in accuracy is shown in percent
	Value float64
}

// Example is a sample with its prediction. It shows what it has of the first three.
type Example struct {
	Picture     *Picture  // nil for none
	Texts       []string  // of a sample of text, one or two
	Fields      []Setting // values of a table's row, by column
	Source      string    // where the sample is from, such as a file or a row; "" for none
	True        string    // class, or value
	Predicted   string    // class, or value
	Probability float64   // that the model gives its prediction, from 0 to 1; negative to not say
}

// MostExamples is how many examples a page shows.
const MostExamples = 24

const (
	fewClasses   = 20    // classes whose table is shown at once
	mostMixups   = 10    // pairs of classes in the list of mistakes
	mostCells    = 20000 // entries of a confusion that a page can hold
	curvesWidth  = 420   // points: narrower than a file, for phones
	mostSetting  = 2000  // bytes of a text that is shown
	mostText     = 600   // bytes of a sample of text that is shown
	ellipsis     = "…"
	unknownTitle = "A run"
)

//go:embed page.tmpl
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// view is a page as the template takes it.
type view struct {
	Title, Verdict, Course, Footer string
	Settings, Scores               []Setting
	DarkColors                     template.CSS // of all charts
	Curves                         template.HTML
	Confusion                      template.HTML
	ConfusionNote                  string
	Large                          bool // whether the confusion is wider than a phone can show
	Mixups                         []mixup
	Classes, Hardest               []class
	Fit                            []template.HTML
	FitNote                        string
	Examples                       []exampleView
	Mistakes                       string // how many there are
}

type exampleView struct {
	Source, True, Predicted, Probability string
	Alt                                  string
	Picture                              template.URL
	Small                                bool // shows its pixels
	Texts                                []string
	Fields                               []Setting
}

// Write writes the page as HTML that needs no other file. The same page has the same bytes.
//
// It returns an error if a confusion, a fit or a picture can't be drawn because its parts don't fit
// each other. Nothing is written before all of the page is made.
func (p *Page) Write(w io.Writer) error {
	v := view{
		Title: cmp.Or(shorten(p.Title), unknownTitle), Verdict: p.verdict(), Course: p.course(), Footer: shorten(p.Footer),
	}
	for _, s := range p.Settings {
		v.Settings = append(v.Settings, Setting{shorten(s.Name), shorten(s.Value)})
	}
	curves := Curves(p.Rows, p.Best)
	curves.Width = curvesWidth
	if len(curves.Lines) > 0 {
		if err := inline(&v.Curves, curves, "Curves of the run by "+curves.X); err != nil {
			return err
		}
	}
	if r := p.Result; r != nil {
		if err := v.addResult(r); err != nil {
			return err
		}
	}
	v.DarkColors = darkColors(append(v.Fit, v.Curves, v.Confusion)...)
	var page strings.Builder
	if err := pageTemplate.Execute(&page, v); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err := io.WriteString(w, page.String())
	return err
}

// inline draws a chart into the page. Its texts are escaped by package chart.
func inline(to *template.HTML, c chart.Chart, label string) error {
	svg, err := chart.Inline(c, label)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	*to = template.HTML(svg)
	return nil
}

// darkColors returns the CSS of the charts' colors in the dark mode.
func darkColors(charts ...template.HTML) template.CSS {
	var all strings.Builder
	for _, c := range charts {
		all.WriteString(string(c))
	}
	return template.CSS(chart.DarkColors(all.String()))
}

func (v *view) addResult(r *Result) error {
	for _, s := range r.Scores {
		v.Scores = append(v.Scores, Setting{words(s.Name), s.text(r.Samples)})
	}
	if r.Confusion != nil {
		if err := v.addConfusion(*r.Confusion, r.Samples); err != nil {
			return err
		}
	}
	if r.Fit != nil {
		charts, err := r.Fit.charts()
		if err != nil {
			return err
		}
		v.Fit = make([]template.HTML, len(charts))
		for i, c := range charts {
			if err := inline(&v.Fit[i], c, []string{"Predictions over true values", "Histogram of the residuals"}[i]); err != nil {
				return err
			}
		}
		v.FitNote = r.Fit.summary()
	}
	for i, e := range r.Examples[:min(MostExamples, len(r.Examples))] {
		shown, err := e.view()
		if err != nil {
			return fmt.Errorf("%w, in example %d", err, i+1)
		}
		v.Examples = append(v.Examples, shown)
	}
	return nil
}

// addConfusion adds the confusion of so many samples.
func (v *view) addConfusion(c Confusion, samples int) error {
	if err := c.validate(); err != nil {
		return err
	}
	if len(c.Counts) == 0 {
		return nil
	}
	right, _ := c.right()
	v.Mistakes = count(samples-right, "mistake") // those with NaN, which c doesn't have, among them
	if cells := c.cells(); cells > mostCells {
		v.ConfusionNote = fmt.Sprintf("The confusion of %d classes has %s entries, more than a page can show.", len(c.Counts), number(cells))
	} else {
		m := c.Chart()
		m.Title, m.Note = "", ""
		if err := inline(&v.Confusion, m, "Confusion of the classes"); err != nil {
			return err
		}
	}
	v.Mixups, v.Classes = c.mixups(mostMixups), c.classes()
	if len(v.Classes) > fewClasses {
		v.Hardest, v.Large = hardest(v.Classes, fewClasses/2), true
	}
	return nil
}

func (e Example) view() (exampleView, error) {
	v := exampleView{Source: shorten(e.Source), True: shorten(e.True), Predicted: shorten(e.Predicted)}
	if e.Probability >= 0 {
		v.Probability = percent(e.Probability, 1)
	}
	for _, text := range e.Texts {
		v.Texts = append(v.Texts, cut(text, mostText))
	}
	for _, f := range e.Fields {
		v.Fields = append(v.Fields, Setting{shorten(f.Name), shorten(f.Value)})
	}
	if e.Picture != nil {
		uri, err := e.Picture.uri()
		if err != nil {
			return v, err
		}
		const showsPixels = 96
		v.Picture, v.Small = uri, max(e.Picture.Shape[0], e.Picture.Shape[1]) <= showsPixels
		v.Alt = "true " + v.True + ", predicted " + v.Predicted
	}
	return v, nil
}

// text returns the value of a score over so many samples.
func (s Score) text(samples int) string {
	if strings.HasSuffix(s.Name, "accuracy") {
		return percent(s.Value, decimals(samples))
	}
	return value(s.Value)
}

// shorten cuts a text that nobody would read to its end.
func shorten(s string) string { return cut(s, mostSetting) }

// cut cuts a text behind so many bytes at most.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + ellipsis
}

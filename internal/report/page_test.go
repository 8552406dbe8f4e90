package report

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// document is a page, read back.
type document struct {
	elements   map[string]int    // by name
	attributes []xml.Attr        // of all elements
	texts      map[string]string // of all elements of a name, joined by |
}

// write writes a page and reads it. The page must be well-formed: every element ends where it
// should.
func write(t *testing.T, p Page) (string, document) {
	t.Helper()
	var page strings.Builder
	require.NoError(t, p.Write(&page))
	d := document{map[string]int{}, nil, map[string]string{}}
	decoder := xml.NewDecoder(strings.NewReader(page.String()))
	decoder.Strict = false
	decoder.AutoClose, decoder.Entity = []string{"meta", "br", "img"}, xml.HTMLEntity
	var open []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			assert.Empty(t, open)
			return page.String(), d
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
			d.elements[token.Name.Local]++
			d.attributes = append(d.attributes, token.Attr...)
		case xml.EndElement:
			require.Equal(t, open[len(open)-1], token.Name.Local)
			open = open[:len(open)-1]
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" && len(open) > 0 {
				d.texts[open[len(open)-1]] += text + "|"
			}
		}
	}
}

// classified returns the page of a run on three classes.
func classified() Page {
	return Page{
		Title: "lenet on pets", Settings: []Setting{{"batch", "64"}, {"rho", "0.05"}}, Rows: rows(3), Epochs: 5, Best: 2, Monitor: "validation loss",
		Stopped: "no better for 1 epoch.", Footer: "Steppe 1.0",
		Result: &Result{
			Set: "the test set of pets", Samples: 15, Scores: []Score{{"accuracy", 0.6}, {"loss", 0.71}},
			Confusion: &Confusion{Names: []string{"cat", "dog", "owl"}, Counts: [][]int{{8, 2, 0}, {3, 1, 0}, {1, 0, 0}}},
			Examples: []Example{
				{Picture: &Picture{Shape: net.Shape{2, 2, 1}, Values: []float32{0, 1, 1, 0}}, Source: "dog/1.png", True: "dog", Predicted: "cat", Probability: 0.75},
				{Fields: []Setting{{"legs", "2"}}, True: "owl", Predicted: "dog", Probability: -1},
			},
		},
	}
}

func TestPage(t *testing.T) {
	page, d := write(t, classified())
	assert.Equal(t, "lenet on pets|", d.texts["title"])
	assert.Equal(t, "lenet on pets|", d.texts["h1"])
	assert.Equal(t, "Curves|Scores|Settings|Confusion|Examples of mistakes|", d.texts["h2"])
	assert.Equal(t, "Classes|Most frequent mistakes|", d.texts["h3"])
	assert.True(t, strings.HasPrefix(d.texts["th"], "accuracy|loss|batch|rho|"), d.texts["th"])
	assert.Contains(t, d.texts["th"], "|legs|")
	assert.Contains(t, d.texts["td"], "60.0%|0.71|64|0.05|")
	assert.Contains(t, d.texts["td"], "cat|66.7%|80.0%|10|dog|33.3%|25.0%|4|owl|–|0.0%|1|")
	assert.Contains(t, d.texts["td"], "dog|cat|3|4|cat|dog|2|10|owl|cat|1|1|")
	assert.Equal(t, 2, d.elements["svg"])
	assert.Equal(t, 1, d.elements["img"])
	assert.Contains(t, page, `class="pixels"`)
	assert.Contains(t, d.texts["figcaption"], "(75.0%)|")
	assert.Equal(t, 1, strings.Count(d.texts["figcaption"], "%"), "no probability is no number")
	assert.Equal(t, "Steppe 1.0|", d.texts["footer"])
	assert.Contains(t, d.texts["p"], "2 of 6 mistakes.|")

	again, _ := write(t, classified())
	assert.Equal(t, page, again)
}

// Mistakes on texts show the texts, one or two, escaped, and long ones in part.
func TestPageOfTexts(t *testing.T) {
	p := classified()
	p.Result.Examples = []Example{
		{Texts: []string{"Two <b>owls</b> & a cat.\nThey sat.", "A second text."}, True: "owl", Predicted: "cat", Probability: 0.5},
		{Texts: []string{strings.Repeat("ä", mostText)}, True: "owl", Predicted: "cat", Probability: 0.5},
	}
	page, d := write(t, p)
	assert.Contains(t, page, `<div class="examples texts">`)
	assert.Contains(t, d.texts["p"], "Two <b>owls</b> & a cat.\nThey sat.|A second text.|"+strings.Repeat("ä", mostText/2)+"…|")
	assert.Zero(t, d.elements["b"])
	assert.NotContains(t, page, strings.Repeat("ä", mostText/2+1))
}

// A page needs nothing but itself, and what users call things can't do anything on it.
func TestPageEscapes(t *testing.T) {
	const evil = `</style></title><script>alert(1)</script>"'><img src=x onerror=alert(2)>{{.}} &amp; javascript:alert(3)`
	p := classified()
	p.Title, p.Monitor, p.Stopped, p.Footer = evil, evil, evil, evil
	p.Settings = []Setting{{evil, evil}, {"a", "b"}}
	p.Rows[0].Valid[evil] = 3
	r := p.Result
	r.Set, r.Scores[1].Name = evil, evil
	r.Confusion.Names = []string{evil, evil + " and", evil}
	r.Examples[0].Source, r.Examples[0].True, r.Examples[0].Predicted, r.Examples[0].Fields = evil, evil, evil, []Setting{{evil, evil}}
	r.Fit = &Fit{Target: evil, True: []float64{1}, Predicted: []float64{2}}
	page, d := write(t, p)

	_, safe := write(t, func() Page {
		p := classified()
		p.Rows[0].Valid["other"] = 3
		p.Result.Fit = &Fit{True: []float64{1}, Predicted: []float64{2}}
		p.Result.Examples[0].Fields = []Setting{{"a", "b"}}
		return p
	}())
	for _, name := range []string{"script", "img", "style", "title", "h1", "footer", "figure", "td", "svg"} {
		assert.Equal(t, safe.elements[name], d.elements[name], name)
	}
	for _, a := range d.attributes {
		assert.False(t, strings.HasPrefix(strings.ToLower(a.Name.Local), "on"), a.Name.Local)
		assert.NotEqual(t, "href", a.Name.Local)
		if a.Name.Local == "src" {
			assert.True(t, strings.HasPrefix(a.Value, "data:image/png;base64,"), a.Value)
		}
	}
	for _, name := range []string{"title", "h1", "p", "th", "td", "footer", "span"} {
		assert.Contains(t, d.texts[name], evil, name)
	}
	assert.Contains(t, d.texts["text"], "</style></title><script>ale…|", "names of classes are short in a chart")
	assert.Contains(t, d.texts["text"], `predicted </style></title><script>alert(1)</s…|`, "and so are axes")
	assert.NotContains(t, page, "<script")
	for _, outside := range []string{"http:", "https:", "url(", "@import", "<link"} {
		assert.NotContains(t, page, outside)
	}
}

func TestPageOfRegression(t *testing.T) {
	f := &Fit{Target: "price", True: []float64{1, 2, 3, nan}, Predicted: []float64{1.5, 2, 2, 1}}
	p := Page{Rows: rows(2), Result: &Result{
		Set: "the test set of houses.csv", Samples: 1234, Scores: []Score{{"R2", 0.87654}, {"loss", 0.25}}, Fit: f,
		Examples: []Example{{Fields: []Setting{{"rooms", "3"}}, True: "3", Predicted: "2", Probability: -1}},
	}}
	_, d := write(t, p)
	assert.Equal(t, "Curves|Scores|Predictions|Examples|", d.texts["h2"])
	assert.Contains(t, d.texts["p"], "On 1,234 samples of the test set of houses.csv: R² 0.8765 and loss 0.25.|")
	assert.Contains(t, d.texts["p"], "Residuals have a mean of -0.1667 and a root mean square of 0.6455.|")
	assert.Contains(t, d.texts["text"], "predicted price|")
	assert.Contains(t, d.texts["text"], "Left out: 1 prediction that isn't finite.|")
	assert.Equal(t, 3, d.elements["svg"])
	assert.Contains(t, d.texts["h1"], "A run")

	f.True, f.Predicted = make([]float64, 3*mostDots), make([]float64, 3*mostDots)
	_, d = write(t, p)
	assert.Contains(t, d.texts["text"], "1,000 of 3,000 samples.|")
	f.True, f.Predicted = []float64{nan}, []float64{1}
	_, d = write(t, p)
	assert.Equal(t, 1, d.elements["svg"], "there is nothing to draw but the curves")
}

func TestVerdict(t *testing.T) {
	p := classified()
	_, d := write(t, p)
	assert.True(t, strings.HasPrefix(d.texts["p"], "60.0% accuracy: 9 of 15 samples of the test set of pets are right. "+
		"With 95% confidence, the accuracy on samples like these is from 35.7% to 80.2%.|"+
		"Best epoch: 2 of 5, by validation loss. The run ended after epoch 3 of 5: no better for 1 epoch. Training took 6.0 seconds.|"), d.texts["p"])

	p.Result, p.Epochs, p.Stopped, p.Monitor = nil, 0, "", ""
	_, d = write(t, p)
	assert.Equal(t, "After epoch 2: training loss 0.5, validation loss 1 and validation accuracy 51.0%. The model wasn't measured on a test set.|"+
		"Best epoch: 2. Training took 6.0 seconds.|", d.texts["p"])

	_, d = write(t, Page{Title: "nothing", Stopped: "interrupted", Epochs: 5})
	assert.Equal(t, "No epoch is finished.|The run ended after epoch 0 of 5: interrupted.|", d.texts["p"])
	assert.Empty(t, d.texts["h2"])
}

// The page of many classes shows the hardest of them, and the others on demand.
func TestPageOfManyClasses(t *testing.T) {
	page := func(classes int, count int) document {
		c := &Confusion{Counts: make([][]int, classes)}
		for i := range c.Counts {
			c.Counts[i] = slices.Repeat([]int{count}, classes)
			c.Counts[i][i] = 1 + i
		}
		_, d := write(t, Page{Result: &Result{Samples: 1, Confusion: c}})
		return d
	}
	few := page(fewClasses, 0)
	assert.NotContains(t, few.texts["h3"], "Hardest")
	assert.Zero(t, few.elements["details"])
	many := page(fewClasses+1, 1)
	assert.Equal(t, "Hardest classes|Most frequent mistakes|", many.texts["h3"])
	assert.Equal(t, "All 21 classes|", many.texts["summary"])
	assert.Equal(t, 2+fewClasses/2+fewClasses+1+1+mostMixups, many.elements["tr"])
	assert.Equal(t, 1, many.elements["svg"])
	huge := page(150, 1)
	assert.Zero(t, huge.elements["svg"])
	assert.Contains(t, huge.texts["p"], "The confusion of 150 classes has 22,500 entries, more than a page can show.")
	assert.Equal(t, "All 150 classes|", huge.texts["summary"])
	assert.Zero(t, page(0, 0).elements["svg"])
}

func TestPageExamples(t *testing.T) {
	p := classified()
	p.Result.Examples, p.Result.Samples = slices.Repeat(p.Result.Examples[:1], 30), 100
	p.Settings = append(p.Settings, Setting{"long", strings.Repeat("é", 5000)})
	_, d := write(t, p)
	assert.Equal(t, MostExamples, d.elements["img"])
	assert.Contains(t, d.texts["p"], "24 of 91 mistakes.|")
	assert.Contains(t, d.texts["td"], strings.Repeat("é", mostSetting/2)+"…|")

	p.Result.Examples[0].Picture = &Picture{Shape: net.Shape{100, 10, 1}, Values: make([]float32, 1000)}
	page, _ := write(t, p)
	assert.Equal(t, MostExamples-1, strings.Count(page, `class="pixels"`), "a large picture is smooth")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// What can't be drawn leaves nothing behind.
func TestPageErrors(t *testing.T) {
	for want, change := range map[string]func(*Result){
		"report: 1 names of classes for a confusion of 3":                                                       func(r *Result) { r.Confusion.Names = []string{"a"} },
		"report: chart: row 0 of a matrix has the count -1":                                                     func(r *Result) { r.Confusion.Counts[0][1] = -1 },
		"report: 2 predictions of 1 true values":                                                                func(r *Result) { r.Fit = &Fit{True: []float64{1}, Predicted: []float64{1, 2}} },
		"report: picture of shape " + net.Shape{3}.String() + ", want height, width and channels, in example 1": func(r *Result) { r.Examples[0].Picture = &Picture{Shape: net.Shape{3}, Values: make([]float32, 3)} },
	} {
		p := classified()
		change(p.Result)
		var page strings.Builder
		assert.EqualError(t, p.Write(&page), want)
		assert.Zero(t, page.Len())
	}
	p := classified()
	assert.EqualError(t, p.Write(broken{}), "disk full")
}

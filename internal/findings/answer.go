package findings

import (
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/study"
)

// Answer is what a study says to one question.
type Answer struct {
	Name     string // of its part of the page
	Title    string
	Question string
	Sentence string   // the answer in short
	Details  []string // more sentences
	Papers   string   // what the methods' papers say
	Figures  []Figure
	Tables   []Table
}

// Figure is a picture of an answer: panels, one for each level of noise or data set.
type Figure struct {
	Name  string // of its file, without the extension
	Title string
	About string // how it is to be read
	Key   []chart.Key
	Rows  []FigureRow
}

// FigureRow is the panels of a part, or of several parts with one level each.
type FigureRow struct {
	Title  string // of a part; "" if the panels' titles say it
	Panels []chart.Panel
}

// Findings are the answers of a study.
type Findings struct {
	Study   *study.Campaign
	Answers []Answer
}

// New returns what a study shows so far.
func New(c *study.Campaign) *Findings {
	l := newLooks(c)
	return &Findings{c, []Answer{accuracy(c, l), cost(c, l), sensitivity(c, l), flatness(c, l)}}
}

// most columns of panels that can be read beside each other
const mostColumns = 3

// pack lays out settings in rows of panels: those of a part beside each other, and parts of one
// setting, too.
func pack(list []setting) (rows [][]setting) {
	for i := 0; i < len(list); {
		end := i
		for end < len(list) && list[end].part == list[i].part {
			end++
		}
		of := list[i:end]
		i = end
		if last := len(rows) - 1; last >= 0 && len(of) == 1 && len(rows[last]) < mostColumns && singles(rows[last]) {
			rows[last] = append(rows[last], of[0])
			continue
		}
		for len(of) > mostColumns {
			rows, of = append(rows, of[:mostColumns:mostColumns]), of[mostColumns:]
		}
		rows = append(rows, of[:len(of):len(of)])
	}
	return rows
}

// singles reports whether each setting is the only one of its part.
func singles(row []setting) bool {
	for _, s := range row {
		if !s.alone {
			return false
		}
	}
	return true
}

// panels makes a panel of each setting, and leaves out those without one.
func panels(list []setting, panel func(setting) chart.Panel) (rows []FigureRow) {
	for _, row := range pack(list) {
		var of FigureRow
		for _, s := range row {
			if p := panel(s); p != nil {
				of.Panels = append(of.Panels, p)
			}
		}
		if of.Panels != nil {
			if !row[0].alone {
				of.Title = row[0].part.Title
			}
			rows = append(rows, of)
		}
	}
	return rows
}

// panelTitle names a setting above its panel. The part's title is above the row if it has several.
func (s setting) panelTitle() string {
	if s.alone {
		return s.String()
	}
	return s.noise()
}

// Grid returns the figure as one chart.
func (f *Figure) Grid() chart.Grid {
	g := chart.Grid{Title: f.Title, Note: f.About, Key: f.Key, SharedX: true, SharedY: true}
	for _, row := range f.Rows {
		g.Columns = max(g.Columns, len(row.Panels))
	}
	for _, row := range f.Rows {
		g.Rows = append(g.Rows, row.Title)
		g.Panels = append(g.Panels, row.Panels...)
		g.Panels = append(g.Panels, make([]chart.Panel, g.Columns-len(row.Panels))...)
	}
	if g.Columns == 1 {
		g.Width = 460
	}
	return g
}

// methodKey returns the key of all rows that have one, in their order.
func methodKey(list []setting, l *looks, line bool, has func(*study.Row) bool) (key []chart.Key) {
	seen := map[chart.Look]int{}
	for _, s := range list {
		for i := range s.level.Rows {
			r := &s.level.Rows[i]
			if !has(r) {
				continue
			}
			name, look := chartLabel(r, s.base()), l.row(r)
			at, ok := seen[look]
			if !ok {
				seen[look] = len(key)
				key = append(key, chart.Key{Name: name, Look: look, Line: line})
			} else if r.Method == baseMethod && !strings.Contains(" or "+key[at].Name+" or ", " or "+name+" or ") {
				key[at].Name += " or " + name // "SGD or AdamW"
			}
		}
	}
	return key
}

// counted returns a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// amount returns a number as words use it.
func amount(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

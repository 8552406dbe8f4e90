package findings

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/internal/chart"
)

//go:embed page.tmpl
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"color": func(l chart.Look) template.CSS { return template.CSS(l.CSS()) },
}).Parse(pageText))

// view is the findings as the template takes them.
type view struct {
	Title, Machine string
	About, Doubts  []string
	DarkColors     template.CSS
	Answers        []answerView
	Recipe         tableView
}

type answerView struct {
	Name, Title, Question, Sentence, Papers string
	Details                                 []string
	Figures                                 []figureView
	Tables                                  []tableView // of all parts
	Parts                                   []partView
}

// partView is the tables of a part of the study, which the page folds if there are several parts.
type partView struct {
	Title  string
	Open   bool
	Tables []tableView
}

type figureView struct {
	Title, About string
	Key          []keyView
	Rows         []rowView
}

type keyView struct {
	Mark template.HTML
	Name string
}

// rowView is panels beside each other, as far as there is room.
type rowView struct {
	Title  string
	Panels []template.HTML
}

type tableView struct {
	*Table
	Marks []template.HTML // of the rows; "" for none
}

// WriteHTML writes the findings as a page of HTML that needs no other file. The same findings have
// the same bytes.
func (f *Findings) WriteHTML(w io.Writer) error {
	v := view{Title: f.title(), Machine: f.Study.Machine, About: f.about(), Doubts: doubts(f.Study)}
	recipe := recipeTable(f.Study)
	v.Recipe = newTableView(&recipe)
	for i := range f.Answers {
		a, err := newAnswerView(&f.Answers[i])
		if err != nil {
			return fmt.Errorf("findings: %w, in the answer about %s", err, f.Answers[i].Title)
		}
		v.Answers = append(v.Answers, a)
	}
	var page strings.Builder
	if err := pageTemplate.Execute(&page, v); err != nil {
		return fmt.Errorf("findings: %w", err)
	}
	// The colors that need a dark form are known once the page is made.
	v.DarkColors = template.CSS(chart.DarkColors(page.String()))
	page.Reset()
	if err := pageTemplate.Execute(&page, v); err != nil {
		return fmt.Errorf("findings: %w", err)
	}
	_, err := io.WriteString(w, page.String())
	return err
}

func newAnswerView(a *Answer) (answerView, error) {
	v := answerView{Name: a.Name, Title: a.Title, Question: a.Question, Sentence: a.Sentence, Papers: a.Papers, Details: a.Details}
	for i := range a.Figures {
		f, err := newFigureView(&a.Figures[i])
		if err != nil {
			return v, err
		}
		v.Figures = append(v.Figures, f)
	}
	for i := range a.Tables {
		t := newTableView(&a.Tables[i])
		if t.Part == "" {
			v.Tables = append(v.Tables, t)
			continue
		}
		at := slices.IndexFunc(v.Parts, func(p partView) bool { return p.Title == t.Part })
		if at < 0 {
			at = len(v.Parts)
			v.Parts = append(v.Parts, partView{Title: t.Part})
		}
		v.Parts[at].Tables = append(v.Parts[at].Tables, t)
	}
	if len(v.Parts) == 1 {
		v.Parts[0].Open = true
	}
	return v, nil
}

func newFigureView(f *Figure) (figureView, error) {
	v := figureView{Title: f.Title, About: f.About}
	for _, k := range f.Key {
		v.Key = append(v.Key, keyView{template.HTML(k.Inline()), k.Name})
	}
	for _, row := range f.Rows {
		of := rowView{Title: row.Title}
		// In points: a third, a half, or most of the page's width. A phone shows each at its width.
		width := map[int]float64{1: 400, 2: 340}[len(row.Panels)]
		if width == 0 {
			width = 264
		}
		for i, p := range row.Panels {
			svg, err := chart.Inline(chart.Grid{Panels: []chart.Panel{p}, Width: width}, strings.TrimSuffix(fmt.Sprintf("%s, panel %d, %s", f.Title, i+1, row.Title), ", "))
			if err != nil {
				return v, err
			}
			of.Panels = append(of.Panels, template.HTML(svg))
		}
		v.Rows = append(v.Rows, of)
	}
	return v, nil
}

func newTableView(t *Table) tableView {
	v := tableView{Table: t}
	for _, r := range t.Rows {
		mark := ""
		if r.Look != (chart.Look{}) {
			mark = chart.Key{Look: r.Look}.Inline()
		}
		v.Marks = append(v.Marks, template.HTML(mark))
	}
	return v
}

func (f *Findings) title() string {
	if f.Study.Title != "" {
		return f.Study.Title
	}
	return "Study " + f.Study.Name
}

// about returns the paragraphs that come first.
func (f *Findings) about() (paragraphs []string) {
	for _, p := range strings.Split(f.Study.About, "\n\n") {
		if p = strings.Join(strings.Fields(p), " "); p != "" {
			paragraphs = append(paragraphs, p)
		}
	}
	if !f.Study.Complete() {
		paragraphs = append(paragraphs, fmt.Sprintf("So far %d of %d runs are finished.", f.Study.Done, f.Study.Runs))
	}
	paragraphs = append(paragraphs, collapsed(f.Study)...)
	return paragraphs
}

// Picture is a figure as a file of its own.
type Picture struct {
	Name  string // without the extension
	Chart chart.Chart
}

// Pictures returns the figures of all answers.
func (f *Findings) Pictures() (list []Picture) {
	for i := range f.Answers {
		for j := range f.Answers[i].Figures {
			fig := &f.Answers[i].Figures[j]
			list = append(list, Picture{fig.Name, fig.Grid()})
		}
	}
	return list
}

// Save writes report.html, report.md and the pictures as PNG files into a folder. Each file appears
// whole or not at all.
func (f *Findings) Save(dir string) error {
	err := atomicfile.Write(filepath.Join(dir, "report.html"), f.WriteHTML)
	if err != nil {
		return err
	}
	err = atomicfile.Write(filepath.Join(dir, "report.md"), func(w io.Writer) error {
		return f.WriteMarkdown(w, func(name string) string { return name + ".png" })
	})
	if err != nil {
		return err
	}
	for _, p := range f.Pictures() {
		file, err := chart.Create(filepath.Join(dir, p.Name+".png"))
		if err != nil {
			return err
		}
		if err := file.Draw(p.Chart); err != nil {
			file.Discard()
			return fmt.Errorf("%s.png: %w", p.Name, err)
		}
	}
	return nil
}

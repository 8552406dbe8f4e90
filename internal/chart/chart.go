// Package chart draws charts of measurements into PNG and SVG files with gonum's plot. Charts have
// a white background, so that they can be read on any page, and colors and marks that color-blind
// readers can tell apart.
package chart

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/steppe-ml/steppe/internal/atomicfile"
)

// Chart is one of this package's charts: Lines, Panels, Grid, Ranges, Points, Histogram, Matrix or
// Contours, or a Sheet of them.
type Chart interface {
	figure() (*figure, error)
}

// figure is a chart with its layout: the title above the body, the legend beside it, where it hides
// no point, and the note below.
type figure struct {
	title, note   string
	body          body
	legend        plot.Legend
	width, height vg.Length
}

// body is what a figure frames: a *plot.Plot, or several of them, or a matrix.
type body interface {
	Draw(draw.Canvas)
}

// formats lists the formats of files by extension.
var formats = []struct {
	extension string
	write     func(*figure, io.Writer) error
}{
	{".png", writePNG},
	{".svg", writeSVG},
}

// File is the file of a chart. It can be created before there is anything to draw.
type File struct {
	file  *atomicfile.File
	write func(*figure, io.Writer) error
}

// Create creates the file of a path. The extension of the path chooses the format: .png or .svg. An
// existing file stays as it is until Draw.
func Create(path string) (*File, error) {
	var known []string
	for _, f := range formats {
		if strings.EqualFold(filepath.Ext(path), f.extension) {
			file, err := atomicfile.Create(path)
			if err != nil {
				return nil, err
			}
			return &File{file, f.write}, nil
		}
		known = append(known, f.extension)
	}
	return nil, fmt.Errorf("a chart in %q: the name must end in one of %s", path, strings.Join(known, ", "))
}

// Draw draws the chart and gives the file its name.
func (f *File) Draw(c Chart) error {
	figure, err := c.figure()
	if err != nil {
		return err
	}
	if err := f.write(figure, f.file); err != nil {
		return err
	}
	return f.file.Commit()
}

// Discard removes the file, unless Draw has succeeded.
func (f *File) Discard() { f.file.Discard() }

func save(path string, c Chart) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	return f.Draw(c)
}

// dotsPerInch is two pixels for each CSS pixel: sharp on dense screens, and large enough if a page
// shrinks the image.
const dotsPerInch = 192

func writePNG(f *figure, w io.Writer) error {
	c := vgimg.NewWith(vgimg.UseWH(f.width, f.height), vgimg.UseDPI(dotsPerInch))
	f.draw(draw.New(c))
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(w)
	return err
}

// writeSVG keeps text as text. It adds fonts with the widths of Liberation Sans, for readers who
// don't have that one.
func writeSVG(f *figure, w io.Writer) error {
	svg, err := f.svg()
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, strings.ReplaceAll(svg,
		"font-family:Liberation Sans;", "font-family:Liberation Sans,Arimo,Helvetica,Arial,sans-serif;"))
	return err
}

func (f *figure) svg() (string, error) {
	c := vgsvg.New(f.width, f.height)
	f.draw(draw.New(c))
	var b strings.Builder
	_, err := c.WriteTo(&b)
	return b.String(), err
}

func (f *figure) draw(c draw.Canvas) {
	c.SetColor(paper)
	c.Fill(c.Rectangle.Path())
	f.drawIn(draw.Crop(c, margin, -margin, margin, -margin), titleSize)
}

// drawIn draws the figure without paper and margins, with a title of that size.
func (f *figure) drawIn(c draw.Canvas, size vg.Length) {
	if f.title != "" {
		style := textStyle(titleSize)
		style.Font.Size = size
		c.FillText(style, vg.Point{X: c.Min.X, Y: c.Max.Y}, clean(f.title))
		c.Max.Y -= style.Height(f.title) + margin
	}
	for _, line := range slices.Backward(f.notes()) {
		style := noteStyle()
		c.FillText(style, c.Min, line)
		c.Min.Y += style.Height(line)
	}
	if f.note != "" {
		c.Min.Y += margin / 2
	}
	if size := f.legend.Rectangle(c).Size(); size.X > 0 {
		beside := c
		beside.Min.X = c.Max.X - size.X
		f.legend.Draw(beside)
		c.Max.X -= size.X + margin
	}
	f.body.Draw(c)
}

// around returns the height of a figure whose body takes up that much.
func (f *figure) around(body vg.Length) vg.Length {
	height := body + 2*margin
	if f.title != "" {
		height += textStyle(titleSize).Height(f.title) + margin
	}
	for _, line := range f.notes() {
		height += noteStyle().Height(line)
	}
	if f.note != "" {
		height += margin / 2
	}
	return height
}

func noteStyle() text.Style {
	style := textStyle(noteSize)
	style.Color, style.YAlign = faint, text.YBottom
	return style
}

// notes returns the note in lines as long as the figure is wide.
func (f *figure) notes() []string { return broken(f.note, noteStyle(), f.width-2*margin) }

// broken returns a text in lines that are at most so wide, broken at spaces that aren't no-break
// spaces. A word that is wider ends in an ellipsis.
func broken(s string, style text.Style, width vg.Length) (lines []string) {
	for _, word := range strings.FieldsFunc(clean(s), func(r rune) bool { return r == ' ' }) {
		if last := len(lines) - 1; last >= 0 && style.Width(lines[last]+" "+word) <= width {
			lines[last] += " " + word
		} else {
			lines = append(lines, shortened(word, style, width))
		}
	}
	return lines
}

// shortened returns a text that is at most so wide, with an ellipsis for what it leaves out.
func shortened(s string, style text.Style, width vg.Length) string {
	if style.Width(s) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 1 && style.Width(string(runes)+"…") > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

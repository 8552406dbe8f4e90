package chart

import (
	"image/color"
	"strings"
	"unicode"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	titleSize  = 13 // points
	labelSize  = 11
	tickSize   = 10
	noteSize   = 9
	margin     = vg.Length(12)
	lineWidth  = vg.Length(1.75)
	markRadius = vg.Length(3.25)
)

// colors are those of Okabe and Ito, "Color Universal Design" (2008), without black, and without
// yellow, which is too light on white.
var colors = []color.Color{
	color.RGBA{0x00, 0x72, 0xb2, 0xff}, // blue
	color.RGBA{0xd5, 0x5e, 0x00, 0xff}, // vermilion
	color.RGBA{0x00, 0x9e, 0x73, 0xff}, // bluish green
	color.RGBA{0xcc, 0x79, 0xa7, 0xff}, // reddish purple
	color.RGBA{0xe6, 0x9f, 0x00, 0xff}, // orange
	color.RGBA{0x56, 0xb4, 0xe9, 0xff}, // sky blue
}

// marks has one mark fewer than there are colors, so that 30 series look different.
var marks = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, diamond{}, nabla{}}

// paper, ink, faint, rule and stripe are the grays. Inline knows them by their values.
var (
	paper  = color.Gray{0xff}
	ink    = color.Gray{0x33}
	rule   = color.Gray{0xdd}
	faint  = color.Gray{0x77}
	stripe = color.Gray{0xf6}

	dashed = draw.LineStyle{Color: faint, Width: 1, Dashes: []vg.Length{4, 3}}
)

// textStyle returns the style of text that lies below and to the right of a point.
func textStyle(size vg.Length) text.Style {
	style := text.Style{
		Color: ink, Handler: plot.DefaultTextHandler, YAlign: text.YTop,
		Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
	}
	if size == titleSize {
		style.Font.Weight = xfont.WeightBold
	}
	return style
}

// middleStyle returns textStyle of text whose small letters are in the middle of a point's height.
func middleStyle(size vg.Length) text.Style {
	style := textStyle(size)
	style.YAlign = -0.38 // YCenter leaves room for descenders, so that numbers hang below the middle
	return style
}

// newPlot returns an empty plot with labels for its axes, and an empty legend.
func newPlot(x, y string) (*plot.Plot, plot.Legend) {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = clean(x), clean(y)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle.Font = textStyle(labelSize).Font
		axis.Label.TextStyle.Color = ink
		axis.Label.Padding = 5
		axis.Tick.Label.Font = textStyle(tickSize).Font
		axis.Tick.Label.Color = ink
		axis.Tick.Length = 4
		axis.Tick.Color, axis.Color = faint, faint
	}
	legend := plot.NewLegend()
	legend.TextStyle.Font = textStyle(labelSize).Font
	legend.TextStyle.Color = ink
	legend.Top, legend.Left = true, true
	legend.Padding = 4
	legend.ThumbnailWidth = 24
	return p, legend
}

// clean returns text as one line that every format can hold: control characters, which an SVG can't
// have, are spaces, and bytes that aren't UTF-8 are the replacement character.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

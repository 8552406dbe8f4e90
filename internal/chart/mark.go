package chart

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The marks that package draw lacks. All are filled, and about as large as a circle of their radius.

// open is a mark filled with white.
type open struct{ shape draw.GlyphDrawer }

func (o open) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	o.shape.DrawGlyph(c, style, at)
	style.Color, style.Radius = color.White, 0.6*style.Radius
	c.SetColor(style.Color) // a GlyphDrawer draws in the canvas's color
	o.shape.DrawGlyph(c, style, at)
}

type diamond struct{}

func (diamond) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	r := style.Radius * 1.25
	polygon(c, at, vg.Point{Y: r}, vg.Point{X: r}, vg.Point{Y: -r}, vg.Point{X: -r})
}

// nabla is a triangle that stands on its tip.
type nabla struct{}

func (nabla) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	r := style.Radius * 1.25
	polygon(c, at, vg.Point{Y: -r}, vg.Point{X: r * 0.87, Y: r / 2}, vg.Point{X: -r * 0.87, Y: r / 2})
}

func polygon(c *draw.Canvas, at vg.Point, corners ...vg.Point) {
	var path vg.Path
	path.Move(at.Add(corners[0]))
	for _, corner := range corners[1:] {
		path.Line(at.Add(corner))
	}
	path.Close()
	c.Fill(path)
}

// plainLook is that of a key that explains no series.
var plainLook = Look{color: color.RGBA{0x77, 0x77, 0x77, 0xff}, shape: draw.CircleGlyph{}}

// drawMark draws the mark on a thin rim in the color of paper, which parts it from marks below it.
func (l Look) drawMark(c draw.Canvas, at vg.Point, isOpen bool) {
	style := l.mark()
	if isOpen {
		style.Shape = open{style.Shape}
	}
	rim := l.mark()
	rim.Color, rim.Radius = color.White, style.Radius+0.8
	c.DrawGlyph(rim, at)
	c.DrawGlyph(style, at)
}

// drawArrow draws an arrow whose tip points along (x, y), for a value beyond the axis.
func (l Look) drawArrow(c draw.Canvas, at vg.Point, x, y vg.Length) {
	c.SetColor(l.color)
	const r, w = 4, 3.4
	polygon(&c, at, vg.Point{X: r * x, Y: r * y}, vg.Point{X: -r*x + w*y, Y: -r*y + w*x}, vg.Point{X: -r*x - w*y, Y: -r*y - w*x})
}

// drawRing draws a ring around a mark.
func (l Look) drawRing(c draw.Canvas, at vg.Point) {
	c.SetLineStyle(draw.LineStyle{Color: l.color, Width: 1.3})
	var path vg.Path
	const radius = 1.8 * markRadius
	path.Move(vg.Point{X: at.X + radius, Y: at.Y})
	path.Arc(at, radius, 0, 2*math.Pi)
	path.Close()
	c.Stroke(path)
}

// drawCross draws a thin cross, for a run that failed.
func (l Look) drawCross(c draw.Canvas, at vg.Point) {
	style := draw.LineStyle{Color: l.color, Width: 1.6}
	const r = 3.2
	c.StrokeLine2(style, at.X-r, at.Y-r, at.X+r, at.Y+r)
	c.StrokeLine2(style, at.X-r, at.Y+r, at.X+r, at.Y-r)
}

// regular is a polygon whose corners lie on two circles in turn: a star, or a polygon with equal
// sides if the circles are one.
type regular struct {
	corners     int
	first, next vg.Length // radii, as parts of the style's
	turn        float64   // of the first corner from the top, as a part of a full turn
}

var (
	pentagon  = regular{5, 1.15, 1.15, 0}
	hexagon   = regular{6, 1.1, 1.1, 0.25}
	star      = regular{10, 1.5, 0.62, 0}
	spark     = regular{8, 1.5, 0.5, 0}
	leftward  = regular{3, 1.25, 1.25, 0.75}
	rightward = regular{3, 1.25, 1.25, 0.25}
)

func (r regular) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	corners := make([]vg.Point, r.corners)
	for i := range corners {
		radius := r.first * style.Radius
		if i%2 == 1 {
			radius = r.next * style.Radius
		}
		sin, cos := math.Sincos(2 * math.Pi * (r.turn + float64(i)/float64(r.corners)))
		corners[i] = vg.Point{X: radius * vg.Length(sin), Y: radius * vg.Length(cos)}
	}
	polygon(c, at, corners...)
}

// bar is an upright or flat rectangle, by the halves of its sides.
type bar struct{ width, height vg.Length }

func (b bar) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	x, y := 1.2*b.width*style.Radius, 1.2*b.height*style.Radius
	polygon(c, at, vg.Point{X: -x, Y: -y}, vg.Point{X: x, Y: -y}, vg.Point{X: x, Y: y}, vg.Point{X: -x, Y: y})
}

// plus is a thick plus sign.
type plus struct{}

func (plus) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	r, w := 1.25*style.Radius, 0.5*style.Radius
	polygon(c, at, vg.Point{X: -w, Y: r}, vg.Point{X: w, Y: r}, vg.Point{X: w, Y: w}, vg.Point{X: r, Y: w},
		vg.Point{X: r, Y: -w}, vg.Point{X: w, Y: -w}, vg.Point{X: w, Y: -r}, vg.Point{X: -w, Y: -r},
		vg.Point{X: -w, Y: -w}, vg.Point{X: -r, Y: -w}, vg.Point{X: -r, Y: w}, vg.Point{X: -w, Y: w})
}

// cross is a thick x.
type cross struct{}

func (cross) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	r, w := 0.9*style.Radius, 0.65*style.Radius // w along an axis
	polygon(c, at, vg.Point{Y: w}, vg.Point{X: r - w/2, Y: r + w/2}, vg.Point{X: r + w/2, Y: r - w/2}, vg.Point{X: w},
		vg.Point{X: r + w/2, Y: w/2 - r}, vg.Point{X: r - w/2, Y: -r - w/2}, vg.Point{Y: -w}, vg.Point{X: w/2 - r, Y: -r - w/2},
		vg.Point{X: -r - w/2, Y: w/2 - r}, vg.Point{X: -w}, vg.Point{X: -r - w/2, Y: r - w/2}, vg.Point{X: w/2 - r, Y: r + w/2})
}

// hourglass is two triangles that touch, one above the other.
type hourglass struct{}

func (hourglass) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	r := style.Radius
	polygon(c, at, vg.Point{X: -r, Y: 1.1 * r}, vg.Point{X: r, Y: 1.1 * r}, vg.Point{X: -r, Y: -1.1 * r}, vg.Point{X: r, Y: -1.1 * r})
}

// bowtie is two triangles that touch, side by side.
type bowtie struct{}

func (bowtie) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	r := style.Radius
	polygon(c, at, vg.Point{X: -1.1 * r, Y: r}, vg.Point{X: 1.1 * r, Y: -r}, vg.Point{X: 1.1 * r, Y: r}, vg.Point{X: -1.1 * r, Y: -r})
}

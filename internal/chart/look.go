package chart

import (
	"fmt"
	"hash/crc32"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg/draw"
)

// Look is how a series is drawn: the color of its line and the shape and color of its marks.
// The zero value leaves it to the chart.
type Look struct {
	color  color.RGBA
	shape  draw.GlyphDrawer
	number int // 0 unless numbered
}

// Numbered returns the look of a series that is no method: a number from 1 on. 30 of them differ.
func Numbered(number int) Look {
	i := max(0, number-1)
	return Look{colors[i%len(colors)].(color.RGBA), marks[i%len(marks)], number}
}

// methodColors says how each method is drawn, in every chart of every command. A method without
// shards has a color and a mark. A sharded one has a hue: the more shards, the darker its shade,
// and each number of shards has a mark. All of them can be told apart by readers with full color
// vision; the first seven also by color-blind ones, and others by their marks besides.
var methodColors = []methodColor{
	{method: "sgd", color: 0x4d4d4d, shape: plus{}},
	{method: "sam", color: 0x0072b2, shape: draw.CircleGlyph{}},
	{method: "msam", hue: 45, turn: 10, chroma: 0.19},
	{method: "asam", color: 0x009e73, shape: pentagon},
	{method: "masam", hue: 297, turn: 6, chroma: 0.19},
	{method: "esam", color: 0xcc79a7, shape: cross{}},
	{method: "looksam", color: 0x56b4e9, shape: star},

	{method: "mesam", hue: 352, turn: 6, chroma: 0.19},
	{method: "mlooksam", hue: 225, turn: 6, chroma: 0.11},
	{method: "gsam", color: 0x8fb339, shape: leftward},
	{method: "mgsam", hue: 135, turn: 6, chroma: 0.17},
	{method: "wsam", color: 0x670463, shape: rightward},
	{method: "mwsam", hue: 325, turn: 6, chroma: 0.19},
	{method: "fsam", color: 0x6f7d5a, shape: spark},
	{method: "mfsam", hue: 185, turn: 6, chroma: 0.05},
	{method: "momentum-sam", color: 0xb8860b, shape: hourglass{}},
	{method: "sam-3step", color: 0x3a4fd0, shape: hexagon},
	{method: "msam-3step", hue: 262, turn: 6, chroma: 0.17},
	{method: "sadt-noise", color: 0x00b8b0, shape: bar{1, 0.45}},
	{method: "sadt-ascent", color: 0x006470, shape: bar{0.45, 1}},
	{method: "msadt-ascent", hue: 20, turn: 6, chroma: 0.06},
	{method: "sam-on", color: 0xd9bd00, shape: bowtie{}},
	{method: "msam-on", hue: 105, turn: 6, chroma: 0.12},
	{method: "sam-quarter", color: 0x84698b, shape: spark},
	{method: "sam-5", color: 0x8c5a3c, shape: hexagon},
}

// methodColor is a row of methodColors.
type methodColor struct {
	method string
	color  uint32 // of a method without shards
	shape  draw.GlyphDrawer

	hue, turn, chroma float64 // of a sharded method: degrees, degrees less for twice the shards, OKLCH
}

// Method returns the look of a method with a number of shards. A method that the table doesn't know
// has a hue that depends on its name.
func Method(name string, shards int) Look {
	for _, row := range methodColors {
		if row.method == name {
			return row.look(shards)
		}
	}
	hue := float64(crc32.ChecksumIEEE([]byte(name)) % 360)
	row := methodColor{hue: hue, turn: 6, chroma: 0.09}
	look := row.look(max(shards, 8))
	if shards <= 1 {
		look.shape = hexagon
	}
	return look
}

// HasMethod reports whether the table knows a method.
func HasMethod(name string) bool {
	return slices.ContainsFunc(methodColors, func(m methodColor) bool { return m.method == name })
}

func (m methodColor) look(shards int) Look {
	if m.shape != nil {
		return Look{color.RGBA{uint8(m.color >> 16), uint8(m.color >> 8), uint8(m.color), 0xff}, m.shape, 0}
	}
	doubled := math.Log2(float64(max(1, shards)))
	lightness := 0.655 - 0.125*(doubled-3)
	if doubled < 2 {
		lightness = 0.78 + 0.04*(2-doubled)
	}
	shade := oklch{max(0.2, lightness), m.chroma, m.hue - m.turn*(doubled-3)}.rgb()
	return Look{shade, shardMarks[min(int(math.Round(doubled)), len(shardMarks)-1)], 0}
}

// Variant returns a look for a variant of a method, such as one with other settings; that of number
// 0 is the method's own. It has the method's hue, lighter or darker, and another mark.
func (l Look) Variant(number int) Look {
	if number <= 0 {
		return l
	}
	o := oklchOf(l.color)
	step := 0.13 * float64((number+1)/2)
	if (number%2 == 1) == (o.lightness > 0.5) {
		step = -step
	}
	o.lightness = min(max(o.lightness+step, 0.25), 0.85)
	l.color = o.rgb()
	l.shape = variantMarks[(number-1)%len(variantMarks)]
	return l
}

var variantMarks = []draw.GlyphDrawer{rightward, hexagon, leftward, spark, bowtie{}}

// shardMarks are the marks of 1, 2, 4 shards and so on.
var shardMarks = []draw.GlyphDrawer{
	draw.CircleGlyph{}, leftward, draw.PyramidGlyph{}, draw.BoxGlyph{}, diamond{}, nabla{}, rightward, hexagon, star,
}

// CSS returns the color for a style of HTML: a variable that DarkColors sets, and the color of a
// light page besides.
func (l Look) CSS() string { return variable(l.color) }

func (l Look) line() draw.LineStyle { return draw.LineStyle{Color: l.color, Width: lineWidth} }

func (l Look) mark() draw.GlyphStyle {
	return draw.GlyphStyle{Color: l.color, Radius: markRadius, Shape: l.shape}
}

// interval returns the style of intervals.
func (l Look) interval() draw.LineStyle { return draw.LineStyle{Color: l.color, Width: 1.1} }

// variable returns a color as a CSS variable, with its value on a light page.
func variable(c color.RGBA) string {
	hex := fmt.Sprintf("%02x%02x%02x", c.R, c.G, c.B)
	return "var(--chart-" + hex + ",#" + hex + ")"
}

// DarkColors returns the CSS that sets the colors of series that occur in the text of a page, for
// its dark mode: "--chart-0072b2:#2f8fd0;" and so on. They are as far apart as in the light mode,
// but lighter.
func DarkColors(page string) string {
	var css strings.Builder
	seen := map[string]bool{}
	for {
		_, rest, ok := strings.Cut(page, "var(--chart-")
		if !ok {
			return css.String()
		}
		page = rest
		name, _, ok := strings.Cut(rest, ",")
		value, err := strconv.ParseUint(name, 16, 24)
		if !ok || len(name) != 6 || err != nil || seen[name] {
			continue
		}
		seen[name] = true
		d := dark(color.RGBA{uint8(value >> 16), uint8(value >> 8), uint8(value), 0xff})
		fmt.Fprintf(&css, "--chart-%s:#%02x%02x%02x;", name, d.R, d.G, d.B)
	}
}

// dark returns a color for a dark page. Lightness in OKLCH from 0.2 to 0.86 becomes 0.52 to 0.9.
func dark(c color.RGBA) color.RGBA {
	look := oklchOf(c)
	look.lightness = 0.52 + (min(max(look.lightness, 0.2), 0.86)-0.2)*(0.9-0.52)/(0.86-0.2)
	look.chroma *= 0.95
	return look.rgb()
}

// oklch is a color by lightness from 0 to 1, chroma and hue in degrees, so that equal distances look
// alike: Ottosson, "A perceptual color space for image processing" (2020).
type oklch struct{ lightness, chroma, hue float64 }

// rgb returns the color, with less chroma if a screen can't show that much.
func (o oklch) rgb() color.RGBA {
	for chroma := o.chroma; ; chroma -= 0.004 {
		sin, cos := math.Sincos(o.hue * math.Pi / 180)
		a, b := max(0, chroma)*cos, max(0, chroma)*sin
		l := math.Pow(o.lightness+0.3963377774*a+0.2158037573*b, 3)
		m := math.Pow(o.lightness-0.1055613458*a-0.0638541728*b, 3)
		s := math.Pow(o.lightness-0.0894841775*a-1.2914855480*b, 3)
		linear := [3]float64{
			4.0767416621*l - 3.3077115913*m + 0.2309699292*s,
			-1.2684380046*l + 2.6097574011*m - 0.3413193965*s,
			-0.0041960863*l - 0.7034186147*m + 1.7076147010*s,
		}
		var level [3]uint8
		fits := true
		for i, v := range linear {
			const slack = 1e-4
			fits = fits && v >= -slack && v <= 1+slack
			level[i] = uint8(math.Round(255 * encoded(min(max(v, 0), 1))))
		}
		if fits || chroma <= 0 {
			return color.RGBA{level[0], level[1], level[2], 0xff}
		}
	}
}

func oklchOf(c color.RGBA) oklch {
	red, green, blue := decoded(c.R), decoded(c.G), decoded(c.B)
	l := math.Cbrt(0.4122214708*red + 0.5363325363*green + 0.0514459929*blue)
	m := math.Cbrt(0.2119034982*red + 0.6806995451*green + 0.1073969566*blue)
	s := math.Cbrt(0.0883024619*red + 0.2817188376*green + 0.6299787005*blue)
	a := 1.9779984951*l - 2.4285922050*m + 0.4505937099*s
	b := 0.0259040371*l + 0.7827717662*m - 0.8086757660*s
	return oklch{0.2104542553*l + 0.7936177850*m - 0.0040720468*s, math.Hypot(a, b), math.Atan2(b, a) * 180 / math.Pi}
}

// encoded is the transfer function of sRGB, and decoded undoes it.
func encoded(linear float64) float64 {
	if linear <= 0.0031308 {
		return 12.92 * linear
	}
	return 1.055*math.Pow(linear, 1/2.4) - 0.055
}

func decoded(level uint8) float64 {
	v := float64(level) / 255
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

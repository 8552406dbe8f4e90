package chart

import (
	"fmt"
	"html"
	"image/color"
	"regexp"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Inline returns the chart as an SVG element for the body of an HTML page. It is as large as in a
// file, or as wide as the page lets it be. It has the page's font, for which there is room if that
// is as wide as Liberation Sans or Arial. Its colors are CSS variables of the page, so that a page
// with a dark mode can set --chart-paper, --chart-ink, --chart-faint, --chart-rule, --chart-stripe,
// and those of the series, which DarkColors returns; without them they are those of a file. label
// says what the chart shows, for readers who hear the page.
func Inline(c Chart, label string) (string, error) {
	f, err := c.figure()
	if err != nil {
		return "", err
	}
	svg, err := f.svg()
	if err != nil {
		return "", err
	}
	attributes := fmt.Sprintf(`class="chart" role="img" aria-label="%s"`, html.EscapeString(clean(label)))
	return element(svg, attributes, ";max-width:100%;height:auto", f.width, f.height)
}

// Inline returns the key's mark as an SVG element for the text of an HTML page.
func (k Key) Inline() string {
	const height = vg.Length(12)
	width := k.width()
	c := vgsvg.New(width, height)
	k.drawIn(draw.New(c))
	var b strings.Builder
	_, err := c.WriteTo(&b)
	if err == nil {
		var svg string
		if svg, err = element(b.String(), `class="mark" aria-hidden="true"`, "", width, height); err == nil {
			return svg
		}
	}
	panic(err) // impossible: a strings.Builder takes all, and it is an SVG
}

// element returns an SVG file as an element for the body of a page, with a style besides its width.
func element(svg, attributes, style string, width, height vg.Length) (string, error) {
	_, content, ok := strings.Cut(svg, "<svg ")
	_, content, open := strings.Cut(content, ">")
	if !ok || !open {
		return "", fmt.Errorf("chart: no svg element in %d bytes of SVG", len(svg))
	}
	head := fmt.Sprintf(`<svg %s viewBox="0 0 %.5g %.5g" preserveAspectRatio="xMinYMin" style="width:%.5gpt%s">`,
		attributes, width.Points(), height.Points(), width.Points(), style)
	return head + strings.TrimSpace(styles.ReplaceAllStringFunc(content, themed)), nil
}

// themed replaces what a style says of fonts and colors.
func themed(style string) string {
	return hues.ReplaceAllStringFunc(themes.Replace(style), func(hue string) string {
		var c color.RGBA
		if _, err := fmt.Sscanf(hue, ":#%02X%02X%02X", &c.R, &c.G, &c.B); err != nil {
			panic(err) // impossible: hues matches nothing else
		}
		if c.R == light.Y && c.G == light.Y && c.B == light.Y {
			return hue // on a deep color, whatever the page
		}
		return ":" + variable(c)
	})
}

// styles matches the styles of an SVG, and no text in it, where a double quote is an entity.
var styles = regexp.MustCompile(`style="[^"]*"`)

// hues matches the colors of styles that aren't grays of themes.
var hues = regexp.MustCompile(":#[0-9A-F]{6}")

// themes replaces what a style says of fonts and grays.
var themes = strings.NewReplacer(
	"font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal;", "",
	"font-family:Liberation Sans;font-variant:normal;font-weight:bold;font-style:normal;", "font-weight:bold;",
	":#FFFFFF", ":var(--chart-paper,#fff)",
	":#333333", ":var(--chart-ink,#333)",
	":#777777", ":var(--chart-faint,#777)",
	":#DDDDDD", ":var(--chart-rule,#ddd)",
	":#F6F6F6", ":var(--chart-stripe,#f6f6f6)",
)

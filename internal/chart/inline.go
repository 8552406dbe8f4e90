package chart

import (
	"fmt"
	"html"
	"regexp"
	"strings"
)

// Inline returns the chart as an SVG element for the body of an HTML page. It scales with the page
// and has the page's font. Its grays are CSS variables of the page, so that a page with a dark mode
// can set --chart-paper, --chart-ink, --chart-faint, --chart-rule and --chart-stripe; without them
// they are those of a file. label says what the chart shows, for readers who hear the page.
func Inline(c Chart, label string) (string, error) {
	f, err := c.figure()
	if err != nil {
		return "", err
	}
	svg, err := f.svg()
	if err != nil {
		return "", err
	}
	_, content, ok := strings.Cut(svg, "<svg ")
	_, content, open := strings.Cut(content, ">")
	if !ok || !open {
		return "", fmt.Errorf("chart: no svg element in %d bytes of SVG", len(svg))
	}
	head := fmt.Sprintf(`<svg class="chart" role="img" aria-label="%s" viewBox="0 0 %.5g %.5g" style="max-width:%.5gpt">`,
		html.EscapeString(clean(label)), f.width.Points(), f.height.Points(), f.width.Points())
	return head + strings.TrimSpace(styles.ReplaceAllStringFunc(content, themes.Replace)), nil
}

// styles matches the styles of an SVG, and no text in it, where a double quote is an entity.
var styles = regexp.MustCompile(`style="[^"]*"`)

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

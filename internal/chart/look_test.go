package chart

import (
	"image/color"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// looks returns the looks of all methods, the sharded ones with 4 to 32 shards.
func looks() (names []string, list []Look) {
	for _, row := range methodColors {
		shards := []int{1}
		if row.shape == nil {
			shards = []int{4, 8, 16, 32}
		}
		for _, n := range shards {
			names, list = append(names, row.method+strings.Repeat("'", n/4)), append(list, Method(row.method, n))
		}
	}
	return names, list
}

// No two methods, nor two numbers of shards, have a color that looks the same, on a light page or on
// a dark one.
func TestLooksDiffer(t *testing.T) {
	names, list := looks()
	for i, a := range list {
		for j, b := range list[:i] {
			assert.Greater(t, distance(a.color, b.color), 0.035, "%s and %s", names[i], names[j])
			assert.Greater(t, distance(dark(a.color), dark(b.color)), 0.02, "%s and %s on a dark page", names[i], names[j])
		}
		assert.NotNil(t, a.shape, names[i])
	}
}

// Color-blind readers can tell the main methods apart: by color, or else by marks.
func TestLooksOfColorBlind(t *testing.T) {
	// Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
	// deficiency" (2009): linear light as seen without the second and without the first cones.
	for name, matrix := range map[string][3][3]float64{
		"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
		"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	} {
		seen := func(c color.RGBA) color.RGBA {
			in := [3]float64{decoded(c.R), decoded(c.G), decoded(c.B)}
			var out [3]uint8
			for i, row := range matrix {
				v := row[0]*in[0] + row[1]*in[1] + row[2]*in[2]
				out[i] = uint8(math.Round(255 * encoded(min(max(v, 0), 1))))
			}
			return color.RGBA{out[0], out[1], out[2], 0xff}
		}
		names, list := looks()
		list = list[:13] // sgd to looksam
		for i, a := range list {
			for j, b := range list[:i] {
				if a.shape == b.shape {
					assert.Greater(t, distance(seen(a.color), seen(b.color)), 0.1, "%s: %s and %s", name, names[i], names[j])
				}
				assert.Greater(t, distance(seen(a.color), seen(b.color)), 0.03, "%s: %s and %s", name, names[i], names[j])
			}
		}
	}
}

func distance(a, b color.RGBA) float64 {
	x, y := oklchOf(a), oklchOf(b)
	angle := (x.hue - y.hue) * math.Pi / 180
	square := x.chroma*x.chroma + y.chroma*y.chroma - 2*x.chroma*y.chroma*math.Cos(angle)
	return math.Hypot(x.lightness-y.lightness, math.Sqrt(max(0, square)))
}

// More shards are darker, and colors of any number of shards can be shown.
func TestShades(t *testing.T) {
	last := 1.0
	for n := 1; n <= 1024; n *= 2 {
		now := oklchOf(Method("msam", n).color).lightness
		assert.LessOrEqual(t, now, last+0.01, "%d shards", n)
		last = now
	}
	assert.Equal(t, Method("msam", 0), Method("msam", 1))
	assert.NotEqual(t, Method("msam", 12), Method("msam", 8), "12 shards have a shade of their own")
}

// A method that the table doesn't know has a look of its own all the same.
func TestUnknownMethod(t *testing.T) {
	a, b := Method("nova", 1), Method("vasso", 1)
	assert.NotEqual(t, a.color, b.color)
	assert.NotEqual(t, Method("nova", 8).color, Method("nova", 32).color)
}

// Colors survive the way to OKLCH and back; those that no screen shows lose chroma.
func TestOKLCH(t *testing.T) {
	for _, c := range []color.RGBA{{0, 0, 0, 255}, {255, 255, 255, 255}, {0, 0x72, 0xb2, 255}, {250, 3, 100, 255}} {
		assert.Equal(t, c, oklchOf(c).rgb())
	}
	red := oklchOf(color.RGBA{255, 0, 0, 255})
	assert.InDelta(t, 0.628, red.lightness, 1e-3, "of the article")
	assert.InDelta(t, 0.2577, red.chroma, 1e-3)
	assert.InDelta(t, 29.23, red.hue, 0.05)
	vivid := oklchOf(oklch{0.6, 0.9, 150}.rgb())
	assert.InDelta(t, 0.6, vivid.lightness, 0.02)
	assert.InDelta(t, 150, vivid.hue, 3)
}

// A page's dark mode knows the colors that its charts have, once each.
func TestDarkColors(t *testing.T) {
	page := Method("sam", 1).CSS() + " " + Numbered(1).CSS() + " " + Method("sgd", 1).CSS() + " var(--chart-paper,#fff)"
	css := DarkColors(page)
	assert.Equal(t, 2, strings.Count(css, "--chart-"), css)
	assert.Contains(t, css, "--chart-0072b2:#")
	assert.Contains(t, css, "--chart-4d4d4d:#")
	assert.NotContains(t, css, ":#0072b2")
	assert.Empty(t, DarkColors("--chart-0072b2, var(--chart-ink,#333) var(--chart-0072b2"))
}

package dataset

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The short ways onto the canvas give the pixels that image/draw gives on white.
func TestLay(t *testing.T) {
	const side = 32
	bounds := image.Rect(0, 0, side, side)
	random := NewRandom(1, 1)
	anyColor := func(alpha uint8) color.NRGBA {
		return color.NRGBA{uint8(random.Below(256)), uint8(random.Below(256)), uint8(random.Below(256)), alpha}
	}
	pictures := map[string]image.Image{}
	for name, alpha := range map[string]func() uint8{
		"opaque":      func() uint8 { return 255 },
		"transparent": func() uint8 { return uint8(random.Below(256)) },
	} {
		for _, colors := range []int{1, 2, 17, 256} {
			p := image.NewPaletted(bounds, nil)
			for range colors {
				p.Palette = append(p.Palette, anyColor(alpha()))
			}
			for i := range p.Pix {
				p.Pix[i] = uint8(random.Below(colors))
			}
			pictures[fmt.Sprintf("%s palette of %d", name, colors)] = p
		}
		n := image.NewNRGBA(bounds)
		for i := range side * side {
			n.SetNRGBA(i%side, i/side, anyColor(alpha()))
		}
		pictures[name+" NRGBA"] = n
		pictures[name+" part of an NRGBA"] = n.SubImage(image.Rect(0, 0, side, side/2))
	}
	m := new(memory) // one for all, as reading keeps it
	for name, picture := range pictures {
		want := image.NewRGBA(bounds)
		draw.Draw(want, bounds, image.White, image.Point{}, draw.Src)
		draw.Draw(want, picture.Bounds(), picture, picture.Bounds().Min, draw.Over)
		got := m.lay(picture, bounds)
		assert.Equal(t, want.Rect, got.Rect, name)
		assert.Equal(t, want.Pix, got.Pix, name)
	}
}

// A pixel whose color the palette doesn't have, as damaged BMP files have it, doesn't become some
// other color.
func TestLayNoSuchColor(t *testing.T) {
	p := image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.White, color.Black})
	p.Pix[5] = 2
	assert.Panics(t, func() { new(memory).lay(p, p.Rect) }, "which decode makes an error of")
}

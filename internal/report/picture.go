package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/png"
	"math"

	"golang.org/x/image/draw"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// Picture is a sample to draw.
type Picture struct {
	Shape    net.Shape       // [height, width, channels], or [height, width]
	Values   []float32       // [height, width, channels]
	Standard dataset.MeanStd // that Values are standardized by; the zero value for none
}

// Image returns the picture as pixels. One channel is gray, three are red, green and blue, and of
// any other number the mean is gray. Values are from 0, black, to 1; if one is outside, the least
// of the picture is black and the largest is white. A value that isn't finite is black.
//
// It returns an error if Shape isn't that of a picture, or if Values or Standard don't fit it.
func (p Picture) Image() (image.Image, error) {
	height, width, channels, err := p.size()
	if err != nil {
		return nil, err
	}
	values := p.restored()
	scale := scaling(values)
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range height * width {
		pixel := values[i*channels:][:channels]
		var c color.NRGBA
		if channels == 3 {
			c = color.NRGBA{scale.level(pixel[0]), scale.level(pixel[1]), scale.level(pixel[2]), 0xff}
		} else {
			sum := 0.0
			for _, v := range pixel {
				sum += v
			}
			gray := scale.level(sum / float64(channels))
			c = color.NRGBA{gray, gray, gray, 0xff}
		}
		img.SetNRGBA(i%width, i/width, c)
	}
	return img, nil
}

// size returns the dimensions of a picture whose values fit them.
func (p Picture) size() (height, width, channels int, err error) {
	if err := p.Shape.Validate(); err != nil {
		return 0, 0, 0, fmt.Errorf("report: picture: %w", err)
	}
	switch len(p.Shape) {
	case 2:
		height, width, channels = p.Shape[0], p.Shape[1], 1
	case 3:
		height, width, channels = p.Shape[0], p.Shape[1], p.Shape[2]
	default:
		return 0, 0, 0, fmt.Errorf("report: picture of shape %v, want height, width and channels", p.Shape)
	}
	if len(p.Values) != p.Shape.Size() {
		return 0, 0, 0, fmt.Errorf("report: picture of shape %v has %d values, want %d", p.Shape, len(p.Values), p.Shape.Size())
	}
	if n := len(p.Standard.Mean); n != len(p.Standard.Std) || n != 0 && n != channels {
		return 0, 0, 0, fmt.Errorf("report: picture of %d channels, standardized by %d means and %d deviations", channels, n, len(p.Standard.Std))
	}
	return height, width, channels, nil
}

// restored returns the values as they were before they were standardized.
func (p Picture) restored() []float64 {
	if len(p.Standard.Mean) > 0 {
		return p.Standard.Restore(p.Values)
	}
	values := make([]float64, len(p.Values))
	for i, v := range p.Values {
		values[i] = float64(v)
	}
	return values
}

// scale maps values to levels of a color.
type scale struct{ black, white float64 }

// scaling returns the scale of a picture's values.
func scaling(values []float64) scale {
	least, most := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			least, most = min(least, v), max(most, v)
		}
	}
	// Standardizing and undoing it leaves rounding errors, far below a level.
	const slack = 1.0 / 1024
	if least >= -slack && most <= 1+slack || least > most {
		return scale{0, 1}
	}
	return scale{least, most}
}

func (s scale) level(v float64) uint8 {
	if math.IsNaN(v) || math.IsInf(v, 0) || s.white == s.black {
		return 0
	}
	return uint8(math.Round(255 * min(max((v-s.black)/(s.white-s.black), 0), 1)))
}

// mostPixels is the width and height above which a page shows a picture smaller.
const mostPixels = 256

// uri returns the picture as a PNG for the src of an img element. Small pictures keep their pixels,
// which the page enlarges.
func (p Picture) uri() (template.URL, error) {
	img, err := p.Image()
	if err != nil {
		return "", err
	}
	if size := img.Bounds().Size(); max(size.X, size.Y) > mostPixels {
		longest := max(size.X, size.Y)
		small := image.NewNRGBA(image.Rect(0, 0, max(1, size.X*mostPixels/longest), max(1, size.Y*mostPixels/longest)))
		draw.CatmullRom.Scale(small, small.Bounds(), img, img.Bounds(), draw.Src, nil)
		img = small
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return "", err
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())), nil
}

package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// isPicture reports whether samples of a shape can be drawn: [rows, columns, channels], gray or
// red, green and blue.
func isPicture(s net.Shape) bool { return len(s) == 3 && (s[2] == 1 || s[2] == 3) }

// picture returns a sample as an image. Values from 0 to 1 are black to white; if there are others,
// such as those of noise, the least of the sample is black and the greatest white.
func picture(x []float32, s net.Shape) image.Image {
	low, high := 0.0, 1.0
	for _, v := range x {
		if v < 0 || v > 1 {
			low, high = limits(x)
			break
		}
	}
	level := func(v float32) uint8 {
		return uint8(math.Round(255 * max(0, min(1, (float64(v)-low)/max(high-low, 1e-30)))))
	}
	img := image.NewNRGBA(image.Rect(0, 0, s[1], s[0]))
	for i := range s[0] * s[1] {
		pixel := x[i*s[2]:][:s[2]]
		r, g, b := pixel[0], pixel[0], pixel[0]
		if s[2] == 3 {
			g, b = pixel[1], pixel[2]
		}
		img.SetNRGBA(i%s[1], i/s[1], color.NRGBA{level(r), level(g), level(b), 255})
	}
	return img
}

func limits(x []float32) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range x {
		low, high = min(low, float64(v)), max(high, float64(v))
	}
	return low, high
}

const (
	textPicture = 32           // most columns of a picture as text
	ink         = " .:-=+*#%@" // from black to white
)

// textSamples returns the first sample of each of the first classes as text, in two rows at most,
// with the names of their classes below.
func textSamples(s *dataset.Set) string {
	// A character is twice as high as wide: small pictures take two a pixel, others two pixels a
	// character.
	columns := min(s.Shape[1], textPicture)
	rows := max(1, s.Shape[0]*columns/s.Shape[1]/2)
	if 2*s.Shape[1] <= textPicture {
		columns, rows = 2*s.Shape[1], s.Shape[0]
	}
	var samples []int
	for _, class := range byClass(s, 1) {
		samples = append(samples, class...)
	}
	fit := max(1, (screenWidth+2)/(columns+2))
	var b strings.Builder
	for beside := range slices.Chunk(samples[:min(len(samples), 2*fit)], fit) {
		lines := make([]string, rows+1)
		for _, sample := range beside {
			x, err := sampleOf(s, sample)
			if err != nil {
				return fmt.Sprintf("sample %d can't be read: %v\n", sample, err)
			}
			for i, line := range textPictureOf(picture(x, s.Shape), columns, rows) {
				lines[i] += line + "  "
			}
			lines[rows] += text.Pad(text.Trim(meaning(s, sample), columns), columns+2, ' ')
		}
		for _, line := range lines {
			fmt.Fprintln(&b, strings.TrimRight(line, " "))
		}
	}
	return b.String()
}

func textPictureOf(img image.Image, columns, rows int) []string {
	small := image.NewGray(image.Rect(0, 0, columns, rows))
	draw.ApproxBiLinear.Scale(small, small.Bounds(), img, img.Bounds(), draw.Src, nil)
	lines := make([]string, rows)
	for y := range rows {
		var line strings.Builder
		for x := range columns {
			line.WriteByte(ink[int(small.GrayAt(x, y).Y)*len(ink)/256])
		}
		lines[y] = line.String()
	}
	return lines
}

// The measures of a sheet in pixels.
const (
	sheetCell  = 64 // a sample, if it isn't larger
	sheetGap   = 4
	sheetName  = 128 // a name
	sheetRows  = 20  // classes below each other
	sheetFont  = 14
	sheetLines = 10 // rows of a set without classes
)

// writeSheet draws samples of each class of a set of pictures as a PNG image, a class a row with
// its name before it. Small pictures are enlarged by a whole factor, so that their pixels show.
func writeSheet(w io.Writer, s *dataset.Set) error {
	face, err := sheetFace()
	if err != nil {
		return err
	}
	defer face.Close()
	blocks := num.CeilDiv(max(1, s.Classes), sheetRows)
	each := max(3, 10/blocks) // samples of a class
	var names []string
	rows := byClass(s, each)
	if s.Labels == nil { // rows of samples, with no name
		each = sheetLines
		only := byClass(s, each*sheetLines)[0]
		rows = nil
		for i := 0; i < len(only); i += each {
			rows = append(rows, only[i:min(i+each, len(only))])
			names = append(names, "")
		}
	} else {
		for label := range rows {
			names = append(names, className(s, label))
		}
	}

	factor := max(1, sheetCell/max(s.Shape[0], s.Shape[1]))
	width, height := factor*s.Shape[1], factor*s.Shape[0]
	if longest := max(width, height); longest > 2*sheetCell { // large pictures are reduced
		width, height = max(1, width*2*sheetCell/longest), max(1, height*2*sheetCell/longest)
	}
	rowHeight := max(height+sheetGap, sheetFont+sheetGap)
	blockWidth := sheetName + each*(width+sheetGap) + 4*sheetGap
	sheet := image.NewRGBA(image.Rect(0, 0, blocks*blockWidth, min(len(rows), sheetRows)*rowHeight+sheetGap))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	pen := font.Drawer{Dst: sheet, Src: image.Black, Face: face}
	for row, samples := range rows {
		left, top := row/sheetRows*blockWidth+2*sheetGap, row%sheetRows*rowHeight+sheetGap
		pen.Dot = fixed.P(left, top+height/2+sheetFont/3)
		pen.DrawString(fitting(pen, names[row], sheetName-2*sheetGap))
		for i, sample := range samples {
			x, err := sampleOf(s, sample)
			if err != nil {
				return err
			}
			at := image.Rect(0, 0, width, height).Add(image.Pt(left+sheetName+i*(width+sheetGap), top))
			scaler(width >= s.Shape[1]).Scale(sheet, at, picture(x, s.Shape), image.Rect(0, 0, s.Shape[1], s.Shape[0]), draw.Src, nil)
		}
	}
	return png.Encode(w, sheet)
}

// scaler shows pixels as they are where pictures grow.
func scaler(grows bool) draw.Scaler {
	if grows {
		return draw.NearestNeighbor
	}
	return draw.CatmullRom
}

func sheetFace() (font.Face, error) {
	parsed, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, err
	}
	return opentype.NewFace(parsed, &opentype.FaceOptions{Size: sheetFont, DPI: 72, Hinting: font.HintingFull})
}

// fitting returns a name, cut at the end if it is longer than the given number of pixels.
func fitting(pen font.Drawer, name string, pixels int) string {
	if pen.MeasureString(name).Ceil() <= pixels {
		return name
	}
	letters := []rune(name)
	for len(letters) > 0 && pen.MeasureString(string(letters)+"…").Ceil() > pixels {
		letters = letters[:len(letters)-1]
	}
	return string(letters) + "…"
}

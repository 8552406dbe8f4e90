package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

func gray(y uint8) color.NRGBA { return color.NRGBA{y, y, y, 0xff} }

func TestPicture(t *testing.T) {
	for name, c := range map[string]struct {
		picture Picture
		want    []color.NRGBA // by row
	}{
		"gray":           {Picture{Shape: net.Shape{1, 3, 1}, Values: []float32{0, 0.5, 1}}, []color.NRGBA{gray(0), gray(128), gray(255)}},
		"no channels":    {Picture{Shape: net.Shape{2, 1}, Values: []float32{0.25, 0.75}}, []color.NRGBA{gray(64), gray(191)}},
		"dark":           {Picture{Shape: net.Shape{1, 2, 1}, Values: []float32{0, 0.1}}, []color.NRGBA{gray(0), gray(26)}},
		"colors":         {Picture{Shape: net.Shape{2, 1, 3}, Values: []float32{1, 0, 0.5, 0, 0.2, 0}}, []color.NRGBA{{255, 0, 128, 255}, {0, 51, 0, 255}}},
		"two channels":   {Picture{Shape: net.Shape{1, 1, 2}, Values: []float32{0, 1}}, []color.NRGBA{gray(128)}},
		"four channels":  {Picture{Shape: net.Shape{1, 1, 4}, Values: []float32{0, 1, 1, 0}}, []color.NRGBA{gray(128)}},
		"to 255":         {Picture{Shape: net.Shape{1, 3, 1}, Values: []float32{0, 51, 255}}, []color.NRGBA{gray(0), gray(51), gray(255)}},
		"negative":       {Picture{Shape: net.Shape{1, 3, 1}, Values: []float32{-2, 0, 2}}, []color.NRGBA{gray(0), gray(128), gray(255)}},
		"rounding":       {Picture{Shape: net.Shape{1, 2, 1}, Values: []float32{-1e-6, 1 + 1e-6}}, []color.NRGBA{gray(0), gray(255)}},
		"not finite":     {Picture{Shape: net.Shape{1, 4, 1}, Values: []float32{float32(nan), float32(inf), 1, 3}}, []color.NRGBA{gray(0), gray(0), gray(0), gray(255)}},
		"nothing finite": {Picture{Shape: net.Shape{1, 1, 1}, Values: []float32{float32(nan)}}, []color.NRGBA{gray(0)}},
		"flat":           {Picture{Shape: net.Shape{1, 2, 1}, Values: []float32{7, 7}}, []color.NRGBA{gray(0), gray(0)}},
		"standardized": {Picture{net.Shape{1, 2, 3}, []float32{1, 2, 0, -1, -2, 0}, dataset.MeanStd{Mean: []float64{0.5, 0.4, 0.3}, Std: []float64{0.5, 0.2, 0}}},
			[]color.NRGBA{{255, 204, 77, 255}, {0, 0, 77, 255}}},
	} {
		img, err := c.picture.Image()
		require.NoError(t, err, name)
		size := img.Bounds().Size()
		require.Equal(t, image.Pt(c.picture.Shape[1], c.picture.Shape[0]), size, name)
		for i, want := range c.want {
			assert.Equal(t, want, img.At(i%size.X, i/size.X), "%s, pixel %d", name, i)
		}
	}
}

// A sample that was standardized by its set is drawn as it was.
func TestPictureOfStandardizedSet(t *testing.T) {
	digits, _, err := dataset.Digits()
	require.NoError(t, err)
	by, err := digits.MeanStd()
	require.NoError(t, err)
	standard, err := digits.Standardize(by)
	require.NoError(t, err)
	for i := range 20 {
		want, err := Picture{Shape: digits.Shape, Values: digits.Range(i, 1).X}.Image()
		require.NoError(t, err)
		got, err := Picture{digits.Shape, standard.Range(i, 1).X, by}.Image()
		require.NoError(t, err)
		for at, level := range want.(*image.NRGBA).Pix {
			require.InDelta(t, level, got.(*image.NRGBA).Pix[at], 1, "a half may be rounded up or down")
		}
	}
}

func TestPictureErrors(t *testing.T) {
	for want, p := range map[string]Picture{
		"report: picture of shape [4], want height, width and channels":           {Shape: net.Shape{4}, Values: make([]float32, 4)},
		"report: picture of shape [2 2 1] has 3 values, want 4":                   {Shape: net.Shape{2, 2, 1}, Values: make([]float32, 3)},
		"report: picture of 1 channels, standardized by 2 means and 2 deviations": {net.Shape{1, 1, 1}, []float32{1}, dataset.MeanStd{Mean: make([]float64, 2), Std: make([]float64, 2)}},
		"report: picture of 1 channels, standardized by 1 means and 0 deviations": {net.Shape{1, 1, 1}, []float32{1}, dataset.MeanStd{Mean: make([]float64, 1)}},
	} {
		want = strings.ReplaceAll(strings.ReplaceAll(want, "[4]", fmt.Sprint(net.Shape{4})), "[2 2 1]", fmt.Sprint(net.Shape{2, 2, 1}))
		_, err := p.Image()
		assert.EqualError(t, err, want)
	}
	_, err := Picture{Shape: net.Shape{0, 1, 1}}.Image()
	assert.ErrorContains(t, err, "report: picture: ")
}

// A page has the pixels of small pictures as they are, and large pictures smaller.
func TestPictureURI(t *testing.T) {
	for _, c := range []struct{ height, width, wantHeight, wantWidth int }{{8, 5, 8, 5}, {256, 1, 256, 1}, {300, 600, 128, 256}, {1000, 1, 256, 1}} {
		uri, err := Picture{Shape: net.Shape{c.height, c.width, 1}, Values: make([]float32, c.height*c.width)}.uri()
		require.NoError(t, err)
		data, ok := strings.CutPrefix(string(uri), "data:image/png;base64,")
		require.True(t, ok)
		content, err := base64.StdEncoding.DecodeString(data)
		require.NoError(t, err)
		img, err := png.Decode(bytes.NewReader(content))
		require.NoError(t, err)
		assert.Equal(t, image.Pt(c.wantWidth, c.wantHeight), img.Bounds().Size())
	}
}

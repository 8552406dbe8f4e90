package dataset

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

func TestDigits(t *testing.T) {
	train, test, err := Digits()
	require.NoError(t, err)
	assert.Equal(t, "digits/train", train.Name)
	assert.Equal(t, "digits/test", test.Name)
	for _, s := range []*Set{train, test} {
		assert.Equal(t, net.Shape{8, 8, 1}, s.Shape)
		assert.Equal(t, 10, s.Classes)
		assert.Len(t, s.X, s.Len()*64)
		for _, pixel := range s.X {
			require.True(t, pixel >= 0 && pixel <= 1 && pixel*16 == float32(int(pixel*16)), "pixel %g", pixel)
		}
	}

	// The source's first row, a nought, fell to the test set, and its second to the training
	// set.
	assert.Equal(t, int32(0), test.Labels[0])
	assert.Equal(t, sixteenths(
		0, 0, 5, 13, 9, 1, 0, 0,
		0, 0, 13, 15, 10, 15, 5, 0,
		0, 3, 15, 2, 0, 11, 8, 0,
		0, 4, 12, 0, 0, 8, 8, 0,
		0, 5, 8, 0, 0, 9, 8, 0,
		0, 4, 11, 0, 1, 12, 7, 0,
		0, 2, 14, 5, 10, 12, 0, 0,
		0, 0, 6, 13, 10, 0, 0, 0), test.X[:64])
	assert.Equal(t, int32(1), train.Labels[0])
	assert.Equal(t, sixteenths(0, 0, 0, 12, 13, 5, 0, 0), train.X[:8])

	again, _, _ := Digits()
	assert.Same(t, train, again, "parsed once")
}

func sixteenths(pixels ...float32) []float32 {
	for i := range pixels {
		pixels[i] /= 16
	}
	return pixels
}

func TestDigitsSplit(t *testing.T) {
	train, test, err := Digits()
	require.NoError(t, err)
	assert.Equal(t, []int{1438, 359}, []int{train.Len(), test.Len()})

	// The counts of the UCI documentation, and a fifth of each.
	total := []int{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}
	fifth := []int{36, 36, 35, 37, 36, 36, 36, 36, 35, 36}
	trainCounts, testCounts := make([]int, 10), make([]int, 10)
	for _, label := range train.Labels {
		trainCounts[label]++
	}
	for _, label := range test.Labels {
		testCounts[label]++
	}
	assert.Equal(t, fifth, testCounts)
	for digit := range total {
		assert.Equal(t, total[digit], trainCounts[digit]+testCounts[digit], "digit %d", digit)
	}

	// The source has no image twice, so an image in both halves would be a leak.
	images := map[[64]float32]bool{}
	for _, s := range []*Set{train, test} {
		for i := range s.Len() {
			images[[64]float32(s.Range(i, 1).X)] = true
		}
	}
	assert.Len(t, images, 1797)
}

// Writing the file again from the same rows makes the same bytes.
func TestDigitsFileHasNoTime(t *testing.T) {
	file, err := gzip.NewReader(bytes.NewReader(digitsFile))
	require.NoError(t, err)
	assert.True(t, file.ModTime.IsZero())
	assert.Empty(t, file.Name)
}

func TestParseDigitsErrors(t *testing.T) {
	zeros := strings.Repeat("0,", 63)
	header := strings.Repeat("p,", 64) + "label,split\n"
	for _, test := range []struct{ name, rows, want string }{
		{"pixel", header + zeros + "17,3,train\n", `line 2: expected pixel 63 in 0..16, got "17"`},
		{"no number", header + zeros + "x,3,train\n", `line 2: expected pixel 63 in 0..16, got "x"`},
		{"label", header + zeros + "0,10,train\n", `line 2: expected label in 0..9, got "10"`},
		{"split", header + zeros + "0,3,train\n" + zeros + "0,3,dev\n", `line 3: expected split train or test, got "dev"`},
		{"columns", header + "1,2,3\n", "line 2: wrong number of fields"},
		{"empty", "", "EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := parseDigits(zipped([]byte(test.rows)))
			assert.ErrorContains(t, err, test.want)
		})
	}
	_, _, err := parseDigits([]byte("no gzip at all"))
	assert.ErrorIs(t, err, gzip.ErrHeader)
}

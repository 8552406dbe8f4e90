package dataset

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/steppe-ml/steppe/net"
)

// Digits returns 1,797 handwritten digits of 8x8 pixels in [0, 1], shape {8, 8, 1}: the test set of
// "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak (UCI, 1998, doi
// 10.24432/C50P49), split 4 to 1 within each class. See data/README.md for its license and how it
// was split.
//
// The data are embedded and parsed once. All callers share the returned sets and their memory, and
// must not write to them.
func Digits() (train, test *Set, err error) {
	sets, err := digits()
	return sets[0], sets[1], err
}

//go:embed data/digits.csv.gz
var digitsFile []byte

const (
	digitsPixels = 64 // columns of pixels; then come the label and the split
	digitsInk    = 16 // the darkest pixel
)

var digits = sync.OnceValues(func() ([2]*Set, error) {
	train, test, err := parseDigits(digitsFile)
	if err != nil {
		return [2]*Set{}, fmt.Errorf("dataset: embedded digits: %w", err)
	}
	return [2]*Set{train, test}, nil
})

// digitsInput treats pictures as the digits are: white ink on black.
var digitsInput = &Input{Pictures: &Pictures{Height: 8, Width: 8, Channels: 1}}

func parseDigits(file []byte) (train, test *Set, err error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, nil, err
	}
	rows := csv.NewReader(unzipped)
	rows.FieldsPerRecord = digitsPixels + 2
	rows.ReuseRecord = true
	if _, err := rows.Read(); err != nil { // the header
		return nil, nil, err
	}

	train = &Set{Name: "digits/train", Shape: net.Shape{8, 8, 1}, Classes: 10, ClassNames: digitNames, Input: digitsInput}
	test = &Set{Name: "digits/test", Shape: net.Shape{8, 8, 1}, Classes: 10, ClassNames: digitNames, Input: digitsInput}
	splits := map[string]*Set{"train": train, "test": test}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return train, test, nil
		}
		if err != nil {
			return nil, nil, err
		}
		line, _ := rows.FieldPos(0)
		set := splits[row[digitsPixels+1]]
		if set == nil {
			return nil, nil, fmt.Errorf("line %d: expected split train or test, got %q", line, row[digitsPixels+1])
		}
		for column, field := range row[:digitsPixels] {
			pixel, err := strconv.Atoi(field)
			if err != nil || pixel < 0 || pixel > digitsInk {
				return nil, nil, fmt.Errorf("line %d: expected pixel %d in 0..%d, got %q", line, column, digitsInk, field)
			}
			set.X = append(set.X, float32(pixel)/digitsInk)
		}
		label, err := strconv.Atoi(row[digitsPixels])
		if err != nil || label < 0 || label >= set.Classes {
			return nil, nil, fmt.Errorf("line %d: expected label in 0..%d, got %q", line, set.Classes-1, row[digitsPixels])
		}
		set.Labels = append(set.Labels, int32(label))
	}
}

package dataset

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/net"
)

// The IDX format of MNIST (Y. LeCun, C. Cortes and C. Burges, "The MNIST
// database of handwritten digits") is a big-endian magic number, one 32-bit
// count a dimension, and the values. The magic's third byte is the type of the
// values, 8 for unsigned bytes, and its last the number of dimensions.

var idxFiles = [...]string{"train-images", "train-labels", "t10k-images", "t10k-labels"}

// IDXFolder reads a folder laid out as MNIST and its descendants are: the
// images and labels train-images-idx3-ubyte, train-labels-idx1-ubyte,
// t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, also spelt with a dot
// before idx, each gzipped or not.
//
// The classes are those of the training labels. A test label outside them is an error.
func IDXFolder(dir string) (train, test *Set, err error) {
	var paths [4]string
	for i, name := range idxFiles {
		if paths[i], err = findFile(dir, name, idxNames(name)); err != nil {
			return nil, nil, err
		}
	}
	if train, err = ReadIDX(paths[0], paths[1]); err != nil {
		return nil, nil, err
	}
	if test, err = ReadIDX(paths[2], paths[3]); err != nil {
		return nil, nil, err
	}
	if !slices.Equal(train.Shape, test.Shape) {
		return nil, nil, fmt.Errorf("dataset: %s has images of %v, but %s of %v",
			paths[0], train.Shape, paths[2], test.Shape)
	}
	for i, label := range test.Labels {
		if int(label) >= train.Classes {
			return nil, nil, fmt.Errorf("dataset: %s: label %d is %d, but the training labels end at %d",
				paths[3], i, label, train.Classes-1)
		}
	}
	test.Classes = train.Classes
	name := filepath.Base(filepath.Clean(dir))
	train.Name, test.Name = name+"/train", name+"/test"
	return train, test, nil
}

// idxNames returns how the file that holds name, such as "train-images", may be called.
func idxNames(name string) []string {
	kind := "idx1-ubyte"
	if strings.HasSuffix(name, "images") {
		kind = "idx3-ubyte"
	}
	return []string{name + "-" + kind, name + "-" + kind + ".gz", name + "." + kind, name + "." + kind + ".gz"}
}

// ReadIDX reads a file of images and the file of their labels, either of which
// may be gzipped, whatever its name. Pixels are scaled from 0..255 to [0, 1],
// the shape is {rows, columns, 1}, and Classes is one more than the highest label.
func ReadIDX(images, labels string) (*Set, error) {
	_, y, err := readIDX(labels, 1, &byteLabels)
	if err != nil {
		return nil, err
	}
	dims, x, err := readIDX(images, 3, &bytePixels)
	if err != nil {
		return nil, err
	}
	if dims[0] != len(y) {
		return nil, fmt.Errorf("dataset: %s has %d images, but %s has %d labels", images, dims[0], labels, len(y))
	}
	return &Set{
		Name:    filepath.Base(images),
		Shape:   net.Shape{dims[1], dims[2], 1},
		Classes: int(slices.Max(y)) + 1,
		X:       x,
		Labels:  y,
	}, nil
}

// readIDX reads an IDX file of unsigned bytes with rank dimensions, all of
// them positive, and converts its values on the way.
func readIDX[T any](path string, rank int, convert *[256]T) (dims net.Shape, values []T, err error) {
	err = readFile(path, func(content io.Reader) error {
		if dims, err = readHeader(content, rank); err == nil {
			values, err = readValues(content, dims, convert)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return dims, values, nil
}

// readHeader reads the magic number and the dimensions. It refuses those that
// no memory could hold as float32.
func readHeader(r io.Reader, rank int) (dims net.Shape, err error) {
	header := make([]byte, headerSize(rank))
	present, err := io.ReadFull(r, header)
	expected := 0x0800 | uint32(rank)
	if got := binary.BigEndian.Uint32(header); present >= 4 && got != expected {
		return nil, fmt.Errorf("expected magic number 0x%08x (%d-dimensional unsigned bytes), got 0x%08x", expected, rank, got)
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("truncated: expected a header of %d bytes, got %d", len(header), present)
	}
	if err != nil {
		return nil, err
	}

	dims = make(net.Shape, rank)
	size, fits := uint64(1), true
	for i := range dims {
		dim := binary.BigEndian.Uint32(header[4+4*i:])
		dims[i] = int(dim)
		var overflow uint64
		overflow, size = bits.Mul64(size, uint64(dim))
		fits = fits && overflow == 0 && size <= math.MaxInt/4
	}
	if !fits || dims.Validate() != nil {
		return nil, fmt.Errorf("expected positive dimensions of at most %d values in all, got %v", math.MaxInt/4, dims)
	}
	return dims, nil
}

func headerSize(rank int) int { return 4 + 4*rank }

// readValues reads as many values as dims say, and then the end. The bytes are
// all read before there is memory for values, so that a damaged header costs an
// error and no more.
func readValues[T any](r io.Reader, dims net.Shape, convert *[256]T) ([]T, error) {
	header, total := headerSize(len(dims)), dims.Size()
	// Asking for one more finds what trails, and has gzip check its sum.
	content, err := io.ReadAll(io.LimitReader(r, int64(total)+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) < total:
		return nil, fmt.Errorf("truncated: expected %d bytes for %v values, got %d", header+total, dims, header+len(content))
	case len(content) > total:
		return nil, fmt.Errorf("trailing bytes: expected %d bytes for %v values, got more", header+total, dims)
	}
	values := make([]T, total)
	for i, b := range content {
		values[i] = convert[b]
	}
	return values, nil
}

// What a byte stands for as a pixel, scaled to [0, 1], and as a label.
var bytePixels, byteLabels = func() (pixels [256]float32, labels [256]int32) {
	for i := range pixels {
		pixels[i], labels[i] = float32(i)/255, int32(i)
	}
	return pixels, labels
}()

package dataset

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/net"
)

// The IDX format of MNIST (Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten
// digits") is a big-endian magic number, one 32-bit count a dimension, and the values. The magic's
// third byte is the type of the values, 8 for unsigned bytes, and its last the number of
// dimensions.

var idxFiles = [...]string{"train-images", "train-labels", "t10k-images", "t10k-labels"}

// IDXFolder reads a folder laid out as MNIST and its descendants are: the images and labels
// train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
// t10k-labels-idx1-ubyte, also spelled with a dot before idx, each gzipped or not.
//
// The classes are those of the training labels, as ReadIDX finds them. A test label outside them is
// an error.
func IDXFolder(dir string) (train, test *Set, err error) { return Options{}.idxFolder(dir) }

func (o Options) idxFolder(dir string) (train, test *Set, err error) {
	var paths [4]string
	for i, name := range idxFiles {
		if paths[i], err = findFile(dir, name, idxNames(name)); err != nil {
			return nil, nil, err
		}
	}
	if train, err = o.readIDX(paths[0], paths[1], 0); err != nil {
		return nil, nil, err
	}
	if test, err = o.readIDX(paths[2], paths[3], train.Classes); err != nil {
		return nil, nil, err
	}
	if !slices.Equal(train.Shape, test.Shape) {
		return nil, nil, fmt.Errorf("dataset: %s has images of %v, but %s of %v",
			paths[0], train.Shape, paths[2], test.Shape)
	}
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

// ReadIDX reads a file of images and the file of their labels, either of which may be gzipped,
// whatever its name. It scales pixels from 0..255 to [0, 1]; the shape is {rows, columns, 1}.
//
// With classes, which may be more than the labels have, a label that isn't below it is an error.
// With classes 0, ReadIDX takes one more than the highest label. Then the labels must leave no
// class out from 0, or from 1, to the highest: otherwise one wrong byte would make up to 256
// classes, most of them without a sample.
func ReadIDX(images, labels string, classes int) (*Set, error) {
	return Options{Stream: StreamNever}.readIDX(images, labels, classes)
}

func (o Options) readIDX(images, labels string, classes int) (*Set, error) {
	if classes < 0 {
		return nil, fmt.Errorf("dataset: %d classes, want at least 1, or 0 for those of the labels", classes)
	}
	_, y, err := readIDX(labels, 1, &byteLabels)
	if err != nil {
		return nil, err
	}
	if classes, err = classesOf(y, classes); err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", labels, err)
	}
	streams, err := o.streamsFiles(images)
	if err != nil {
		return nil, err
	}
	var dims net.Shape
	s := &Set{Name: filepath.Base(images), Classes: classes, Labels: y}
	if streams {
		dims, s.Samples, err = idxRecords(images)
	} else {
		dims, s.X, err = readIDX(images, 3, &bytePixels)
	}
	if err != nil {
		return nil, err
	}
	if dims[0] != len(y) {
		return nil, fmt.Errorf("dataset: %s has %d images, but %s has %d labels", images, dims[0], labels, len(y))
	}
	s.Shape = net.Shape{dims[1], dims[2], 1}
	s.Input = &Input{Pictures: &Pictures{Height: dims[1], Width: dims[2], Channels: 1}}
	return s, nil
}

// idxRecords returns the images of a file that isn't gzipped, to be read where they lie.
func idxRecords(path string) (dims net.Shape, samples Samples, err error) {
	const rank = 3
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	defer file.Close()
	if dims, err = readHeader(file, rank); err != nil {
		return nil, nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	size := dims[1] * dims[2]
	r := newRecords(size, func(x []float32, pixels []byte) {
		for i, b := range pixels {
			x[i] = bytePixels[b]
		}
	})
	err = r.add(path, int64(headerSize(rank)), size, func(_ io.Reader, got int64) error {
		return validateSize(dims, got)
	})
	if err != nil {
		return nil, nil, err
	}
	return dims, r, nil
}

// validateSize returns an error unless a file has as many bytes as its dimensions announce.
func validateSize(dims net.Shape, size int64) error {
	want := int64(headerSize(len(dims)) + dims.Size())
	switch {
	case size < want:
		return fmt.Errorf("truncated: expected %d bytes for %v values, got %d", want, dims, size)
	case size > want:
		return fmt.Errorf("trailing bytes: expected %d bytes for %v values, got more", want, dims)
	}
	return nil
}

// classesOf returns the number of classes of labels that are bytes: the given one, or if it is 0
// the one that the labels show.
func classesOf(labels []int32, classes int) (int, error) {
	if classes > 0 {
		for i, label := range labels {
			if int(label) >= classes {
				return 0, fmt.Errorf("label %d is %d, want 0 to %d for %d classes", i, label, classes-1, classes)
			}
		}
		return classes, nil
	}
	found := slices.Compact(slices.Sorted(slices.Values(labels)))
	for i, label := range found[1:] {
		if before := found[i]; label != before+1 {
			return 0, fmt.Errorf("%d different labels from %d to %d, and none between %d and %d: want every class from 0 or 1 on, or their number given",
				len(found), found[0], found[len(found)-1], before, label)
		}
	}
	if first := found[0]; first > 1 {
		return 0, fmt.Errorf("%d different labels from %d to %d: want every class from 0 or 1 on, or their number given",
			len(found), first, found[len(found)-1])
	}
	return int(found[len(found)-1]) + 1, nil
}

// readIDX reads an IDX file of unsigned bytes and converts its values. The file has rank
// dimensions, all positive.
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

// readHeader reads the magic number and the dimensions. It refuses dimensions that no memory could
// hold as float32.
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
	if !fits {
		return nil, fmt.Errorf("expected dimensions of at most %d values in all, got %v", math.MaxInt/4, dims)
	}
	if slices.Contains(dims, 0) {
		return nil, fmt.Errorf("no values: expected positive dimensions, got %v", dims)
	}
	return dims, nil
}

func headerSize(rank int) int { return 4 + 4*rank }

// readValues reads the values that dims announce, and then the end. It reads all bytes before it
// allocates memory for values, so that a damaged header costs no memory.
func readValues[T any](r io.Reader, dims net.Shape, convert *[256]T) ([]T, error) {
	header, total := headerSize(len(dims)), dims.Size()
	// One byte more than wanted finds trailing bytes, and makes gzip verify its checksum.
	content, err := io.ReadAll(io.LimitReader(r, int64(total)+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) != total:
		return nil, validateSize(dims, int64(header+len(content)))
	}
	values := make([]T, total)
	for i, b := range content {
		values[i] = convert[b]
	}
	return values, nil
}

// bytePixels and byteLabels say what a byte means as a pixel, scaled to [0, 1], and as a label.
var bytePixels, byteLabels = func() (pixels [256]float32, labels [256]int32) {
	for i := range pixels {
		pixels[i], labels[i] = float32(i)/255, int32(i)
	}
	return pixels, labels
}()

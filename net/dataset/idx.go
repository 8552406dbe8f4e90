package dataset

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/net"
)

// The IDX format of MNIST (Y. LeCun, C. Cortes and C. Burges, "The MNIST
// database of handwritten digits") is a big-endian magic number, one 32-bit
// count a dimension, and the values. The magic's third byte is the type of the
// values, 8 for unsigned bytes, and its last the number of dimensions.

// IDXFolder reads a folder laid out as MNIST and its descendants are: the
// images and labels train-images-idx3-ubyte, train-labels-idx1-ubyte,
// t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, also spelt with a dot
// before idx, each gzipped or not.
//
// The classes are those of the training labels. A test label outside them is an error.
func IDXFolder(dir string) (train, test *Set, err error) {
	var paths [4]string
	for i, name := range [...]string{"train-images", "train-labels", "t10k-images", "t10k-labels"} {
		if paths[i], err = findIDX(dir, name); err != nil {
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

// findIDX returns the path of the file that holds name, such as "train-images".
func findIDX(dir, name string) (string, error) {
	kind := "idx1-ubyte"
	if strings.HasSuffix(name, "images") {
		kind = "idx3-ubyte"
	}
	names := []string{name + "-" + kind, name + "-" + kind + ".gz", name + "." + kind, name + "." + kind + ".gz"}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return "", fmt.Errorf("dataset: folder %s has no %s, tried %s: %w",
		dir, name, strings.Join(names, ", "), fs.ErrNotExist)
}

// ReadIDX reads a file of images and the file of their labels, either of which
// may be gzipped, whatever its name. Pixels are scaled from 0..255 to [0, 1],
// the shape is {rows, columns, 1}, and Classes is one more than the highest label.
func ReadIDX(images, labels string) (*Set, error) {
	_, y, err := readIDX(labels, 1, func(label byte) int32 { return int32(label) })
	if err != nil {
		return nil, err
	}
	dims, x, err := readIDX(images, 3, func(pixel byte) float32 { return float32(pixel) / 255 })
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
func readIDX[T any](path string, rank int, convert func(byte) T) (dims net.Shape, values []T, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: %w", err)
	}
	defer file.Close()
	content, err := uncompressed(file)
	if err == nil {
		dims, err = readHeader(content, rank)
	}
	if err == nil {
		values, err = readValues(content, dims, convert)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return dims, values, nil
}

// uncompressed returns what r holds, gunzipped if it starts as gzip does. No
// IDX file does, whose first bytes are zero.
func uncompressed(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	if start, _ := buffered.Peek(2); string(start) != "\x1f\x8b" {
		return buffered, nil
	}
	unzipped, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("damaged gzip: %w", err)
	}
	return gunzip{unzipped}, nil
}

// gunzip tells a gzip file that breaks off from one that ends too early once
// unpacked: the error of the former is not the bare io.ErrUnexpectedEOF, which
// is all that io.ReadFull would give for either.
type gunzip struct{ *gzip.Reader }

func (g gunzip) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("damaged gzip: %w", err)
	}
	return n, err
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
	if !fits || !dims.Valid() {
		return nil, fmt.Errorf("expected positive dimensions of at most %d values in all, got %v", math.MaxInt/4, dims)
	}
	return dims, nil
}

func headerSize(rank int) int { return 4 + 4*rank }

// readValues reads as many values as dims say, and then the end. Memory grows
// with what has been read and not with what the header claims, so that a
// damaged header costs an error and no more.
func readValues[T any](r io.Reader, dims net.Shape, convert func(byte) T) ([]T, error) {
	total := dims.Size()
	var values []T
	chunk := make([]byte, 1<<15)
	for len(values) < total {
		n, err := r.Read(chunk[:min(len(chunk), total-len(values))])
		if need := len(values) + n; need > cap(values) {
			// Doubling by hand ends at total exactly, where append would overshoot.
			grown := make([]T, len(values), min(total, 2*need+len(chunk)))
			copy(grown, values)
			values = grown
		}
		for _, b := range chunk[:n] {
			values = append(values, convert(b))
		}
		if err == io.EOF && len(values) < total {
			header := headerSize(len(dims))
			return nil, fmt.Errorf("truncated: expected %d bytes for %v values, got %d", header+total, dims, header+len(values))
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
	}
	// Reading on to the end also has gzip check its sum.
	switch n, err := io.ReadFull(r, chunk[:1]); {
	case n > 0:
		return nil, fmt.Errorf("trailing bytes: expected %d bytes for %v values, got more", headerSize(len(dims))+total, dims)
	case err != io.EOF:
		return nil, err
	}
	return values, nil
}

package dataset

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/steppe-ml/steppe/net"
)

// CIFAR is one of the data sets of color images by A. Krizhevsky ("Learning Multiple Layers of
// Features from Tiny Images", 2009), or one set of labels of it.
//
// The readers take its "binary version": files of records without a header. A record is a byte for
// each label, and then the red, the green and the blue plane of 32x32 pixels.
type CIFAR int

const (
	CIFAR10        CIFAR = iota // 10 classes
	CIFAR100                    // 100 classes: the second label of a record
	CIFAR100Coarse              // the same images in 20 classes: the first label
)

// cifarSide is the rows and the columns of an image.
const cifarSide = 32

// cifarLabel is a byte of a record.
type cifarLabel struct {
	name    string
	classes int
}

// cifars says for each CIFAR what its records and folders look like.
var cifars = [...]struct {
	name        string
	labels      []cifarLabel
	label       int // which of labels counts
	train, test []string
}{
	CIFAR10: {
		name:   "CIFAR-10",
		labels: []cifarLabel{{"label", 10}},
		train:  []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
		test:   []string{"test_batch.bin"},
	},
	CIFAR100: {
		name:   "CIFAR-100",
		labels: []cifarLabel{{"coarse label", 20}, {"fine label", 100}},
		label:  1,
		train:  []string{"train.bin"},
		test:   []string{"test.bin"},
	},
	CIFAR100Coarse: {
		name:   "CIFAR-100",
		labels: []cifarLabel{{"coarse label", 20}, {"fine label", 100}},
		train:  []string{"train.bin"},
		test:   []string{"test.bin"},
	},
}

// String returns the name of the data set, as in "CIFAR-10".
func (c CIFAR) String() string { return cifars[c].name }

// Folder reads a folder as the archives unpack to: cifar-10-batches-bin with data_batch_1.bin to
// data_batch_5.bin and test_batch.bin, or cifar-100-binary with train.bin and test.bin, each file
// gzipped or not, with .gz or without. All of them must be there. Shapes and errors are those of
// Read.
func (c CIFAR) Folder(dir string) (train, test *Set, err error) { return c.folder(Options{}, dir) }

func (c CIFAR) folder(o Options, dir string) (train, test *Set, err error) {
	if train, err = c.part(o, dir, cifars[c].train); err != nil {
		return nil, nil, err
	}
	if test, err = c.part(o, dir, cifars[c].test); err != nil {
		return nil, nil, err
	}
	name := filepath.Base(filepath.Clean(dir))
	train.Name, test.Name = name+"/train", name+"/test"
	return train, test, nil
}

func (c CIFAR) part(o Options, dir string, names []string) (*Set, error) {
	paths := make([]string, len(names))
	for i, name := range names {
		var err error
		if paths[i], err = findFile(dir, name, cifarNames(name)); err != nil {
			return nil, err
		}
	}
	return c.read(o, paths...)
}

// cifarNames returns how the file of that name may be called.
func cifarNames(name string) []string { return []string{name, name + ".gz"} }

// Read reads files of records, one after the other, each gzipped or not, whatever its name. Pixels
// are scaled from 0..255 to [0, 1] and put in the order of rows, columns and channels: the shape is
// {32, 32, 3}.
//
// Files may have any number of records from 1 on, so Read can't notice that a file, if it isn't
// gzipped, was cut off between two records. A size that is no multiple of a record's, and a label
// out of range, are errors that name the file and the place.
func (c CIFAR) Read(paths ...string) (*Set, error) {
	return c.read(Options{Stream: StreamNever}, paths...)
}

func (c CIFAR) read(o Options, paths ...string) (*Set, error) {
	if len(paths) == 0 {
		return nil, fmt.Errorf("dataset: no files of %v to read", c)
	}
	layout := &cifars[c]
	const planes = 3 * cifarSide * cifarSide
	record := len(layout.labels) + planes
	s := &Set{
		Name:    filepath.Base(paths[0]),
		Shape:   net.Shape{cifarSide, cifarSide, 3},
		Classes: layout.labels[layout.label].classes,
		Input:   &Input{Pictures: &Pictures{Height: cifarSide, Width: cifarSide, Channels: 3}},
	}
	streams, err := o.streamsFiles(paths...)
	if err != nil {
		return nil, err
	}
	if streams {
		s.Labels, s.Samples, err = c.records(paths, record)
		if err != nil {
			return nil, err
		}
		return s, nil
	}

	// Bytes first, all of them, so that the floats need no second place to grow.
	var total int
	contents := make([][]byte, len(paths))
	for i, path := range paths {
		err := readFile(path, func(content io.Reader) (err error) {
			if contents[i], err = io.ReadAll(content); err != nil {
				return err
			}
			return c.validate(contents[i], record, 0, int64(len(contents[i])))
		})
		if err != nil {
			return nil, err
		}
		total += len(contents[i]) / record
	}

	s.X, s.Labels = make([]float32, total*planes), make([]int32, total)
	image := 0
	for _, content := range contents {
		for bytes := range slices.Chunk(content, record) {
			s.Labels[image] = byteLabels[bytes[layout.label]]
			interleave(s.X[image*planes:][:planes], bytes[len(layout.labels):])
			image++
		}
	}
	return s, nil
}

// records returns the images of files that aren't gzipped, to be read where they lie, and their
// labels.
func (c CIFAR) records(paths []string, record int) (labels []int32, samples Samples, err error) {
	layout := &cifars[c]
	r := newRecords(record-len(layout.labels), interleave)
	for _, path := range paths {
		err := r.add(path, 0, record, func(content io.Reader, size int64) error {
			chunk := make([]byte, 256*record)
			for at := int64(0); at == 0 || at < size; {
				n, err := io.ReadFull(content, chunk[:min(int64(len(chunk)), size-at)])
				if err != nil && size > 0 {
					return err
				}
				if err := c.validate(chunk[:n], record, at, size); err != nil {
					return err
				}
				for i := 0; i < n; i += record {
					labels = append(labels, byteLabels[chunk[i+layout.label]])
				}
				at += int64(n)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return labels, r, nil
}

// validate returns an error unless content, which begins at a byte of a file of that many bytes, is
// whole records of size bytes with labels in range.
func (c CIFAR) validate(content []byte, size int, at, all int64) error {
	layout := &cifars[c]
	if n, size := all, int64(size); n == 0 || n%size != 0 {
		return fmt.Errorf("expected records of %v, %d bytes each, got %d bytes: %d records and %d bytes",
			c, size, n, n/size, n%size)
	}
	for i := 0; i < len(content); i += size {
		for j, label := range layout.labels {
			if got := int(content[i+j]); got >= label.classes {
				return fmt.Errorf("record %d, byte %d: expected a %s of %v in 0..%d, got %d",
					(at+int64(i))/int64(size), at+int64(i+j), label.name, c, label.classes-1, got)
			}
		}
	}
	return nil
}

// interleave turns planes [3][pixels] of bytes into pixels [pixels][3].
func interleave(pixels []float32, planes []byte) {
	n := len(planes) / 3
	red, green, blue := planes[:n], planes[n:2*n], planes[2*n:3*n]
	for i := range n {
		pixel := pixels[3*i:][:3]
		pixel[0], pixel[1], pixel[2] = bytePixels[red[i]], bytePixels[green[i]], bytePixels[blue[i]]
	}
}

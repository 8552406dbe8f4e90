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
	if train, err = c.part(dir, cifars[c].train); err != nil {
		return nil, nil, err
	}
	if test, err = c.part(dir, cifars[c].test); err != nil {
		return nil, nil, err
	}
	name := filepath.Base(filepath.Clean(dir))
	train.Name, test.Name = name+"/train", name+"/test"
	return train, test, nil
}

func (c CIFAR) part(dir string, names []string) (*Set, error) {
	paths := make([]string, len(names))
	for i, name := range names {
		var err error
		if paths[i], err = findFile(dir, name, cifarNames(name)); err != nil {
			return nil, err
		}
	}
	return c.Read(paths...)
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
	if len(paths) == 0 {
		return nil, fmt.Errorf("dataset: no files of %v to read", c)
	}
	layout := &cifars[c]
	const planes = 3 * cifarSide * cifarSide
	record := len(layout.labels) + planes

	// Bytes first, all of them, so that the floats need no second place to grow.
	var total int
	contents := make([][]byte, len(paths))
	for i, path := range paths {
		err := readFile(path, func(content io.Reader) (err error) {
			if contents[i], err = io.ReadAll(content); err != nil {
				return err
			}
			return c.validate(contents[i], record)
		})
		if err != nil {
			return nil, err
		}
		total += len(contents[i]) / record
	}

	s := &Set{
		Name:    filepath.Base(paths[0]),
		Shape:   net.Shape{cifarSide, cifarSide, 3},
		Classes: layout.labels[layout.label].classes,
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

// validate returns an error unless content is whole records of size bytes with labels in range.
func (c CIFAR) validate(content []byte, size int) error {
	layout := &cifars[c]
	if n := len(content); n == 0 || n%size != 0 {
		return fmt.Errorf("expected records of %v, %d bytes each, got %d bytes: %d records and %d bytes",
			c, size, n, n/size, n%size)
	}
	for i := 0; i < len(content); i += size {
		for j, label := range layout.labels {
			if got := int(content[i+j]); got >= label.classes {
				return fmt.Errorf("record %d, byte %d: expected a %s of %v in 0..%d, got %d",
					i/size, i+j, label.name, c, label.classes-1, got)
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

package dataset

import (
	"cmp"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net"
)

// pictureSets makes the sets of files. A set in memory is read in one go, on the assumption that
// the files are as the first one is: opening each of them twice would take longer than all the
// rest.
func (o Options) pictureSets(dir string, classes, tests []class) (train, test *Set, err error) {
	files := &pictureScan{options: o, dir: dir}
	for _, c := range slices.Concat(classes, tests) {
		files.paths = append(files.paths, c.paths...)
	}
	files.headers = make([]header, len(files.paths))
	if files.headers[0], err = readPictureHeader(files.paths[0]); err != nil {
		return nil, nil, err
	}
	as, err := files.guess()
	if err != nil {
		return nil, nil, err
	}
	var x []float32
	if !o.streams(len(files.paths) * as.size()) {
		if x, err = files.read(as); err != nil {
			return nil, nil, err
		}
	} else if err := each(len(files.paths), files.readHeader); err != nil {
		return nil, nil, err
	}
	if actual := files.actual(as); actual != as {
		if as = actual; x != nil {
			if x, err = files.read(as); err != nil {
				return nil, nil, err
			}
		}
	}
	name := filepath.Base(filepath.Clean(dir))
	train, test = pictureSet(name+"/train", classes, as), pictureSet(name+"/test", tests, as)
	if x != nil {
		end := train.Len() * as.size()
		train.X, test.X = x[:end:end], x[end:]
		train.Samples, test.Samples = nil, nil
	}
	return train, test, nil
}

// pictureScan finds out what is the same for all files.
type pictureScan struct {
	options Options
	dir     string
	paths   []string
	headers []header
}

// guess returns what samples to make if all files are as the first one is.
func (s *pictureScan) guess() (Pictures, error) {
	first := s.headers[0]
	side := s.options.ImageSize
	p := Pictures{Height: cmp.Or(side, first.height), Width: cmp.Or(side, first.width), Channels: 3}
	if s.options.Color == Gray || s.options.Color != RGB && first.gray {
		p.Channels = 1
	}
	if p.Height > maxImageSize || p.Width > maxImageSize {
		return p, fmt.Errorf("dataset: the pictures of %s are %dx%d, more than %d on a side: choose a size with ImageSize, such as --image-size 224",
			s.dir, p.Width, p.Height, maxImageSize)
	}
	return p, nil
}

// actual returns what samples to make of files whose headers are known.
func (s *pictureScan) actual(p Pictures) Pictures {
	colored := slices.ContainsFunc(s.headers, func(h header) bool { return !h.gray })
	if s.options.Color != Gray && colored {
		p.Channels = 3
	}
	return p
}

// readHeader reads the header of a file. The first file's is known, and other goroutines read it.
func (s *pictureScan) readHeader(i int) (err error) {
	if i == 0 {
		return nil
	}
	if s.headers[i], err = readPictureHeader(s.paths[i]); err != nil {
		return err
	}
	return s.validate(i)
}

// validate returns an error if a file needs Options.ImageSize to have the size of the first.
func (s *pictureScan) validate(i int) error {
	h, first := s.headers[i], s.headers[0]
	if s.options.ImageSize > 0 || h.width == first.width && h.height == first.height {
		return nil
	}
	side := min(first.height, first.width, h.width, h.height, maxImageSize)
	return fmt.Errorf("dataset: the pictures of %s have several sizes, such as %dx%d (%s) and %dx%d (%s): choose one by ImageSize (--image-size), such as %d",
		s.dir, first.width, first.height, s.paths[0], h.width, h.height, s.paths[i], side)
}

// read reads all files, and their headers.
func (s *pictureScan) read(p Pictures) ([]float32, error) {
	x := make([]float32, len(s.paths)*p.size())
	err := each(len(s.paths), func(i int) error {
		h, err := p.read(s.paths[i], x[i*p.size():][:p.size()])
		if err != nil {
			return err
		}
		if i > 0 {
			s.headers[i] = h
		}
		return s.validate(i)
	})
	return x, err
}

// pictureSet returns the set of some files, which streams.
func pictureSet(name string, classes []class, p Pictures) *Set {
	s := &Set{
		Name: name, Shape: net.Shape{p.Height, p.Width, p.Channels}, Classes: len(classes),
		Labels: []int32{}, Input: &Input{Pictures: &p},
	}
	var files pictureSamples
	files.as = p
	for label, c := range classes {
		s.ClassNames = append(s.ClassNames, c.name)
		files.paths = append(files.paths, c.paths...)
		for range c.paths {
			s.Labels = append(s.Labels, int32(label))
		}
	}
	s.Samples = files
	return s
}

// size returns the number of values of a sample.
func (p Pictures) size() int { return p.Height * p.Width * p.Channels }

// pictureSamples are the samples of picture files.
type pictureSamples struct {
	paths []string
	as    Pictures
}

func (p pictureSamples) Len() int { return len(p.paths) }

func (p pictureSamples) Read(i int, x []float32) error {
	_, err := p.as.read(p.paths[i], x)
	return err
}

// each calls do for 0 to n-1 on several goroutines, and returns the error of the first number that
// has one. It doesn't go on for long after an error.
func each(n int, do func(i int) error) error {
	const block = 1 << 12
	team := parallel.NewTeam(runtime.GOMAXPROCS(0))
	for first := 0; first < n; first += block {
		job := &calls{first, do, make([]error, min(block, n-first))}
		team.Run(len(job.errors), job)
		for _, err := range job.errors {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// calls is a parallel.Job that calls a function.
type calls struct {
	first  int
	do     func(i int) error
	errors []error
}

func (c *calls) Do(task, _ int) { c.errors[task] = c.do(c.first + task) }

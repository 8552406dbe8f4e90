package dataset

import (
	"fmt"
	"runtime"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net"
)

// Samples are the samples of a set that streams: they are read, decoded or made when they are
// needed, so that a set may be larger than the memory.
type Samples interface {
	// Len returns the number of samples.
	Len() int
	// Read writes sample i, from 0 to Len-1, to x, which has a value for each element of the
	// set's Shape. The values depend on i alone. Several goroutines call Read at the same time.
	// An error should name the file; it ends the loop over the batches.
	Read(i int, x []float32) error
}

// Read copies sample i to x, which has room for one sample at least. It works on every set, so that
// a Set can be the Samples of another. It returns an error if i is no sample of s, if the sample
// can't be read, if one that was read has a value that isn't finite, and if the samples are texts.
func (s *Set) Read(i int, x []float32) error {
	size := s.Shape.Size()
	if i < 0 || i >= s.Len() {
		return fmt.Errorf("dataset: %s has no sample %d, want 0 to %d", s.Name, i, s.Len()-1)
	}
	if s.IsText() {
		return fmt.Errorf("dataset: samples of %s are texts, which have tokens and no values: they are in Tokens", s.Name)
	}
	if len(x) < size {
		return fmt.Errorf("dataset: a sample of %s has %d values, and there is room for %d", s.Name, size, len(x))
	}
	if !s.Streams() {
		copy(x[:size], s.X[i*size:])
		return nil
	}
	x = x[:size]
	if err := s.Samples.Read(i, x); err != nil {
		return err
	}
	if at := firstNotFinite(x); at >= 0 {
		return s.notFinite(i, at, x[at])
	}
	return nil
}

// Load returns s with all samples in memory: s itself if they are there already. Several goroutines
// read them.
func (s *Set) Load() (*Set, error) {
	if !s.Streams() {
		return s, nil
	}
	loaded := *s
	size, r := s.Shape.Size(), newReader(s)
	x := make([]float32, s.Len()*size)
	for first := 0; first < s.Len(); first += loadedAtOnce {
		r.indices = r.indices[:0]
		for i := first; i < min(first+loadedAtOnce, s.Len()); i++ {
			r.indices = append(r.indices, i)
		}
		if err := r.readAll(x[first*size:]); err != nil {
			return nil, err
		}
	}
	loaded.X, loaded.Samples = x, nil
	return &loaded, nil
}

// loadedAtOnce bounds the samples that Load goes on to read after one that can't be read.
const loadedAtOnce = 1 << 10

// reader reads samples of a set: those of a set that streams by several goroutines at once.
type reader struct {
	set  *Set
	team *parallel.Team // nil for a set in memory

	indices []int
	x       []float32
	errors  []error // by place in indices
}

func newReader(s *Set) *reader {
	r := &reader{set: s}
	if s.Streams() {
		r.team = parallel.NewTeam(runtime.GOMAXPROCS(0))
	}
	return r
}

// read reads the samples at indices, with labels and targets, to the memory of a batch, which has
// room for at least as many. The error is that of the first of indices that has one.
func (r *reader) read(memory net.Batch, indices []int) (net.Batch, error) {
	batch := r.set.gather(memory, indices)
	r.indices = indices
	if err := r.readAll(batch.X); err != nil {
		return net.Batch{}, err
	}
	return batch, nil
}

// readAll reads the samples at r.indices to x.
func (r *reader) readAll(x []float32) error {
	if r.set.IsText() {
		return nil // gather has copied the tokens
	}
	size := r.set.Shape.Size()
	if !r.set.Streams() {
		for i, from := range r.indices {
			copy(x[i*size:][:size], r.set.X[from*size:])
		}
		return nil
	}
	r.x = x
	r.errors = append(r.errors[:0], make([]error, len(r.indices))...)
	r.team.Run(len(r.indices), r)
	for _, err := range r.errors {
		if err != nil {
			return err
		}
	}
	return nil
}

// Do implements parallel.Job: it reads one sample.
func (r *reader) Do(task, _ int) {
	size := r.set.Shape.Size()
	r.errors[task] = r.set.Read(r.indices[task], r.x[task*size:][:size])
}

// picked is some samples of a set, in an order of their own.
type picked struct {
	from    *Set
	indices []int
}

func (p picked) Len() int                      { return len(p.indices) }
func (p picked) Read(i int, x []float32) error { return p.from.Read(p.indices[i], x) }

// first is the first n samples of a set.
type first struct {
	from *Set
	n    int
}

func (f first) Len() int                      { return f.n }
func (f first) Read(i int, x []float32) error { return f.from.Read(i, x) }

// standardized is a set's samples with mean and deviation taken out.
type standardized struct {
	from *Set
	by   standardizer
}

func (s standardized) Len() int { return s.from.Len() }

func (s standardized) Read(i int, x []float32) error {
	if err := s.from.Read(i, x); err != nil {
		return err
	}
	s.by.apply(x, x)
	return nil
}

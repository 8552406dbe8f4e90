package dataset

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// streamed returns s with its samples behind an interface, as a set on disk has them.
func streamed(s *Set) *Set {
	c := *s
	c.X, c.Samples = nil, s
	return &c
}

// failing are samples of which some can't be read.
type failing struct {
	Samples
	bad func(i int) error
}

func (f failing) Read(i int, x []float32) error {
	if err := f.bad(i); err != nil {
		return err
	}
	return f.Samples.Read(i, x)
}

// A set that streams gives the bits of the same set in memory, whatever is made of either.
func TestStreamIsMemory(t *testing.T) {
	images := Synthetic(net.Shape{5, 4, 3}, 4, 91, 1)
	for _, memory := range []*Set{images, regression(91)} {
		t.Run(memory.Name, func(t *testing.T) {
			same := func(want, got *Set) {
				t.Helper()
				require.True(t, got.Streams())
				assert.Equal(t, []any{want.Name, want.Len(), want.Classes}, []any{got.Name, got.Len(), got.Classes})
				require.NoError(t, got.Validate())
				loaded, err := got.Load()
				require.NoError(t, err)
				assert.False(t, loaded.Streams())
				assert.Equal(t, [][]float32{want.X, want.Targets}, [][]float32{loaded.X, loaded.Targets})
				assert.Equal(t, want.Labels, loaded.Labels)
				assert.Equal(t, collect(want.InOrder(7)), collect(got.InOrder(7)))
				assert.Equal(t, collect(want.Batches(8, 1, 2)), collect(got.Batches(8, 1, 2)))
				loader := Loader{Batch: 9, Seed: 3}
				if len(want.Shape) == 3 {
					loader.Augment = everything
				}
				of := func(s *Set) []net.Batch {
					loader.Set = s
					return collect(loader.From(1, 1))
				}
				assert.Equal(t, of(want), of(got))
			}
			stream := streamed(memory)
			same(memory, stream)
			same(memory.Head(17), stream.Head(17))

			m, err := memory.MeanStd()
			require.NoError(t, err)
			ofStream, err := stream.MeanStd()
			require.NoError(t, err)
			assert.Equal(t, m, ofStream)
			standard, err := memory.Standardize(m)
			require.NoError(t, err)
			standardStream, err := stream.Standardize(m)
			require.NoError(t, err)
			same(standard, standardStream)

			rest, held, err := standard.Split(20, 5)
			require.NoError(t, err)
			restStream, heldStream, err := standardStream.Split(20, 5)
			require.NoError(t, err)
			same(rest, restStream)
			same(held, heldStream)
			if memory.Labels == nil {
				return
			}
			subset, err := rest.Subset(40, 2)
			require.NoError(t, err)
			subsetStream, err := restStream.Subset(40, 2)
			require.NoError(t, err)
			same(subset, subsetStream)
			noisy, err := subset.NoisyLabels(0.5, 2)
			require.NoError(t, err)
			noisyStream, err := subsetStream.NoisyLabels(0.5, 2)
			require.NoError(t, err)
			same(noisy, noisyStream)
		})
	}
}

// A sample that can't be read ends each loop with its error, after the batches before it.
func TestStreamErrors(t *testing.T) {
	cause := errors.New("cats/3.png is damaged")
	s := marked(net.Shape{2, 2, 1}, 40)
	bad := streamed(s)
	var order []int32
	for batch, err := range s.Batches(40, 7, 1) {
		require.NoError(t, err)
		order = slices.Clone(batch.Labels)
	}
	first, second := int(order[25]), int(order[27])
	bad.Samples = failing{s, func(i int) error {
		switch i {
		case first:
			return cause
		case second:
			return errors.New("a later one of the same batch")
		}
		return nil
	}}
	loops := map[string]func(yield func(net.Batch, error) bool){
		"Loader":  Loader{Set: bad, Batch: 8, Seed: 7}.Epoch(1),
		"Batches": bad.Batches(8, 7, 1),
	}
	for name, loop := range loops {
		batches := 0
		var got error
		for batch, err := range loop {
			require.NoError(t, got, "nothing comes after an error")
			if err != nil {
				assert.Zero(t, batch.N, name)
				got = err
				continue
			}
			assert.Equal(t, 8, batch.N)
			batches++
		}
		assert.Equal(t, cause, got, name)
		assert.Equal(t, 3, batches, name)
	}
	for _, err := range bad.InOrder(40) {
		assert.Error(t, err)
	}
	_, err := bad.Load()
	assert.Error(t, err)
	_, err = bad.MeanStd()
	assert.Error(t, err)
}

// A value that isn't finite is found when it is read, and named.
func TestStreamNotFinite(t *testing.T) {
	s := marked(net.Shape{2, 2, 1}, 10)
	s.X[4*6+2] = float32(math.NaN())
	_, err := streamed(s).Load()
	assert.EqualError(t, err, "dataset: synthetic:2x2x1: sample 6 has NaN at [1 0 0] of 2x2x1, want a finite value")
}

// Reading goes on several goroutines at once, and not on those samples that nobody asked for.
func TestStreamReadsAhead(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("one goroutine reads all")
	}
	s := marked(net.Shape{2}, 64)
	stream := streamed(s)
	var reads, together, most atomic.Int64
	both := make(chan struct{})
	stream.Samples = failing{s, func(int) error {
		if n := together.Add(1); n > most.Load() {
			if most.Store(n); n == 2 {
				close(both)
			}
		}
		defer together.Add(-1)
		reads.Add(1)
		<-both // the first waits for a second one, which only another goroutine can be
		return nil
	}}
	for range (Loader{Set: stream, Batch: 16}).Epoch(0) {
		break
	}
	assert.GreaterOrEqual(t, most.Load(), int64(2))
	assert.LessOrEqual(t, reads.Load(), int64(48), "a batch, the next, and at most one more")
}

func TestSetRead(t *testing.T) {
	s := numbered(3)
	x := make([]float32, 3)
	require.NoError(t, s.Read(2, x))
	assert.Equal(t, []float32{2, -2, 0}, x)
	assert.EqualError(t, s.Read(3, x), "dataset: numbered has no sample 3, want 0 to 2")
	assert.EqualError(t, s.Read(-1, x), "dataset: numbered has no sample -1, want 0 to 2")
	assert.EqualError(t, s.Read(0, x[:1]), "dataset: a sample of numbered has 2 values, and there is room for 1")
	assert.Panics(t, func() { streamed(s).Range(0, 1) })
	assert.Panics(t, func() { s.InOrder(0) })

	short := streamed(s)
	short.Labels = short.Labels[:2]
	assert.ErrorContains(t, short.Validate(), "numbered has 3 samples to read, but 2 labels")
	named := numbered(3)
	named.ClassNames = []string{"a", "b"}
	assert.ErrorContains(t, named.Validate(), "numbered has 2 names for 3 classes")
}

// A panic of the Samples reaches the goroutine of the loop.
func TestStreamPanics(t *testing.T) {
	s := streamed(numbered(40))
	s.Samples = failing{s.Samples, func(i int) error {
		if i == 11 {
			panic(fmt.Sprint("sample ", i))
		}
		return nil
	}}
	assert.PanicsWithValue(t, "sample 11", func() {
		for range (Loader{Set: s, Batch: 8}).Epoch(0) {
		}
	})
}

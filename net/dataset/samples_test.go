package dataset

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
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

// The files of MNIST and CIFAR give the same samples whether they are read at once or where they
// lie.
func TestStreamFiles(t *testing.T) {
	for name, files := range map[string]map[string][]byte{
		"MNIST": mnist("-", "", plain), "CIFAR-10": cifar10("", plain), "CIFAR-100": cifar100("", plain),
	} {
		dir := write(t, files)
		train, test, err := Options{Stream: StreamNever}.Open(dir)
		require.NoError(t, err)
		trainStream, testStream, err := Options{Stream: StreamAlways}.Open(dir)
		require.NoError(t, err)
		for _, pair := range [][2]*Set{{train, trainStream}, {test, testStream}} {
			assert.False(t, pair[0].Streams())
			require.True(t, pair[1].Streams())
			require.NoError(t, pair[1].Validate())
			loaded, err := pair[1].Load()
			require.NoError(t, err)
			loaded.Samples = nil
			assert.Equal(t, pair[0], loaded, name)
		}
		_, _, err = Options{Stream: StreamAlways, Label: "x"}.Open(dir)
		assert.ErrorContains(t, err, "with the files of "+name+", has no use for Label (--label)")
	}
	_, _, err := Options{Stream: StreamAlways}.Open(write(t, mnist("-", ".gz", zipped)))
	assert.ErrorContains(t, err, "train-images-idx3-ubyte.gz is gzipped, so that its samples can't be read one by one")
}

// Damaged files are found when they are opened, or with their name when they are read.
func TestStreamDamagedFiles(t *testing.T) {
	o := Options{Stream: StreamAlways}
	for want, damage := range map[string]func(files map[string][]byte){
		"train-images-idx3-ubyte: truncated: expected ": func(f map[string][]byte) {
			f["train-images-idx3-ubyte"] = f["train-images-idx3-ubyte"][:20]
		},
		"train-images-idx3-ubyte: trailing bytes: expected ": func(f map[string][]byte) {
			f["train-images-idx3-ubyte"] = append(f["train-images-idx3-ubyte"], 0)
		},
		"t10k-images-idx3-ubyte: expected magic number": func(f map[string][]byte) {
			f["t10k-images-idx3-ubyte"] = []byte("a text file")
		},
	} {
		files := mnist("-", "", plain)
		damage(files)
		_, _, err := o.Open(write(t, files))
		assert.ErrorContains(t, err, want)
	}
	files := cifar10("", plain)
	for want, content := range map[string][]byte{
		"test_batch.bin: expected records of CIFAR-10, 3073 bytes each, got 0 bytes": nil,
		"got 3074 bytes: 1 records and 1 bytes":                                      append(cifarRecords(0, []byte{1}), 0),
		"record 300, byte 921900: expected a label of CIFAR-10 in 0..9, got 77":      cifarRecords(0, append(slices.Repeat([][]byte{{1}}, 300), []byte{77})...),
	} {
		files["test_batch.bin"] = content
		_, _, err := o.Open(write(t, files))
		assert.ErrorContains(t, err, want)
	}

	dir := write(t, cifar10("", plain))
	train, _, err := o.Open(dir)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(dir, "data_batch_2.bin"), 1000))
	_, err = train.Load()
	assert.ErrorContains(t, err, filepath.Join(dir, "data_batch_2.bin")+": truncated: expected 3072 bytes from byte 1 on, got 999")
}

// What would take more than a quarter of the memory streams, unless that is switched off.
func TestStreamAuto(t *testing.T) {
	defer func(before func() int64) { availableMemory = before }(availableMemory)
	dir := t.TempDir()
	pictureFolder(t, dir, 5, 4, 3, "a", "b")
	const size = 10 * 3 * 4 * 3 * 4 // bytes of the samples
	for _, test := range []struct {
		available int64
		stream    Stream
		want      bool
	}{{0, "", false}, {4 * size, "", false}, {4*size - 4, "", true}, {4*size - 4, StreamAuto, true}, {1, StreamNever, false}, {1 << 50, StreamAlways, true}} {
		availableMemory = func() int64 { return test.available }
		train, _, err := Options{Stream: test.stream}.Open(dir)
		require.NoError(t, err)
		assert.Equal(t, test.want, train.Streams(), "%+v", test)
	}
	availableMemory = func() int64 { return 1 }
	train, _, err := Open(write(t, mnist("-", ".gz", zipped)))
	require.NoError(t, err)
	assert.False(t, train.Streams(), "gzipped files can't")
	_, _, err = Options{Stream: "maybe"}.Open(dir)
	assert.ErrorContains(t, err, `Stream is "maybe", want one of auto, always, never`)
}

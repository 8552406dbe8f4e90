package dataset

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// collect returns copies of all batches.
func collect(batches iter.Seq2[net.Batch, error]) (all []net.Batch) {
	for batch, err := range batches {
		if err != nil {
			panic(err)
		}
		batch.X, batch.Labels, batch.Targets = slices.Clone(batch.X), slices.Clone(batch.Labels), slices.Clone(batch.Targets)
		all = append(all, batch)
	}
	return all
}

// marked returns n noisy images of that shape, sample i with label i.
func marked(shape net.Shape, n int) *Set {
	s := Synthetic(shape, n, n, 1)
	for i := range s.Labels {
		s.Labels[i] = int32(i)
	}
	return s
}

// everything is all of this package's augmentations.
var everything = []Augmentation{Crop{Pad: 2}, Flip{}, Cutout{Size: 3}}

func TestLoaderIsBatches(t *testing.T) {
	for _, test := range []struct{ n, size int }{
		{12, 4}, {10, 4}, {5, 5}, {3, math.MaxInt}, {3, 1}, {1, 8}, {1000, 7},
	} {
		t.Run(fmt.Sprintf("%d by %d", test.n, test.size), func(t *testing.T) {
			s := numbered(test.n)
			loader := Loader{Set: s, Batch: test.size, Seed: 3}
			require.NoError(t, loader.Validate())
			for epoch := range uint64(3) {
				want := collect(s.Batches(test.size, 3, epoch))
				assert.Equal(t, want, collect(loader.Epoch(epoch)))
				assert.Equal(t, []int{len(want), test.n}, []int{loader.Batches(), loader.Samples()})
				seq := loader.Epoch(epoch)
				assert.Equal(t, collect(seq), collect(seq), "again")
			}
		})
	}
}

func TestLoaderDropLast(t *testing.T) {
	for _, test := range []struct{ n, size, batches int }{{12, 4, 3}, {13, 4, 3}, {15, 4, 3}, {4, 4, 1}, {7, 4, 1}, {5, 1, 5}} {
		whole := collect(Loader{Set: numbered(test.n), Batch: test.size}.Epoch(1))
		loader := Loader{Set: numbered(test.n), Batch: test.size, DropLast: true}
		assert.Equal(t, []int{test.batches, test.batches * test.size}, []int{loader.Batches(), loader.Samples()})
		assert.Equal(t, whole[:test.batches], collect(loader.Epoch(1)), "%d by %d", test.n, test.size)
	}
}

func TestLoaderFrom(t *testing.T) {
	for _, dropLast := range []bool{false, true} {
		loader := Loader{Set: marked(net.Shape{5, 5, 2}, 23), Batch: 4, Seed: 9, Augment: everything, DropLast: dropLast}
		whole := collect(loader.Epoch(2))
		require.Len(t, whole, loader.Batches())
		for first := range len(whole) + 1 {
			rest := collect(loader.From(2, first))
			require.Len(t, rest, len(whole)-first)
			for i := range rest {
				assert.Equal(t, whole[first+i], rest[i], "batch %d, from %d on", first+i, first)
			}
		}
		assert.Empty(t, collect(loader.From(2, math.MaxInt)))
	}
}

// counting counts the samples that it is asked to augment, and takes its time, of the clock in a
// bubble of synctest.
type counting struct{ samples *atomic.Int64 }

func (counting) Validate(net.Shape) error { return nil }

func (c counting) Apply([]float32, net.Shape, *Random) {
	time.Sleep(time.Millisecond)
	c.samples.Add(1)
}

// While the loop's body works on a batch the next one is made, and no more.
func TestLoaderWorksAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		loader := Loader{Set: numbered(20), Batch: 4, Augment: []Augmentation{counting{&made}}}
		batches := 0
		for range loader.Epoch(0) {
			batches++
			time.Sleep(time.Hour) // a long step
			assert.EqualValues(t, min(20, 4*(batches+1)), made.Load(), "at batch %d", batches)
		}
		assert.Equal(t, 5, batches)
	})
}

// However the loop ends, nothing goes on after it. synctest.Test itself fails if a goroutine is
// left that waits.
func TestLoaderEndsWithLoop(t *testing.T) {
	var made atomic.Int64
	loader := Loader{Set: numbered(100), Batch: 4, Augment: []Augmentation{counting{&made}}}
	for _, test := range []struct {
		name string
		loop func()
	}{
		{"at its end", func() {
			for range loader.Epoch(0) {
			}
		}},
		{"at once", func() {
			for range loader.Epoch(0) {
				break
			}
		}},
		{"later", func() {
			count := 0
			for range loader.Epoch(0) {
				if count++; count == 7 {
					break
				}
			}
		}},
		{"by a panic", func() {
			defer func() { _ = recover() }()
			for range loader.Epoch(0) {
				panic("stop")
			}
		}},
		{"before it begins", func() { loader.Epoch(0) }},
		{"by iter.Pull", func() {
			next, stop := iter.Pull2(loader.Epoch(0))
			next()
			stop()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.loop()
				after := made.Load()
				time.Sleep(time.Hour)
				assert.Equal(t, after, made.Load(), "no sample is made after the loop")
			})
		})
	}
}

func TestLoaderAllocatesPerEpochOnly(t *testing.T) {
	shape := net.Shape{8, 8, 3}
	s := marked(shape, 512)
	allocations := func(size int) float64 {
		loader := Loader{Set: s, Batch: size, Augment: everything}
		return testing.AllocsPerRun(10, func() {
			for batch := range loader.Epoch(4) {
				_ = batch
			}
		})
	}
	assert.Equal(t, allocations(s.Len()), allocations(1), "512 batches against one")
	assert.LessOrEqual(t, allocations(1), 20.0)
}

// A batch is the loop's to write to, and loaders may share a set.
func TestLoaderBatchesAreOnesOwn(t *testing.T) {
	s := marked(net.Shape{6, 6, 1}, 64)
	loader := Loader{Set: s, Batch: 8, Augment: everything}
	want := collect(loader.Epoch(0))
	var loaders sync.WaitGroup
	for range 3 {
		loaders.Go(func() {
			number := 0
			for batch := range loader.Epoch(0) {
				assert.Equal(t, want[number], batch)
				clear(batch.X)
				clear(batch.Labels)
				number++
			}
			assert.Len(t, want, number)
		})
	}
	loaders.Wait()
	assert.Equal(t, marked(net.Shape{6, 6, 1}, 64), s)
}

func TestLoaderValidate(t *testing.T) {
	s := marked(net.Shape{6, 5, 1}, 10)
	damaged := marked(net.Shape{6, 5, 1}, 10)
	damaged.X = damaged.X[1:]
	for _, test := range []struct {
		name   string
		loader Loader
		want   string // "" for none
	}{
		{"good", Loader{Set: s, Batch: 10, Augment: everything, DropLast: true}, ""},
		{"large batch", Loader{Set: s, Batch: 11}, ""},
		{"no set", Loader{Batch: 1}, "Loader has no Set"},
		{"empty set", Loader{Set: s.Head(0), Batch: 1}, "has no samples"},
		{"damaged set", Loader{Set: damaged, Batch: 1}, "has 299 values, want 300 for 10 samples of 6x5x1"},
		{"no batch", Loader{Set: s}, "Batch is 0, want at least 1"},
		{"nothing left", Loader{Set: s, Batch: 11, DropLast: true}, "Batch is 11, but synthetic:6x5x1 has 10 samples, so that DropLast leaves no batch"},
		{"augmentation", Loader{Set: s, Batch: 1, Augment: []Augmentation{Flip{}, Crop{Pad: 5}}}, "Augment[1]: Crop: Pad is 5, want 0 to 4"},
		{"nil augmentation", Loader{Set: s, Batch: 1, Augment: []Augmentation{nil}}, "Augment[0] is nil"},
		{"no images", Loader{Set: numbered(4), Batch: 1, Augment: everything}, "Augment[0]: Crop: samples have shape 2, want images"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.loader.Validate()
			if test.want == "" {
				require.NoError(t, err)
				assert.NotPanics(t, func() { test.loader.Epoch(0) })
				return
			}
			require.ErrorContains(t, err, test.want)
			assert.PanicsWithError(t, err.Error(), func() { test.loader.Epoch(0) })
		})
	}
	assert.Panics(t, func() { Loader{Set: s, Batch: 1}.From(0, -1) })
}

// On an AMD EPYC a sample takes 2.4 us if it is only gathered, 3.7 us augmented.
func BenchmarkLoader(b *testing.B) {
	s := Synthetic(net.Shape{32, 32, 3}, 10, 4096, 1)
	for _, bench := range []struct {
		name    string
		augment []Augmentation
	}{{"gathered", nil}, {"augmented", []Augmentation{Crop{Pad: 4}, Flip{}, Cutout{Size: 8}}}} {
		b.Run(bench.name, func(b *testing.B) {
			loader := Loader{Set: s, Batch: 128, Augment: bench.augment}
			for epoch := uint64(0); b.Loop(); epoch++ {
				for range loader.Epoch(epoch) {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.Len()), "ns/sample")
		})
	}
}

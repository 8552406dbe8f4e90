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
func collect(batches iter.Seq[net.Batch]) (all []net.Batch) {
	for batch := range batches {
		batch.X, batch.Labels = slices.Clone(batch.X), slices.Clone(batch.Labels)
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

func TestFeedIsBatches(t *testing.T) {
	for _, test := range []struct{ n, size int }{
		{12, 4}, {10, 4}, {5, 5}, {3, math.MaxInt}, {3, 1}, {1, 8}, {1000, 7},
	} {
		t.Run(fmt.Sprintf("%d by %d", test.n, test.size), func(t *testing.T) {
			s := numbered(test.n)
			feed := Feed{Set: s, Batch: test.size, Seed: 3}
			require.NoError(t, feed.Check())
			for epoch := range uint64(3) {
				want := collect(s.Batches(test.size, 3, epoch))
				assert.Equal(t, want, collect(feed.Epoch(epoch)))
				assert.Equal(t, len(want), feed.Batches())
				seq := feed.Epoch(epoch)
				assert.Equal(t, collect(seq), collect(seq), "again")
			}
		})
	}
}

func TestFeedDropLast(t *testing.T) {
	for _, test := range []struct{ n, size, batches int }{{12, 4, 3}, {13, 4, 3}, {15, 4, 3}, {4, 4, 1}, {7, 4, 1}, {5, 1, 5}} {
		whole := collect(Feed{Set: numbered(test.n), Batch: test.size}.Epoch(1))
		feed := Feed{Set: numbered(test.n), Batch: test.size, DropLast: true}
		assert.Equal(t, test.batches, feed.Batches())
		assert.Equal(t, whole[:test.batches], collect(feed.Epoch(1)), "%d by %d", test.n, test.size)
	}
}

func TestFeedFrom(t *testing.T) {
	for _, dropLast := range []bool{false, true} {
		feed := Feed{Set: marked(net.Shape{5, 5, 2}, 23), Batch: 4, Seed: 9, Augment: everything, DropLast: dropLast}
		whole := collect(feed.Epoch(2))
		require.Len(t, whole, feed.Batches())
		for first := range len(whole) + 1 {
			rest := collect(feed.From(2, first))
			require.Len(t, rest, len(whole)-first)
			for i := range rest {
				assert.Equal(t, whole[first+i], rest[i], "batch %d, from %d on", first+i, first)
			}
		}
		assert.Empty(t, collect(feed.From(2, math.MaxInt)))
	}
}

// counting counts the samples that it is asked to augment, and takes its time,
// of the clock in a bubble of synctest.
type counting struct{ samples *atomic.Int64 }

func (counting) Check(net.Shape) error { return nil }

func (c counting) Apply([]float32, net.Shape, *Random) {
	time.Sleep(time.Millisecond)
	c.samples.Add(1)
}

// While the loop's body works on a batch the next one is made, and no more.
func TestFeedWorksAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		feed := Feed{Set: numbered(20), Batch: 4, Augment: []Augmentation{counting{&made}}}
		batches := 0
		for range feed.Epoch(0) {
			batches++
			time.Sleep(time.Hour) // a long step
			assert.EqualValues(t, min(20, 4*(batches+1)), made.Load(), "at batch %d", batches)
		}
		assert.Equal(t, 5, batches)
	})
}

// However the loop ends, nothing goes on after it. synctest.Test itself fails if
// a goroutine is left that waits.
func TestFeedEndsWithLoop(t *testing.T) {
	var made atomic.Int64
	feed := Feed{Set: numbered(100), Batch: 4, Augment: []Augmentation{counting{&made}}}
	for _, test := range []struct {
		name string
		loop func()
	}{
		{"at its end", func() {
			for range feed.Epoch(0) {
			}
		}},
		{"at once", func() {
			for range feed.Epoch(0) {
				break
			}
		}},
		{"later", func() {
			count := 0
			for range feed.Epoch(0) {
				if count++; count == 7 {
					break
				}
			}
		}},
		{"by a panic", func() {
			defer func() { _ = recover() }()
			for range feed.Epoch(0) {
				panic("stop")
			}
		}},
		{"before it begins", func() { feed.Epoch(0) }},
		{"by iter.Pull", func() {
			next, stop := iter.Pull(feed.Epoch(0))
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

func TestFeedAllocatesPerEpochOnly(t *testing.T) {
	shape := net.Shape{8, 8, 3}
	s := marked(shape, 512)
	allocations := func(size int) float64 {
		feed := Feed{Set: s, Batch: size, Augment: everything}
		return testing.AllocsPerRun(10, func() {
			for batch := range feed.Epoch(4) {
				_ = batch
			}
		})
	}
	assert.Equal(t, allocations(s.Len()), allocations(1), "512 batches against one")
	assert.LessOrEqual(t, allocations(1), 20.0)
}

// A batch is the loop's to write to, and feeds may share a set.
func TestFeedBatchesAreOnesOwn(t *testing.T) {
	s := marked(net.Shape{6, 6, 1}, 64)
	feed := Feed{Set: s, Batch: 8, Augment: everything}
	want := collect(feed.Epoch(0))
	var feeds sync.WaitGroup
	for range 3 {
		feeds.Go(func() {
			number := 0
			for batch := range feed.Epoch(0) {
				assert.Equal(t, want[number], batch)
				clear(batch.X)
				clear(batch.Labels)
				number++
			}
			assert.Len(t, want, number)
		})
	}
	feeds.Wait()
	assert.Equal(t, marked(net.Shape{6, 6, 1}, 64), s)
}

func TestFeedCheck(t *testing.T) {
	s := marked(net.Shape{6, 5, 1}, 10)
	damaged := marked(net.Shape{6, 5, 1}, 10)
	damaged.X = damaged.X[1:]
	for _, test := range []struct {
		name string
		feed Feed
		want string // "" for none
	}{
		{"good", Feed{Set: s, Batch: 10, Augment: everything, DropLast: true}, ""},
		{"large batch", Feed{Set: s, Batch: 11}, ""},
		{"no set", Feed{Batch: 1}, "Feed has no Set"},
		{"empty set", Feed{Set: s.Head(0), Batch: 1}, "has no samples"},
		{"damaged set", Feed{Set: damaged, Batch: 1}, "has 299 values, want 300 for 10 samples of 6x5x1"},
		{"no batch", Feed{Set: s}, "Batch is 0, want at least 1"},
		{"nothing left", Feed{Set: s, Batch: 11, DropLast: true}, "Batch is 11, but synthetic:6x5x1 has 10 samples, so that DropLast leaves no batch"},
		{"augmentation", Feed{Set: s, Batch: 1, Augment: []Augmentation{Flip{}, Crop{Pad: 5}}}, "Augment[1]: Crop: Pad is 5, want 0 to 4"},
		{"nil augmentation", Feed{Set: s, Batch: 1, Augment: []Augmentation{nil}}, "Augment[0] is nil"},
		{"no images", Feed{Set: numbered(4), Batch: 1, Augment: everything}, "Augment[0]: Crop: samples have shape 2, want images"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.feed.Check()
			if test.want == "" {
				require.NoError(t, err)
				assert.NotPanics(t, func() { test.feed.Epoch(0) })
				return
			}
			require.ErrorContains(t, err, test.want)
			assert.PanicsWithError(t, err.Error(), func() { test.feed.Epoch(0) })
		})
	}
	assert.Panics(t, func() { Feed{Set: s, Batch: 1}.From(0, -1) })
}

// On an AMD EPYC a sample takes 2.4 us if it is only gathered, 3.7 us augmented.
func BenchmarkFeed(b *testing.B) {
	s := Synthetic(net.Shape{32, 32, 3}, 10, 4096, 1)
	for _, bench := range []struct {
		name    string
		augment []Augmentation
	}{{"gathered", nil}, {"augmented", []Augmentation{Crop{Pad: 4}, Flip{}, Cutout{Size: 8}}}} {
		b.Run(bench.name, func(b *testing.B) {
			feed := Feed{Set: s, Batch: 128, Augment: bench.augment}
			for epoch := uint64(0); b.Loop(); epoch++ {
				for range feed.Epoch(epoch) {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*s.Len()), "ns/sample")
		})
	}
}

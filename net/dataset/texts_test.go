package dataset

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// textSet returns n texts of 1 to 9 tokens: sample i has length 1 + i*i%9, and its tokens are i,
// i+1 and so on. Its label is i modulo 3.
func textSet(n int) *Set {
	s := &Set{Name: "made/train", Shape: net.Shape{9}, Classes: 3, Vocabulary: n + 9, Starts: []int{0}}
	for i := range n {
		for j := range 1 + i*i%9 {
			s.Tokens = append(s.Tokens, int32(i+j))
			s.Segments = append(s.Segments, uint8(j%2))
		}
		s.Starts = append(s.Starts, len(s.Tokens))
		s.Labels = append(s.Labels, int32(i%3))
	}
	return s
}

// assertTexts checks that a batch has the texts of textSet at indices.
func assertTexts(t *testing.T, b net.Batch, indices []int) {
	t.Helper()
	require.Equal(t, len(indices), b.N)
	require.Len(t, b.Starts, b.N+1)
	assert.Nil(t, b.X)
	for place, i := range indices {
		from, to := b.Starts[place]-b.Starts[0], b.Starts[place+1]-b.Starts[0]
		var tokens []int32
		var segments []uint8
		for j := range 1 + i*i%9 {
			tokens, segments = append(tokens, int32(i+j)), append(segments, uint8(j%2))
		}
		assert.Equal(t, tokens, b.Tokens[from:to], "sample %d", i)
		assert.Equal(t, segments, b.Segments[from:to], "sample %d", i)
		if b.Labels != nil {
			assert.EqualValues(t, i%3, b.Labels[place])
		}
	}
	assert.Len(t, b.Tokens, b.Starts[b.N]-b.Starts[0])
}

// samplesOf returns the samples of textSet that a batch holds, by their first tokens.
func samplesOf(b net.Batch) (indices []int) {
	for i := range b.N {
		indices = append(indices, int(b.Tokens[b.Starts[i]-b.Starts[0]]))
	}
	return indices
}

func TestTextSet(t *testing.T) {
	s := textSet(20)
	require.NoError(t, s.Validate())
	assert.Equal(t, 20, s.Len())
	assert.True(t, s.IsText())
	assert.False(t, s.Streams())
	assertTexts(t, s.Range(3, 4), []int{3, 4, 5, 6})
	assertTexts(t, s.Range(20, 0), nil)
	assert.Panics(t, func() { s.Range(18, 3) })
	head := s.Head(5)
	require.NoError(t, head.Validate())
	assertTexts(t, head.Range(0, 5), []int{0, 1, 2, 3, 4})
	assert.Equal(t, 20, s.Head(30).Len())

	var all []int
	for b, err := range s.InOrder(6) {
		require.NoError(t, err)
		all = append(all, samplesOf(b)...)
		assertTexts(t, b, samplesOf(b))
	}
	assert.Equal(t, indices(20), all)

	all = nil
	for b, err := range s.Batches(6, 1, 2) {
		require.NoError(t, err)
		all = append(all, samplesOf(b)...)
		assertTexts(t, b, samplesOf(b))
	}
	assert.Equal(t, permutation(20, 1, 2), all)

	loaded, err := s.Load()
	require.NoError(t, err)
	assert.Same(t, s, loaded)
	noisy, err := s.NoisyLabels(0.5, 1)
	require.NoError(t, err)
	assert.Equal(t, s.Tokens, noisy.Tokens)
	assert.NotEqual(t, s.Labels, noisy.Labels)
	subset, err := s.Subset(7, 1)
	require.NoError(t, err)
	require.NoError(t, subset.Validate())
	assertTexts(t, subset.Range(0, 7), samplesOf(subset.Range(0, 7)))
}

func TestTextSetHasNoValues(t *testing.T) {
	s := textSet(5)
	_, err := s.MeanStd()
	assert.EqualError(t, err, "dataset: made/train is text, which has no mean and deviation to standardize by")
	_, err = s.Standardize(MeanStd{Mean: []float64{0}, Std: []float64{1}})
	assert.ErrorContains(t, err, "made/train is text")
	assert.ErrorContains(t, s.Read(0, make([]float32, 9)), "samples of made/train are texts")
	err = Loader{Set: s, Batch: 2, Augment: []Augmentation{Flip{}}}.Validate()
	assert.EqualError(t, err, "dataset: Augment has 1 augmentations, but made/train is text, and they change pictures")
	pictures := Synthetic(net.Shape{4, 4, 1}, 2, 8, 1)
	err = Loader{Set: pictures, Batch: 2, Bucket: 1}.Validate()
	assert.ErrorContains(t, err, "Bucket is 1, but the samples of")
	assert.ErrorContains(t, Loader{Set: s, Batch: 2, Bucket: -1}.Validate(), "Bucket is -1")
}

func TestTextSetErrors(t *testing.T) {
	for _, test := range []struct {
		change func(s *Set)
		want   string
	}{
		{func(s *Set) { s.Tokens[s.Starts[4]+1] = 99 }, "token 1 of sample 4 of made/train is 99, want 0 to 28"},
		{func(s *Set) { s.Tokens[0] = -1 }, "token 0 of sample 0 of made/train is -1"},
		{func(s *Set) { s.Segments[s.Starts[4]] = 2 }, "segment of token 0 of sample 4 of made/train is 2, want 0 or 1"},
		{func(s *Set) { s.Starts[2] = s.Starts[1] }, "sample 1 of made/train has 0 tokens, want 1 to 9"},
		{func(s *Set) { s.Starts[2] = s.Starts[3] + 1 }, "sample 2 of made/train has -1 tokens"},
		{func(s *Set) { s.Shape = net.Shape{4} }, "sample 2 of made/train has 5 tokens, want 1 to 4"},
		{func(s *Set) { s.Shape = net.Shape{9, 2} }, "has shape 9x2, want one dimension"},
		{func(s *Set) { s.Vocabulary = 0 }, "has Vocabulary 0"},
		{func(s *Set) { s.Starts = s.Starts[:10] }, "has 10 Starts, want 21 for 20 samples"},
		{func(s *Set) { s.Tokens = s.Tokens[1:] }, "Starts of made/train go from 0 to"},
		{func(s *Set) { s.Segments = s.Segments[1:] }, "Segments, want one for each"},
		{func(s *Set) { s.Documents = []int32{1} }, "has 1 Documents"},
		{func(s *Set) { s.X = []float32{1} }, "has texts and other samples"},
		{func(s *Set) { s.Labels[7] = 3 }, "label of sample 7 is 3"},
	} {
		s := textSet(20)
		test.change(s)
		assert.ErrorContains(t, s.Validate(), test.want)
	}
	language := textSet(20)
	language.Labels, language.Classes = nil, 0
	assert.NoError(t, language.Validate(), "a language model needs no labels")
	assert.Equal(t, 20, language.Len())
}

func TestSplitTexts(t *testing.T) {
	s := textSet(40)
	rest, held, err := s.Split(8, 3)
	require.NoError(t, err)
	require.NoError(t, rest.Validate())
	require.NoError(t, held.Validate())
	assert.Equal(t, 32, rest.Len())
	one, other := samplesOf(rest.Range(0, 32)), samplesOf(held.Range(0, 8))
	assertTexts(t, rest.Range(0, 32), one)
	assertTexts(t, held.Range(0, 8), other)
	assert.ElementsMatch(t, indices(40), append(one, other...))
}

// Samples of a document go to one part together.
func TestSplitByDocuments(t *testing.T) {
	s := textSet(60)
	for i := range 60 {
		s.Documents = append(s.Documents, int32(100-i/7)) // 8 documents of 7 samples, and one of 4
	}
	require.NoError(t, s.Validate())
	for seed := range uint64(20) {
		for _, n := range []int{1, 7, 20, 59} {
			rest, held, err := s.Split(n, seed)
			require.NoError(t, err)
			require.NoError(t, rest.Validate())
			require.NoError(t, held.Validate())
			assert.Equal(t, 60, rest.Len()+held.Len())
			assert.NotContains(t, slices.Concat(rest.Documents), held.Documents[0])
			for _, document := range held.Documents {
				assert.False(t, slices.Contains(rest.Documents, document))
			}
			if n == 20 {
				assert.InDelta(t, 20, held.Len(), 4)
			}
			all := append(samplesOf(rest.Range(0, rest.Len())), samplesOf(held.Range(0, held.Len()))...)
			assert.ElementsMatch(t, indices(60), all)
		}
	}
	clear(s.Documents)
	_, _, err := s.Split(5, 1)
	assert.EqualError(t, err, "dataset: can't hold 5 samples of made/train, which are all of one document, want at least 2 documents")
}

func TestTextLoader(t *testing.T) {
	s := textSet(50)
	for _, l := range []Loader{
		{Set: s, Batch: 8, Seed: 4},
		{Set: s, Batch: 8, Seed: 4, DropLast: true},
		{Set: s, Batch: 8, Seed: 4, Bucket: 3},
		{Set: s, Batch: 8, Seed: 4, Bucket: 3, DropLast: true},
		{Set: s, Batch: 8, Seed: 4, Bucket: 1 << 30},
		{Set: s, Batch: 64, Seed: 4, Bucket: 2},
	} {
		require.NoError(t, l.Validate())
		var epochs [2][][]int
		for epoch := range epochs {
			for b, err := range l.Epoch(uint64(epoch)) {
				require.NoError(t, err)
				samples := samplesOf(b)
				assertTexts(t, b, samples)
				epochs[epoch] = append(epochs[epoch], samples)
			}
			require.Len(t, epochs[epoch], l.Batches())
			all := slices.Concat(epochs[epoch]...)
			assert.Len(t, all, l.Samples())
			slices.Sort(all)
			assert.Len(t, slices.Compact(all), l.Samples(), "no sample twice")
		}
		assert.NotEqual(t, epochs[0], epochs[1])
		for first := range l.Batches() + 1 {
			var rest [][]int
			for b, err := range l.From(1, first) {
				require.NoError(t, err)
				rest = append(rest, samplesOf(b))
			}
			assert.Equal(t, epochs[1][first:], append([][]int{}, rest...), "from batch %d on", first)
		}
	}
}

// With one window over all samples, batches are as even in length as they can be, and in a random
// order. The samples that DropLast leaves out are as long as others.
func TestBuckets(t *testing.T) {
	s := textSet(400)
	spread := func(l Loader) (within, jumps, dropped int) {
		last := 0
		seen := map[int]bool{}
		for b, err := range l.Epoch(3) {
			require.NoError(t, err)
			var lengths []int
			for i := range b.N {
				lengths = append(lengths, b.Starts[i+1]-b.Starts[i])
				seen[samplesOf(b)[i]] = true
			}
			within += slices.Max(lengths) - slices.Min(lengths)
			if lengths[0] < last {
				jumps++
			}
			last = lengths[0]
		}
		for i := range 400 {
			if !seen[i] {
				dropped = max(dropped, 1+i*i%9)
			}
		}
		return within, jumps, dropped
	}
	plain, _, _ := spread(Loader{Set: s, Batch: 36, DropLast: true})
	within, jumps, dropped := spread(Loader{Set: s, Batch: 36, DropLast: true, Bucket: 11})
	assert.Less(t, 5*within, plain)
	assert.Greater(t, jumps, 1, "batches are shuffled")
	_, _, want := spread(Loader{Set: s, Batch: 36, DropLast: true})
	assert.Equal(t, want, dropped, "the same samples are left out as without buckets")
	windows, _, _ := spread(Loader{Set: s, Batch: 36, DropLast: true, Bucket: 3})
	assert.Less(t, within, windows)
	assert.Less(t, windows, plain)
}

// The loader copies texts to memory that it has.
func TestTextLoaderAllocatesNothing(t *testing.T) {
	s := textSet(200)
	memory := s.batch(16)
	r := newReader(s)
	order := permutation(200, 1, 1)
	assert.Zero(t, testing.AllocsPerRun(20, func() {
		for part := range slices.Chunk(order, 16) {
			if _, err := r.read(memory, part); err != nil {
				t.Fatal(err)
			}
		}
	}))
}

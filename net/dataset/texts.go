package dataset

import (
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// What a Set does with samples that are texts.

// length returns the number of tokens of a sample.
func (s *Set) length(i int) int { return s.Starts[i+1] - s.Starts[i] }

// longest returns the number of tokens of the longest sample.
func (s *Set) longest() int {
	most := 0
	for i := range s.Len() {
		most = max(most, s.length(i))
	}
	return most
}

// texts returns n samples from first on, sharing the memory of s.
func (s *Set) texts(first, n int) (tokens []int32, segments []uint8, starts []int) {
	checkRange(first, n, s.Len())
	tokens, starts = op.Runs(s.Tokens, s.Starts, 1, first, n)
	if s.Segments != nil {
		segments, _ = op.Runs(s.Segments, s.Starts, 1, first, n)
	}
	return slices.Clip(tokens), slices.Clip(segments), slices.Clip(starts)
}

// textMemory gives a batch memory for its N samples, whichever they are.
func (s *Set) textMemory(batch *net.Batch) {
	most := batch.N * s.longest()
	batch.Tokens, batch.Starts = make([]int32, 0, most), make([]int, 0, batch.N+1)
	if s.Segments != nil {
		batch.Segments = make([]uint8, 0, most)
	}
}

// gatherTexts copies the texts at indices to the memory of a batch, which has room for at least as
// many.
func (s *Set) gatherTexts(batch *net.Batch, memory net.Batch, indices []int) {
	tokens, segments, starts := memory.Tokens[:0], memory.Segments[:0], append(memory.Starts[:0], 0)
	for _, i := range indices {
		from, to := s.Starts[i], s.Starts[i+1]
		tokens = append(tokens, s.Tokens[from:to]...)
		if s.Segments != nil {
			segments = append(segments, s.Segments[from:to]...)
		}
		starts = append(starts, len(tokens))
	}
	batch.Tokens, batch.Segments, batch.Starts = tokens, segments, starts
}

// pickTexts gives chosen copies of the texts at indices.
func (s *Set) pickTexts(chosen *Set, indices []int) {
	total := 0
	for _, i := range indices {
		total += s.length(i)
	}
	memory := net.Batch{Tokens: make([]int32, 0, total), Starts: make([]int, 0, len(indices)+1)}
	if s.Segments != nil {
		memory.Segments = make([]uint8, 0, total)
	}
	var batch net.Batch
	s.gatherTexts(&batch, memory, indices)
	chosen.Tokens, chosen.Segments, chosen.Starts = batch.Tokens, batch.Segments, batch.Starts
	chosen.Lost, chosen.Documents = at(s.Lost, indices, 1), at(s.Documents, indices, 1)
}

// validateTexts is the part of validateSizes about texts.
func (s *Set) validateTexts() error {
	if !s.IsText() {
		return nil
	}
	n := s.Len()
	switch {
	case s.X != nil || s.Samples != nil:
		return fmt.Errorf("dataset: %s has texts and other samples, want one of them", s.Name)
	case len(s.Shape) != 1:
		return fmt.Errorf("dataset: %s has shape %v, want one dimension, the most tokens of a text", s.Name, s.Shape)
	case s.Vocabulary < 1:
		return fmt.Errorf("dataset: %s has Vocabulary %d, want at least 1", s.Name, s.Vocabulary)
	case len(s.Starts) != n+1:
		return fmt.Errorf("dataset: %s has %d Starts, want %d for %d samples", s.Name, len(s.Starts), n+1, n)
	case s.Starts[0] != 0 || s.Starts[n] != len(s.Tokens):
		return fmt.Errorf("dataset: Starts of %s go from %d to %d, want 0 to its %d tokens", s.Name, s.Starts[0], s.Starts[n], len(s.Tokens))
	case s.Segments != nil && len(s.Segments) != len(s.Tokens):
		return fmt.Errorf("dataset: %s has %d Segments, want one for each of its %d tokens, or none", s.Name, len(s.Segments), len(s.Tokens))
	case s.Lost != nil && len(s.Lost) != n:
		return fmt.Errorf("dataset: %s has %d numbers in Lost, want one for each of its %d samples, or none", s.Name, len(s.Lost), n)
	case s.Documents != nil && len(s.Documents) != n:
		return fmt.Errorf("dataset: %s has %d Documents, want one for each of its %d samples, or none", s.Name, len(s.Documents), n)
	}
	for i := range n {
		if length := s.length(i); length < 1 || length > s.Shape[0] {
			return fmt.Errorf("dataset: sample %d of %s has %d tokens, want 1 to %d", i, s.Name, length, s.Shape[0])
		}
	}
	return nil
}

// validateTokens is the part of Validate that looks at the tokens.
func (s *Set) validateTokens() error {
	for i, token := range s.Tokens {
		if token < 0 || int(token) >= s.Vocabulary {
			return fmt.Errorf("dataset: token %d of sample %d of %s is %d, want 0 to %d", i-s.Starts[s.holds(i)], s.holds(i), s.Name, token, s.Vocabulary-1)
		}
	}
	for i, segment := range s.Segments {
		if segment > 1 {
			return fmt.Errorf("dataset: segment of token %d of sample %d of %s is %d, want 0 or 1", i-s.Starts[s.holds(i)], s.holds(i), s.Name, segment)
		}
	}
	return nil
}

// holds returns the sample that has a token of s.
func (s *Set) holds(token int) int {
	i, exact := slices.BinarySearch(s.Starts, token)
	if !exact {
		i--
	}
	return i
}

package dataset

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Split divides s in two at random: held gets n samples, for validation, and rest the others. Both
// keep the order of s and are copies, but for samples of a set that streams, which are read from
// the same place. The choice depends on seed, n and Len alone, and is the same on every platform.
//
// The samples of a document (Set.Documents) stay together, since a model would know half of a
// document from the other. held then gets whole documents, and about n samples.
//
// If s is called "name/train", so is rest, and held is called "name/validation". An n that leaves
// no sample to either is an error.
func (s *Set) Split(n int, seed uint64) (rest, held *Set, err error) {
	if n < 1 || n >= s.Len() {
		return nil, nil, fmt.Errorf("dataset: can't hold %d of the %d samples of %s, want at least 1 and fewer than all", n, s.Len(), s.Name)
	}
	var choice Random
	choice.start(seed, 0, 0, forSplit)
	var order []int
	if s.Documents == nil {
		order = choice.permutation(s.Len())
	} else if order, n, err = s.byDocuments(n, &choice); err != nil {
		return nil, nil, err
	}
	slices.Sort(order[:n])
	slices.Sort(order[n:])
	return s.pick(order[n:], s.Name), s.pick(order[:n], strings.TrimSuffix(s.Name, "/train")+"/validation"), nil
}

// byDocuments returns the samples document by document, in a random order of the documents, and how
// many of them the first documents have, which is as near to n as whole documents allow.
func (s *Set) byDocuments(n int, choice *Random) (order []int, held int, err error) {
	var documents [][]int // samples of each, in the order of their first
	places := map[int32]int{}
	for i, document := range s.Documents {
		place, ok := places[document]
		if !ok {
			place = len(documents)
			places[document], documents = place, append(documents, nil)
		}
		documents[place] = append(documents[place], i)
	}
	if len(documents) < 2 {
		return nil, 0, fmt.Errorf("dataset: can't hold %d samples of %s, which are all of one document, want at least 2 documents", n, s.Name)
	}
	holding := true
	for i, place := range choice.permutation(len(documents)) {
		samples := documents[place]
		if i > 0 && (i == len(documents)-1 || 2*(n-held) < len(samples)) {
			holding = false
		}
		if holding {
			held += len(samples)
		}
		order = append(order, samples...)
	}
	return order, held, nil
}

// Subset returns n samples of s chosen at random, to train on less. The classes keep their shares.
// It keeps the order of s and is a copy. The choice depends on seed, n and the labels alone, and is
// the same on every platform.
//
// An n that isn't from 1 to Len is an error, and so is a set without labels.
func (s *Set) Subset(n int, seed uint64) (*Set, error) {
	if n < 1 || n > s.Len() {
		return nil, fmt.Errorf("dataset: can't choose %d of the %d samples of %s, want at least 1 and no more than there are", n, s.Len(), s.Name)
	}
	if s.Labels == nil {
		return nil, fmt.Errorf("dataset: %s has no labels to choose a subset by", s.Name)
	}
	if err := s.validateLabels(); err != nil {
		return nil, err
	}
	var choice Random
	choice.start(seed, 0, 0, forSubset)
	left := s.shares(n)
	var chosen []int
	for _, i := range choice.permutation(s.Len()) {
		if label := s.Labels[i]; left[label] > 0 {
			left[label]--
			chosen = append(chosen, i)
		}
	}
	slices.Sort(chosen)
	return s.pick(chosen, s.Name), nil
}

// Spread returns n samples of s at even distances: those at i*Len/n, for i from 0 to n-1. Data that
// is sorted by class, as folders of pictures are, keeps the shares of its classes. The samples keep
// their order, and are a copy.
//
// An n that isn't from 1 to Len is an error.
func (s *Set) Spread(n int) (*Set, error) {
	if n < 1 || n > s.Len() {
		return nil, fmt.Errorf("dataset: can't choose %d of the %d samples of %s, want at least 1 and no more than there are", n, s.Len(), s.Name)
	}
	chosen := make([]int, n)
	for i := range chosen {
		chosen[i] = int(int64(i) * int64(s.Len()) / int64(n))
	}
	return s.pick(chosen, s.Name), nil
}

// shares divides n between the classes in proportion to their samples, by largest remainders. Of
// equal remainders, that of the first class counts as larger.
func (s *Set) shares(n int) []int {
	counts := make([]int, s.Classes)
	for _, label := range s.Labels {
		counts[label]++
	}
	shares, remainders := make([]int, s.Classes), make([]int64, s.Classes)
	order := make([]int, s.Classes)
	rest, all := n, int64(s.Len())
	for class, count := range counts {
		exact := int64(n) * int64(count) // all times the share
		shares[class], remainders[class] = int(exact/all), exact%all
		rest -= shares[class]
		order[class] = class
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(remainders[b], remainders[a]) })
	for _, class := range order[:rest] {
		shares[class]++
	}
	return shares
}

// pick returns the samples at indices: a copy of those in memory, and otherwise one that reads from
// the same place.
func (s *Set) pick(indices []int, name string) *Set {
	chosen := *s
	chosen.Name = name
	chosen.Labels, chosen.Targets = at(s.Labels, indices, 1), at(s.Targets, indices, s.targets())
	switch {
	case s.Streams():
		chosen.Samples = picked{s, indices}
	case s.IsText():
		s.pickTexts(&chosen, indices)
	default:
		chosen.X = at(s.X, indices, s.Shape.Size())
	}
	return &chosen
}

// at returns copies of the values of samples, each with size of them; nil for nil.
func at[T any](values []T, indices []int, size int) []T {
	if values == nil {
		return nil
	}
	chosen := make([]T, 0, len(indices)*size)
	for _, i := range indices {
		chosen = append(chosen, values[i*size:][:size]...)
	}
	return chosen
}

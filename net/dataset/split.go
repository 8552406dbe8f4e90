package dataset

import (
	"fmt"
	"slices"
	"strings"
)

// Split divides s in two by chance: held gets n samples, to validate by, and
// rest the others. Both keep the order of s and are copies. Which samples are
// held depends on seed, n and Len alone, and is the same on every platform.
//
// If s is called "name/train", so is rest, and held "name/validation". An n that
// leaves no sample to either is an error.
func (s *Set) Split(n int, seed uint64) (rest, held *Set, err error) {
	if n < 1 || n >= s.Len() {
		return nil, nil, fmt.Errorf("dataset: can't hold %d of the %d samples of %s, want at least 1 and fewer than all", n, s.Len(), s.Name)
	}
	var choice Random
	choice.start(seed, 0, 0, forSplit)
	order := choice.permutation(s.Len())
	slices.Sort(order[:n])
	slices.Sort(order[n:])
	return s.pick(order[n:], s.Name), s.pick(order[:n], strings.TrimSuffix(s.Name, "/train")+"/validation"), nil
}

// pick returns a copy of the samples of those indices.
func (s *Set) pick(indices []int, name string) *Set {
	picked := *s
	batch := s.gather(s.batch(len(indices)), indices)
	picked.Name, picked.X, picked.Labels = name, batch.X, batch.Labels
	return &picked
}

package dataset

import (
	"fmt"

	"github.com/steppe-ml/steppe/net"
)

// SyntheticText returns n texts of random tokens in [0, vocabulary), with uniformly random lengths
// from shortest to longest and labels in [0, classes); with 0 classes there are none, as a language
// model wants it. They are the same for a seed on every platform. Nothing can be learned from them:
// they are for timing a network.
//
// SyntheticText panics unless vocabulary is positive, and shortest is from 1 to longest.
func SyntheticText(vocabulary, shortest, longest, classes, n int, seed uint64) *Set {
	if vocabulary < 1 || shortest < 1 || longest < shortest || classes < 0 {
		panic(fmt.Sprintf("dataset: no texts of %d to %d of %d tokens in %d classes", shortest, longest, vocabulary, classes))
	}
	s := &Set{
		Name: fmt.Sprintf("made-up text of %d tokens", longest), Shape: net.Shape{longest}, Classes: classes,
		Vocabulary: vocabulary, Starts: make([]int, 1, n+1),
	}
	if shortest < longest {
		s.Name = fmt.Sprintf("made-up text of %d to %d tokens", shortest, longest)
	}
	labels, lengths, tokens := NewRandom(seed, 0), NewRandom(seed, 1), NewRandom(seed, 2)
	for range n {
		for range shortest + lengths.Below(longest-shortest+1) {
			s.Tokens = append(s.Tokens, int32(tokens.Below(vocabulary)))
		}
		s.Starts = append(s.Starts, len(s.Tokens))
		if classes > 0 {
			s.Labels = append(s.Labels, int32(labels.Below(classes)))
		}
	}
	return s
}

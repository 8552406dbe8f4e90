package program

import (
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/net/op"
)

// The input of a model over text is token ids. The values behind it are sequences, whose samples
// have a row for each token, until an op pools them.

// validateText returns an error unless an op can read the model's input, if it is to: as token ids
// or as floats, but all ops alike.
func (b *Builder) validateText(o op.Op, traits op.Traits, in []op.Value) error {
	isInput := func(v op.Value) bool { return b.base[v] == 0 }
	floats := b.vocabulary == 0 && slices.ContainsFunc(b.nodes, func(n node) bool { return slices.ContainsFunc(n.in, isInput) })
	switch {
	case traits.Vocabulary == 0 && b.vocabulary > 0 && slices.ContainsFunc(in, isInput):
		return fmt.Errorf("op %T reads the input, which is token ids: put an Embedding before it", o)
	case traits.Vocabulary == 0:
		return nil
	case in[0] != 0 || len(in) > 1 || floats:
		return fmt.Errorf("op %T reads token ids, and only the model's input can be some", o)
	case b.vocabulary > 0 && b.vocabulary != traits.Vocabulary:
		return fmt.Errorf("op %T has a vocabulary of %d, and another op that reads the input one of %d", o, traits.Vocabulary, b.vocabulary)
	case len(b.shapes[0]) != 1:
		return fmt.Errorf("op %T reads token ids of shape %v, want one dimension, the most tokens of a sample", o, b.shapes[0])
	}
	return nil
}

// validateSequence returns an error unless an op that reads a sequence can, and makes one or pools.
func (b *Builder) validateSequence(o op.Op, traits op.Traits, out op.Shape, in []op.Value) error {
	if traits.Vocabulary == 0 && !slices.ContainsFunc(in, b.Sequence) {
		return nil
	}
	rows := b.shapes[in[0]][0]
	switch {
	case traits.Couples:
		return fmt.Errorf("op %T couples samples, and can't read a sequence, whose samples have different lengths", o)
	case traits.Aux.Sample%rows != 0:
		return fmt.Errorf("op %T keeps %d floats of Aux for a sample of at most %d rows, want as many for each row", o, traits.Aux.Sample, rows)
	case !traits.Pools && (len(out) != 2 || out[0] != rows):
		return fmt.Errorf("op %T makes %v of a sequence of at most %d rows, want as many", o, out, rows)
	case traits.Vocabulary > 0:
		return nil
	}
	for _, v := range in {
		if !b.sequence[v] || b.shapes[v][0] != rows {
			return fmt.Errorf("op %T reads a sequence of at most %d rows beside %v", o, rows, b.shapes[v])
		}
	}
	return nil
}

// validateTokens returns an error unless b is text that fits the program.
func (p *Program) validateTokens(b op.Batch) error {
	switch {
	case len(b.X) > 0:
		return fmt.Errorf("batch of %d samples has %d floats, and the model reads token ids", b.N, len(b.X))
	case len(b.Starts) != b.N+1:
		return fmt.Errorf("batch of %d samples has %d Starts, want %d", b.N, len(b.Starts), b.N+1)
	case len(b.Tokens) != b.Starts[b.N]-b.Starts[0]:
		return fmt.Errorf("batch has %d tokens, want those from %d to %d", len(b.Tokens), b.Starts[0], b.Starts[b.N])
	case b.Segments != nil && len(b.Segments) != len(b.Tokens):
		return fmt.Errorf("batch has %d Segments for %d tokens", len(b.Segments), len(b.Tokens))
	}
	most := p.shapes[0][0]
	for i := range b.N {
		if n := b.Starts[i+1] - b.Starts[i]; n < 1 || n > most {
			return fmt.Errorf("sample %d has %d tokens, want 1 to %d", i, n, most)
		}
	}
	for i := range b.N {
		first := b.Starts[i] - b.Starts[0]
		for j, id := range b.Tokens[first : b.Starts[i+1]-b.Starts[0]] {
			if id < 0 || int(id) >= p.vocabulary {
				return fmt.Errorf("token %d of sample %d is %d, want 0 to %d", j, i, id, p.vocabulary-1)
			}
			if b.Segments != nil && b.Segments[first+j] > 1 {
				return fmt.Errorf("token %d of sample %d is in segment %d, want 0 or 1", j, i, b.Segments[first+j])
			}
		}
	}
	return nil
}

// Vocabulary returns the number of token ids that the program knows; 0 if its input isn't text.
func (p *Program) Vocabulary() int { return p.vocabulary }

// OutputOf returns the floats of the outputs of the n samples from index first on, and of those
// before them.
func (p *Program) OutputOf(b op.Batch, first, n int) (before, size int) {
	return p.sizeOf(op.Value(len(p.shapes)-1), b, first, n)
}

// OutputSequence reports whether outputs are sequences, with a row for each token.
func (p *Program) OutputSequence() bool { return p.sequence[len(p.sequence)-1] }

// sizeOf returns the floats of the n samples of v from index first on, and of those before them.
func (p *Program) sizeOf(v op.Value, b op.Batch, first, n int) (before, size int) {
	if !p.sequence[v] {
		size := p.shapes[v].Size()
		return first * size, n * size
	}
	width := p.shapes[v].Size() / p.shapes[v][0]
	return (b.Starts[first] - b.Starts[0]) * width, (b.Starts[first+n] - b.Starts[first]) * width
}

// bindInput points t, the input in whatever shape, to a batch.
func (p *Program) bindInput(t *op.Tensor, b op.Batch) {
	t.N, t.Data = b.N, b.X
	if p.vocabulary > 0 {
		t.Starts, t.Tokens, t.Segments = b.Starts, b.Tokens, b.Segments
	}
}

package dataset

import (
	"fmt"
	"runtime"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/text"
)

// textSamples are samples that were made of some texts.
type textSamples struct {
	tokens   []int32
	segments []uint8 // empty if all are 0
	starts   []int   // of each sample, and the end
	lost     []int32 // tokens that each sample's text was too long by
	from     []int32 // the text that each sample was made of
}

// end ends a sample of text from, whose tokens are there already.
func (s *textSamples) end(from int, lost int) {
	s.starts = append(s.starts, len(s.tokens))
	s.lost = append(s.lost, int32(lost))
	s.from = append(s.from, int32(from))
}

// sampler makes samples of texts. Several goroutines call add at the same time, each with its own
// samples to append those of text i to.
type sampler interface {
	add(i int, to *textSamples) error
}

// sample makes the samples of n texts, several texts at once. The samples are in the order of the
// texts, and an error is that of the first text that has one.
func sample(n int, by sampler) (*textSamples, error) {
	job := &sampling{by: by, n: n, parts: make([]samplingPart, num.CeilDiv(n, textsAtOnce))}
	parallel.NewTeam(runtime.GOMAXPROCS(0)).Run(len(job.parts), job)
	all := &textSamples{starts: []int{0}}
	tokens, segments, samples := 0, 0, 0
	for i := range job.parts {
		part := &job.parts[i]
		if part.err != nil {
			return nil, part.err
		}
		tokens, segments, samples = tokens+len(part.tokens), segments+len(part.segments), samples+len(part.from)
	}
	all.tokens, all.segments = make([]int32, 0, tokens), make([]uint8, 0, segments)
	all.lost, all.from = make([]int32, 0, samples), make([]int32, 0, samples)
	for i := range job.parts {
		part := &job.parts[i]
		for _, start := range part.starts[1:] {
			all.starts = append(all.starts, len(all.tokens)+start)
		}
		all.tokens, all.segments = append(all.tokens, part.tokens...), append(all.segments, part.segments...)
		all.lost, all.from = append(all.lost, part.lost...), append(all.from, part.from...)
	}
	return all, nil
}

// textsAtOnce is how many texts a goroutine takes at once.
const textsAtOnce = 64

// sampling is a job: each task makes the samples of some texts.
type sampling struct {
	by    sampler
	n     int
	parts []samplingPart // by task
}

type samplingPart struct {
	textSamples
	err error
}

// Do implements parallel.Job.
func (s *sampling) Do(task, _ int) {
	part := &s.parts[task]
	part.starts = []int{0}
	for i := task * textsAtOnce; i < min(s.n, (task+1)*textsAtOnce) && part.err == nil; i++ {
		part.err = s.by.add(i, &part.textSamples)
	}
}

// set returns samples as a set, without labels.
func (s *textSamples) set(name string, in *Input, tok text.Tokenizer) *Set {
	set := &Set{
		Name: name, Shape: net.Shape{in.Text.Length}, Input: in, Vocabulary: tok.Vocabulary(),
		Tokens: s.tokens, Starts: s.starts,
	}
	if len(s.segments) > 0 {
		set.Segments = s.segments
	}
	for _, lost := range s.lost {
		if lost > 0 {
			set.Lost = s.lost
			break
		}
	}
	return set
}

// pairs makes a sample of each text, or of each two texts.
type pairs struct {
	tok    text.Tokenizer
	length int
	a, b   []string // b is nil for samples of one text
	name   func(i int) string
}

func (p *pairs) add(i int, to *textSamples) error {
	b := ""
	if p.b != nil {
		b = p.b[i]
	}
	before := len(to.tokens)
	tokens, segments, cut, err := text.Sample(p.tok, to.tokens, to.segments, p.a[i], b, p.length)
	if err == nil && len(tokens) == before {
		err = fmt.Errorf("the text has no tokens")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.name(i), err)
	}
	to.tokens = tokens
	if p.b != nil {
		to.segments = segments
	}
	to.end(i, cut)
	return nil
}

// chunks makes samples for a language model of each text: consecutive pieces of as many tokens as a
// sample may have. The first token of a piece is the last of the one before, so that a model
// predicts every token of a text once, but for the first. The special tokens Begin and End are
// around a text, if the tokenizer has them.
type chunks struct {
	tok    text.Tokenizer
	length int
	texts  []string
	name   func(i int) string
}

func (c *chunks) add(i int, to *textSamples) error {
	ids := encodeDocument(c.tok, nil, c.texts[i])
	if len(ids) < 2 {
		return fmt.Errorf("%s: the text has %d tokens, want at least 2, so that one can be predicted from another", c.name(i), len(ids))
	}
	for from := 0; from < len(ids)-1; from += c.length - 1 {
		to.tokens = append(to.tokens, ids[from:min(from+c.length, len(ids))]...)
		to.end(i, 0)
	}
	return nil
}

// beginnings makes a sample of each text as chunks does, but of its first piece alone.
type beginnings struct{ chunks }

func (b *beginnings) add(i int, to *textSamples) error {
	var whole textSamples
	if err := b.chunks.add(i, &whole); err != nil {
		return err
	}
	first := whole.starts[0]
	to.tokens = append(to.tokens, whole.tokens[:first]...)
	to.end(i, len(whole.tokens)-first-(len(whole.starts)-1)) // pieces have a token in common
	return nil
}

// encodeDocument appends the tokens of a text with Begin before it and End behind it.
func encodeDocument(tok text.Tokenizer, ids []int32, s string) []int32 {
	special := tok.Special()
	if special.Begin >= 0 {
		ids = append(ids, special.Begin)
	}
	ids = tok.Encode(ids, s)
	if special.End >= 0 {
		ids = append(ids, special.End)
	}
	return ids
}

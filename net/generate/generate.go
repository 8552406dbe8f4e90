package generate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/text"
)

// Options says how a text goes on.
type Options struct {
	Tokens      int     // the most tokens to add, at least 1
	Temperature float64 // divides the logits: below 1 the probable becomes more so; 0 takes the most probable token
	TopK        int     // how many of the most probable tokens may be drawn; 0 for all
	Seed        uint64  // of the draws
}

// Validate returns an error if a field makes no sense. It wraps an *optim.FieldError.
func (o Options) Validate() error {
	bad := func(field, problem string, args ...any) error {
		return fmt.Errorf("generate: %w", &optim.FieldError{Field: field, Problem: fmt.Sprintf(problem, args...)})
	}
	switch {
	case o.Tokens < 1:
		return bad("Tokens", "is %d, want at least 1", o.Tokens)
	case !(o.Temperature >= 0) || math.IsInf(o.Temperature, 1):
		return bad("Temperature", "is %v, want a finite number that isn't negative", o.Temperature)
	case o.TopK < 0:
		return bad("TopK", "is %d, want at least 1, or 0 for all tokens", o.TopK)
	}
	return nil
}

// Result is what Text has added to a text.
type Result struct {
	Text   string
	Tokens int
	Ended  bool // by the model, which has drawn the token that ends a text, rather than by Options.Tokens
}

// Text goes on with a text, whose token ids are prompt: one at least, such as the tokenizer's
// Special().Begin. It calls yield with the parts that it adds, as they come; each is whole
// characters. An error of yield ends it, and so does ctx; the result then has what came before.
//
// The model is a language model: its outputs are a sequence of logits, one for each of the
// tokenizer's ids. It sees as many tokens as its input allows: the last ones of the text. Each step
// predicts all of them anew. Special tokens are never drawn, but for the one that ends a text.
//
// The same model, prompt and Options add the same text on the same instruction set.
func Text(ctx context.Context, p *net.Predictor, tokenizer text.Tokenizer, prompt []int32, o Options, yield func(part string) error) (Result, error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	model, vocabulary := p.Model(), tokenizer.Vocabulary()
	out := model.OutputShape()
	switch {
	case model.Vocabulary() == 0 || len(out) != 2 || out[1] != vocabulary || model.Vocabulary() != vocabulary:
		return Result{}, fmt.Errorf("generate: a model with a vocabulary of %d and outputs %v, want logits for each of the tokenizer's %d tokens", model.Vocabulary(), out, vocabulary)
	case len(prompt) == 0:
		return Result{}, errors.New("generate: the prompt has no token, want at least one, such as that which begins a text")
	}
	w := &writer{
		predictor: p, most: model.InputShape()[0], tokenizer: tokenizer, special: tokenizer.Special(),
		sampler: newSampler(o), ids: append([]int32(nil), prompt...), yield: yield,
	}
	w.shown = len(w.decoded())
	return w.write(ctx, o.Tokens)
}

// writer is one call of Text.
type writer struct {
	predictor *net.Predictor
	most      int // tokens that the model sees at a time
	tokenizer text.Tokenizer
	special   text.Special
	sampler   *sampler
	yield     func(part string) error

	ids     []int32 // of the prompt, and of what was added
	shown   int     // bytes of the text that are out, or the prompt's
	starts  [2]int
	outputs []float32
	done    Result
}

// write adds so many tokens.
func (w *writer) write(ctx context.Context, tokens int) (Result, error) {
	for w.done.Tokens < tokens {
		if err := ctx.Err(); err != nil {
			return w.done, err
		}
		id, err := w.next()
		if err != nil {
			return w.done, err
		}
		if id == w.special.End {
			w.done.Ended = true
			break
		}
		w.ids = append(w.ids, id)
		w.done.Tokens++
		if err := w.show(false); err != nil {
			return w.done, err
		}
	}
	return w.done, w.show(true)
}

// next draws the token behind those so far. Special tokens but the one that ends a text are never
// drawn: no text goes on behind them.
func (w *writer) next() (id int32, err error) {
	window := w.ids[max(0, len(w.ids)-w.most):]
	w.starts[1] = len(window)
	if w.outputs, err = w.predictor.OutputsOf(w.outputs, net.Batch{N: 1, Tokens: window, Starts: w.starts[:]}); err != nil {
		return 0, err
	}
	logits := w.outputs[len(w.outputs)-w.tokenizer.Vocabulary():]
	token, err := w.sampler.draw(logits, func(token int) bool {
		return int32(token) != w.special.End && w.special.Has(int32(token))
	})
	return int32(token), err
}

// decoded returns the text of the tokens so far, without special ones.
func (w *writer) decoded() string {
	ids := w.ids
	for len(ids) > 0 && w.special.Has(ids[0]) {
		ids = ids[1:]
	}
	return w.tokenizer.Decode(ids)
}

// show yields what is new, but for a last character that isn't whole yet. The last call yields
// that, too.
func (w *writer) show(last bool) error {
	all := w.decoded()
	part := all[min(w.shown, len(all)):]
	if !last {
		part = part[:wholeRunes(part)]
	}
	if part == "" {
		return nil
	}
	w.shown += len(part)
	w.done.Text += part
	return w.yield(part)
}

// wholeRunes returns how many bytes of a text are whole characters, or no UTF-8 at all.
func wholeRunes(s string) int {
	for back := 1; back <= min(len(s), utf8.UTFMax-1); back++ {
		if start := len(s) - back; utf8.RuneStart(s[start]) {
			if !utf8.FullRuneInString(s[start:]) {
				return start
			}
			break
		}
	}
	return len(s)
}

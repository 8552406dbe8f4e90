package runs

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/text"
)

// Generation says how a language model goes on with a text.
type Generation struct {
	Tokens int // the most tokens to add
	Sampling
}

// Validate returns an error in the words of the flags if a field makes no sense.
func (g Generation) Validate() error {
	if g.Tokens < 1 {
		return fmt.Errorf("--tokens is %d, want at least 1", g.Tokens)
	}
	return g.Sampling.Validate()
}

// Generated is what Generate has added to a text.
type Generated struct {
	Text   string
	Tokens int
	Ended  bool // by the model, which has drawn the token that ends a text, rather than by Generation.Tokens
}

// Generate has a language model go on with a text, which may be empty. It calls yield with the parts
// that it adds, as they come; each is whole characters. An error of yield ends it.
//
// The model sees as many tokens as a sample may have: the last ones of the text. The same model,
// prompt and Generation add the same text on the same instruction set.
func (t *Trained) Generate(ctx context.Context, prompt string, g Generation, yield func(part string) error) (Generated, error) {
	if err := g.Validate(); err != nil {
		return Generated{}, err
	}
	if !t.Language() {
		return Generated{}, fmt.Errorf("%s is no language model, which generate needs: steppe train --model %s trains one", t.Path, strings.ReplaceAll(modelNames(isLanguage), ", ", " or "))
	}
	tokenizer, err := t.input.Text.Open()
	if err != nil {
		return Generated{}, err
	}
	predictor, err := t.Model.Predictor(t.Params)
	if err != nil {
		return Generated{}, err
	}
	ids, err := t.input.Text.Prompt(prompt)
	if err != nil {
		return Generated{}, err
	}
	if len(ids) == 0 {
		return Generated{}, fmt.Errorf("--prompt is empty, and the tokenizer of %s has no token that begins a text: want a few words", t.Path)
	}
	w := &writer{
		predictor: predictor, most: t.Meta.Input[0], tokenizer: tokenizer, special: tokenizer.Special(),
		sampler: newSampler(g.Sampling), ids: ids, yield: yield,
	}
	w.shown = len(w.decoded())
	return w.write(ctx, g.Tokens)
}

// writer is one call of Generate.
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
	done    Generated
}

// write adds so many tokens.
func (w *writer) write(ctx context.Context, tokens int) (Generated, error) {
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

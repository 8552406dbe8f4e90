package runs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/steppe-ml/steppe/net/generate"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
)

// flagsOfGenerate are the flags of generate.Options' fields.
var flagsOfGenerate = map[string]string{"Tokens": "tokens", "Temperature": "temperature", "TopK": "top-k"}

// ValidateGenerate returns an error in the words of the flags if an option makes no sense.
func ValidateGenerate(o generate.Options) error {
	err := o.Validate()
	if field := (*optim.FieldError)(nil); errors.As(err, &field) {
		return fmt.Errorf("--%s %s", flagsOfGenerate[field.Field], field.Problem)
	}
	return err
}

// Generate has a language model go on with a text, which may be empty, as generate.Text does.
func (t *Trained) Generate(ctx context.Context, prompt string, o generate.Options, yield func(part string) error) (generate.Result, error) {
	if err := ValidateGenerate(o); err != nil {
		return generate.Result{}, err
	}
	if !t.Language() {
		return generate.Result{}, fmt.Errorf("%s is no language model, which generate needs: steppe train --model %s trains one", t.Path, strings.Join(zoo.Names(isLanguage), " or "))
	}
	tokenizer, err := t.input.Text.Open()
	if err != nil {
		return generate.Result{}, err
	}
	predictor, err := t.Model.Predictor(t.Params)
	if err != nil {
		return generate.Result{}, err
	}
	if !utf8.ValidString(prompt) {
		return generate.Result{}, fmt.Errorf("--prompt %s isn't UTF-8", shorten(prompt))
	}
	ids, err := t.input.Text.Prompt(prompt)
	if err != nil {
		return generate.Result{}, err
	}
	if len(ids) == 0 {
		return generate.Result{}, fmt.Errorf("--prompt is empty, and the tokenizer of %s has no token that begins a text: want a few words", t.Path)
	}
	return generate.Text(ctx, predictor, tokenizer, ids, o, yield)
}

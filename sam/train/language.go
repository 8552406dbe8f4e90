package train

import (
	"errors"
	"math"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// Perplexity is that of a language model: e to the power of its loss, the mean cross-entropy of
// each token but a sample's first, given those before it. A model that gives all tokens equal odds
// has a perplexity of the size of the vocabulary. It is infinite where the loss is more than a
// float64's exponential can take.
type Perplexity struct{ loss Loss }

// Name implements Metric.
func (*Perplexity) Name() string { return "perplexity" }

// Reset implements Metric.
func (p *Perplexity) Reset(model *net.Model, set *dataset.Set) error {
	if err := validateLanguage(model); err != nil {
		return err
	}
	return p.loss.Reset(model, set)
}

// Update implements Metric.
func (p *Perplexity) Update(outputs []float32, batch net.Batch) { p.loss.Update(outputs, batch) }

// Value implements Metric.
func (p *Perplexity) Value() float64 { return math.Exp(p.loss.Value()) }

// Better implements Metric.
func (*Perplexity) Better(a, b float64) bool { return a < b }

// TokenAccuracy is the share of a language model's tokens, but for each sample's first, that have
// the highest output behind those before them; of equal outputs the first counts. NaN among the
// outputs makes a token wrong.
type TokenAccuracy struct {
	Correct int // tokens that have the highest output
	Total   int // tokens that are predicted
}

// Name implements Metric.
func (*TokenAccuracy) Name() string { return "token accuracy" }

// Reset implements Metric.
func (a *TokenAccuracy) Reset(model *net.Model, set *dataset.Set) error {
	*a = TokenAccuracy{}
	if err := validateLanguage(model); err != nil {
		return err
	}
	return fits(model, set)
}

// Update implements Metric.
func (a *TokenAccuracy) Update(outputs []float32, batch net.Batch) {
	vocabulary := len(outputs) / len(batch.Tokens)
	for i := range batch.N {
		first, end := batch.Starts[i]-batch.Starts[0], batch.Starts[i+1]-batch.Starts[0]
		for at := first; at < end-1; at++ {
			if highest(outputs[at*vocabulary:][:vocabulary]) == int(batch.Tokens[at+1]) {
				a.Correct++
			}
			a.Total++
		}
	}
}

// Value implements Metric.
func (a *TokenAccuracy) Value() float64 { return float64(a.Correct) / float64(a.Total) }

// Better implements Metric.
func (*TokenAccuracy) Better(a, b float64) bool { return a > b }

// validateLanguage returns an error unless a model predicts the next token.
func validateLanguage(model *net.Model) error {
	if _, ok := model.Loss().(net.NextToken); !ok {
		return errors.New("the model is no language model: its loss isn't net.NextToken")
	}
	return nil
}

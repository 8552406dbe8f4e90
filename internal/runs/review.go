package runs

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam/train"
)

// Review is how a model does on a set.
type Review struct {
	Samples   int          `json:"samples"`
	Scores    train.Scores `json:"scores"`              // by metric
	Confusion [][]int      `json:"confusion,omitempty"` // samples by class and predicted class
	Mistakes  []Mistake    `json:"-"`                   // the most confident first, mostMistakes at the most
	Pairs     []Pair       `json:"-"`                   // of a regression: mostPairs at the most, spread over the set
}

// Mistake is a sample that the model puts in another class.
type Mistake struct {
	Index       int // in the set
	Label       int
	Predicted   int
	Probability float64 // that the model gives Predicted
}

// Pair is a target and its prediction.
type Pair struct {
	Index             int
	Target, Predicted float64
}

const (
	mostMistakes = 24
	mostPairs    = 2000
)

// NewReview reviews a model on a set. It calls seen with the number of samples done so far.
func NewReview(ctx context.Context, model *net.Model, params *net.Params, set *dataset.Set, seen func(samples int)) (*Review, error) {
	r := &Review{Samples: set.Len()}
	measured := []train.Metric{&train.Loss{}, &reviewer{Review: r, seen: seen, stride: max(1, set.Len()/mostPairs)}}
	_, language := model.Loss().(net.NextToken)
	measured = append(measured, metrics(set, language)...)
	confusion := &train.Confusion{}
	if set.Labels != nil {
		measured = append(measured, confusion)
		if set.Classes > 5 {
			measured = append(measured, &train.TopK{K: 5})
		}
	}
	scores, err := train.EvaluateContext(ctx, model, params, set, measured...)
	if err != nil {
		return nil, err
	}
	delete(scores, reviewerName)
	r.Scores, r.Confusion = scores, confusion.Counts
	return r, nil
}

// reviewer is a metric without a score: it collects mistakes or pairs.
type reviewer struct {
	*Review
	seen   func(samples int)
	done   int
	stride int // of the samples that make pairs
}

const reviewerName = "review"

func (*reviewer) Name() string                         { return reviewerName }
func (*reviewer) Reset(*net.Model, *dataset.Set) error { return nil }
func (*reviewer) Value() float64                       { return math.NaN() }
func (*reviewer) Better(a, b float64) bool             { return false }

func (r *reviewer) Update(outputs []float32, batch net.Batch) {
	size := len(outputs) / batch.N
	for i := range batch.N {
		out := outputs[i*size:][:size]
		if batch.Labels != nil {
			r.classify(r.done+i, int(batch.Labels[i]), out)
		} else if batch.Targets != nil && (r.done+i)%r.stride == 0 {
			r.Pairs = append(r.Pairs, Pair{r.done + i, float64(batch.Targets[i*size]), float64(out[0])})
		}
	}
	r.done += batch.N
	if r.seen != nil {
		r.seen(r.done)
	}
}

// classify notes a sample if it is one of the worst mistakes so far.
func (r *reviewer) classify(index, label int, logits []float32) {
	predicted := 0
	for class, x := range logits {
		if x > logits[predicted] {
			predicted = class
		}
	}
	if predicted == label {
		return
	}
	m := Mistake{index, label, predicted, Softmax(logits)[predicted]}
	at, _ := slices.BinarySearchFunc(r.Mistakes, m, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(b.Probability, a.Probability), cmp.Compare(a.Index, b.Index))
	})
	if at < mostMistakes {
		r.Mistakes = slices.Insert(r.Mistakes, at, m)
		r.Mistakes = r.Mistakes[:min(len(r.Mistakes), mostMistakes)]
	}
}

// Softmax returns the probabilities of classes.
func Softmax(logits []float32) []float64 {
	most := float64(slices.Max(logits))
	p, sum := make([]float64, len(logits)), 0.0
	for i, x := range logits {
		p[i] = math.Exp(float64(x) - most)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

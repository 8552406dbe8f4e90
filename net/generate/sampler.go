package generate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/net/dataset"
)

// sampler draws tokens. Equal seeds and logits draw equal tokens.
type sampler struct {
	temperature float64
	topK        int
	random      *dataset.Random
	order       []int
	odds        []float64
}

func newSampler(o Options) *sampler {
	return &sampler{temperature: o.Temperature, topK: o.TopK, random: dataset.NewRandom(o.Seed, 0)}
}

// draw returns the token that it draws by the logits of all tokens; never may be nil, or says which
// tokens aren't drawn. Of equally probable tokens the first counts as the more probable.
func (s *sampler) draw(logits []float32, never func(token int) bool) (int, error) {
	s.order = s.order[:0]
	for token, x := range logits {
		if x-x != 0 { // NaN or infinite
			return 0, fmt.Errorf("the model's output for token %d is %v, want a finite number", token, x)
		}
		if never == nil || !never(token) {
			s.order = append(s.order, token)
		}
	}
	if len(s.order) == 0 {
		return 0, errors.New("the model has no token to draw")
	}
	slices.SortFunc(s.order, func(a, b int) int { return cmp.Or(cmp.Compare(logits[b], logits[a]), cmp.Compare(a, b)) })
	if s.topK > 0 {
		s.order = s.order[:min(s.topK, len(s.order))]
	}
	u := float64(s.random.Uint64()>>11) / (1 << 53) // drawn in any case, so that a token takes one draw
	most := float64(logits[s.order[0]])
	if s.temperature == 0 {
		return s.order[0], nil
	}
	sum := 0.0
	s.odds = s.odds[:0]
	for _, token := range s.order {
		sum += math.Exp((float64(logits[token]) - most) / s.temperature)
		s.odds = append(s.odds, sum)
	}
	at, _ := slices.BinarySearchFunc(s.odds, float64(u*sum), func(odds, x float64) int {
		if odds <= x { // a token is drawn if x is below its odds
			return -1
		}
		return 1
	})
	return s.order[min(at, len(s.order)-1)], nil
}

package runs

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/net/dataset"
)

// Sampling says how a language model's next token is drawn.
type Sampling struct {
	Temperature float64 // divides the logits: below 1 the probable becomes more so; 0 takes the most probable
	TopK        int     // how many of the most probable tokens may be drawn; 0 for all
	Seed        uint64
}

// Validate returns an error in the words of the flags if a field makes no sense.
func (s Sampling) Validate() error {
	switch {
	case !(s.Temperature >= 0) || math.IsInf(s.Temperature, 1):
		return fmt.Errorf("--temperature is %v, want a finite number that isn't negative", s.Temperature)
	case s.TopK < 0:
		return fmt.Errorf("--top-k is %d, want at least 1, or 0 for all tokens", s.TopK)
	}
	return nil
}

// sampler draws tokens. Equal seeds and logits draw equal tokens.
type sampler struct {
	Sampling
	random *dataset.Random
	order  []int
	odds   []float64
}

func newSampler(s Sampling) *sampler {
	return &sampler{Sampling: s, random: dataset.NewRandom(s.Seed, 0)}
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
	if s.TopK > 0 {
		s.order = s.order[:min(s.TopK, len(s.order))]
	}
	u := float64(s.random.Uint64()>>11) / (1 << 53) // drawn in any case, so that a token takes one draw
	most := float64(logits[s.order[0]])
	if s.Temperature == 0 {
		return s.order[0], nil
	}
	sum := 0.0
	s.odds = s.odds[:0]
	for _, token := range s.order {
		sum += math.Exp((float64(logits[token]) - most) / s.Temperature)
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

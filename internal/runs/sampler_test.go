package runs

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// drawn returns how often each token is drawn in n draws.
func drawn(t *testing.T, s Sampling, logits []float32, never func(int) bool, n int) []int {
	counts := make([]int, len(logits))
	sampler := newSampler(s)
	for range n {
		token, err := sampler.draw(logits, never)
		require.NoError(t, err)
		counts[token]++
	}
	return counts
}

// Tokens are drawn as often as the softmax of logits over the temperature says.
func TestSamplerDrawsByProbability(t *testing.T) {
	const n = 40000
	logits := []float32{1, -2, 0.5, 3, 0.5}
	for _, s := range []Sampling{{Temperature: 1}, {Temperature: 0.5}, {Temperature: 2, Seed: 7}, {Temperature: 1, TopK: 2}, {Temperature: 1, TopK: 3}} {
		sum, odds := 0.0, make([]float64, len(logits))
		for token, x := range logits {
			above := 0
			for other, y := range logits {
				if y > x || y == x && other < token {
					above++
				}
			}
			if s.TopK == 0 || above < s.TopK {
				odds[token] = math.Exp(float64(x) / s.Temperature)
				sum += odds[token]
			}
		}
		for token, count := range drawn(t, s, logits, nil, n) {
			p := odds[token] / sum
			assert.InDelta(t, p, float64(count)/n, 5*math.Sqrt(p*(1-p)/n)+1e-12, "%+v, token %d", s, token)
		}
	}
}

func TestSamplerExtremes(t *testing.T) {
	logits := []float32{1, 4, -2, 4}
	assert.Equal(t, []int{0, 20, 0, 0}, drawn(t, Sampling{}, logits, nil, 20), "temperature 0 takes the first of the highest")
	assert.Equal(t, []int{0, 20, 0, 0}, drawn(t, Sampling{Temperature: 5, TopK: 1}, logits, nil, 20))
	assert.Equal(t, []int{0, 0, 0, 20}, drawn(t, Sampling{}, logits, func(token int) bool { return token == 1 }, 20))
	assert.Equal(t, []int{0, 0, 20, 0}, drawn(t, Sampling{Temperature: 1}, logits, func(token int) bool { return token != 2 }, 20))
	few := drawn(t, Sampling{Temperature: 1, TopK: 100}, logits, nil, 1000)
	assert.Positive(t, few[0], "there are fewer tokens than --top-k")
	// However small, a temperature is a number, and the odds of others vanish.
	assert.Zero(t, drawn(t, Sampling{Temperature: 1e-300}, logits, nil, 50)[0])

	same, again, other := newSampler(Sampling{Temperature: 1, Seed: 3}), newSampler(Sampling{Temperature: 1, Seed: 3}), newSampler(Sampling{Temperature: 1, Seed: 4})
	differ := false
	for range 200 {
		a, _ := same.draw(make([]float32, 50), nil)
		b, _ := again.draw(make([]float32, 50), nil)
		c, _ := other.draw(make([]float32, 50), nil)
		require.Equal(t, a, b)
		differ = differ || a != c
	}
	assert.True(t, differ)
}

func TestSamplerErrors(t *testing.T) {
	_, err := newSampler(Sampling{}).draw([]float32{1, float32(math.NaN())}, nil)
	assert.EqualError(t, err, "the model's output for token 1 is NaN, want a finite number")
	_, err = newSampler(Sampling{}).draw([]float32{1}, func(int) bool { return true })
	assert.EqualError(t, err, "the model has no token to draw")
	for want, s := range map[string]Sampling{
		"--temperature is -1, want a finite number that isn't negative":   {Temperature: -1},
		"--temperature is NaN, want a finite number that isn't negative":  {Temperature: math.NaN()},
		"--temperature is +Inf, want a finite number that isn't negative": {Temperature: math.Inf(1)},
		"--top-k is -1, want at least 1, or 0 for all tokens":             {TopK: -1},
	} {
		assert.EqualError(t, s.Validate(), want)
	}
	assert.NoError(t, Sampling{Temperature: 0.8, TopK: 40}.Validate())
}

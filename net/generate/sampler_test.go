package generate

import (
	"math"
	"testing"
	"unicode/utf8"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/text"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// drawn returns how often each token is drawn in n draws.
func drawn(t *testing.T, s Options, logits []float32, never func(int) bool, n int) []int {
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
	for _, s := range []Options{{Temperature: 1}, {Temperature: 0.5}, {Temperature: 2, Seed: 7}, {Temperature: 1, TopK: 2}, {Temperature: 1, TopK: 3}} {
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
	assert.Equal(t, []int{0, 20, 0, 0}, drawn(t, Options{}, logits, nil, 20), "temperature 0 takes the first of the highest")
	assert.Equal(t, []int{0, 20, 0, 0}, drawn(t, Options{Temperature: 5, TopK: 1}, logits, nil, 20))
	assert.Equal(t, []int{0, 0, 0, 20}, drawn(t, Options{}, logits, func(token int) bool { return token == 1 }, 20))
	assert.Equal(t, []int{0, 0, 20, 0}, drawn(t, Options{Temperature: 1}, logits, func(token int) bool { return token != 2 }, 20))
	few := drawn(t, Options{Temperature: 1, TopK: 100}, logits, nil, 1000)
	assert.Positive(t, few[0], "there are fewer tokens than --top-k")
	// However small, a temperature is a number, and the odds of others vanish.
	assert.Zero(t, drawn(t, Options{Temperature: 1e-300}, logits, nil, 50)[0])

	same, again, other := newSampler(Options{Temperature: 1, Seed: 3}), newSampler(Options{Temperature: 1, Seed: 3}), newSampler(Options{Temperature: 1, Seed: 4})
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
	_, err := newSampler(Options{}).draw([]float32{1, float32(math.NaN())}, nil)
	assert.EqualError(t, err, "the model's output for token 1 is NaN, want a finite number")
	_, err = newSampler(Options{}).draw([]float32{1}, func(int) bool { return true })
	assert.EqualError(t, err, "the model has no token to draw")
}

func TestOptionsErrors(t *testing.T) {
	for want, o := range map[string]Options{
		"generate: Tokens is 0, want at least 1":                                  {},
		"generate: Temperature is -1, want a finite number that isn't negative":   {Tokens: 1, Temperature: -1},
		"generate: Temperature is NaN, want a finite number that isn't negative":  {Tokens: 1, Temperature: math.NaN()},
		"generate: Temperature is +Inf, want a finite number that isn't negative": {Tokens: 1, Temperature: math.Inf(1)},
		"generate: TopK is -1, want at least 1, or 0 for all tokens":              {Tokens: 1, TopK: -1},
	} {
		assert.EqualError(t, o.Validate(), want)
	}
	assert.NoError(t, Options{Tokens: 1, Temperature: 0.8, TopK: 40}.Validate())
}

// A model that isn't one of language, or not of the tokenizer's, is refused, and an empty prompt.
func TestTextErrors(t *testing.T) {
	tokenizer, err := text.NewBytes(nil)
	require.NoError(t, err)
	predictor := func(vocabulary int, last ...net.Layer) *net.Predictor {
		m, err := net.Compile(net.Shape{4}, append([]net.Layer{net.Embedding{Vocabulary: vocabulary, Width: 8, Tied: true}}, last...)...)
		require.NoError(t, err)
		p, err := m.Predictor(m.Init(1))
		require.NoError(t, err)
		return p
	}
	language := []net.Layer{net.TiedOutput{}, net.NextToken{}}
	for want, test := range map[string]struct {
		p      *net.Predictor
		prompt []int32
	}{
		"generate: a model with a vocabulary of 100 and outputs 4x100, want logits for each of the tokenizer's 260 tokens": {predictor(100, language...), []int32{1}},
		"generate: a model with a vocabulary of 260 and outputs 260, want logits for each of the tokenizer's 260 tokens":   {predictor(260, net.Pooling{}, net.TiedOutput{}), []int32{1}},
		"generate: the prompt has no token, want at least one, such as that which begins a text":                           {predictor(260, language...), nil},
	} {
		_, err := Text(t.Context(), test.p, tokenizer, test.prompt, Options{Tokens: 1}, nil)
		assert.EqualError(t, err, want)
	}
}

// Only whole characters are shown before the last token; bytes that can't become one aren't held
// back.
func TestWholeRunes(t *testing.T) {
	const all = "aé€😀"
	for n := range len(all) + 1 {
		whole := wholeRunes(all[:n])
		assert.True(t, utf8.ValidString(all[:whole]))
		assert.Less(t, n-whole, utf8.UTFMax)
	}
	assert.Equal(t, len(all), wholeRunes(all))
	assert.Equal(t, 3, wholeRunes("a\xff\xff"))
	assert.Equal(t, 5, wholeRunes("a\x80\x80\x80\x80"))
}

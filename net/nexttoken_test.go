package net

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net/op"
)

func TestNextTokenAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, lengths := range texts {
			for _, vocabulary := range []int{2, 7, 70} {
				r := rand.New(rand.NewPCG(1, 1))
				b := randomText(r, vocabulary, lengths)
				out := sequence(r, b, 9, vocabulary)
				for i := range out.Data {
					out.Data[i] *= 3 // some tokens are probable, others aren't
				}
				want, terms, d := ref.NextTokenLoss(ref.Text(b.Tokens, b.Starts, nil, vocabulary), vocabulary)(samplesOf(out), 0)
				require.Equal(t, len(b.Tokens)-b.N, NextToken{}.Terms(b))
				require.Equal(t, terms, NextToken{}.Terms(b))

				dout := like(out)
				sum := NextToken{}.Apply(out, b, 0.5, dout)
				if terms == 0 {
					assert.Zero(t, sum)
					assert.Equal(t, make([]float32, len(dout.Data)), dout.Data)
					continue
				}
				assert.InEpsilon(t, want, sum, 1e-6, "sums of exponentials are in float32, all else in float64")
				assert.InDeltaSlice(t, ref.Scaled(0.5, join(d)), ref.Float64s(dout.Data), 2e-7)

				before := slices.Clone(out.Data)
				unwanted := op.Tensor{N: out.N, Shape: out.Shape, Starts: out.Starts}
				assert.Equal(t, sum, NextToken{}.Apply(out, b, 0.5, unwanted), "a gradient that isn't wanted changes nothing")
				assert.Equal(t, before, out.Data, "outputs stay")
				assert.Equal(t, sum, NextToken{}.Apply(out, b, 0.5, out), "the gradient may take the outputs' memory")
				assert.Equal(t, dout.Data, out.Data)
			}
		}
	})
}

// A shard of samples of one token has no term. Its mean would be of none, and its gradient is 0.
func TestNextTokenWithoutTerms(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	b := randomText(r, 5, []int{1, 1})
	out := sequence(r, b, 9, 5)
	scale := float32(1 / float64(NextToken{}.Terms(b)))
	require.True(t, math.IsInf(float64(scale), 1))
	assert.Zero(t, NextToken{}.Apply(out, b, scale, out))
	assert.Equal(t, make([]float32, 10), out.Data)
	assert.Zero(t, NextToken{}.Terms(Batch{}))
	assert.EqualError(t, NextToken{}.Validate(Shape{9, 5}, b), "each of the 2 samples has one token, want two or more in one at least: a sample's first token isn't predicted")
	assert.NoError(t, NextToken{}.Validate(Shape{9, 5}, randomText(r, 5, []int{1, 2})))
}

// Tokens are the labels, so there must be a logit for each, but for a sample's first.
func TestNextTokenChecksTokens(t *testing.T) {
	m, err := Compile(Shape{4}, Embedding{Vocabulary: 9, Width: 3}, Dense{Out: 5}, NextToken{})
	require.NoError(t, err)
	b := Batch{N: 2, Tokens: []int32{8, 1, 7, 4, 3}, Starts: []int{2, 4, 7}}
	require.NoError(t, m.ValidateBatch(b))
	b.Tokens[3] = 5
	assert.EqualError(t, m.ValidateBatch(b), "net: token 1 of sample 1 is 5, and there are logits of 0 to 4")
}

// Where a token is nearly certain, its small loss has as many digits as a large one.
func TestNextTokenOfExtremes(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for name, test := range map[string]struct {
		row  []float32
		want float64 // for token 0
	}{
		"nearly certain":         {[]float32{30, 0, 0}, 2 * math.Exp(-30)},
		"huge, token right":      {[]float32{3e38, 0, -3e38}, 0},
		"huge, token wrong":      {[]float32{-3e38, 0, 3e38}, 2 * float64(float32(3e38))},
		"all the same":           {[]float32{-1e30, -1e30, -1e30}, math.Log(3)},
		"-Inf for another":       {[]float32{0, -inf, 0}, math.Log(2)},
		"-Inf for the token":     {[]float32{-inf, 0, 0}, math.Inf(1)},
		"NaN for the token":      {[]float32{nan, 0, 0}, math.NaN()},
		"NaN for another":        {[]float32{0, 0, nan}, math.NaN()},
		"NaN behind the largest": {[]float32{3e38, nan, 0}, math.NaN()},
		"Inf":                    {[]float32{inf, 0, 0}, math.NaN()},
	} {
		t.Run(name, func(t *testing.T) {
			out := op.Tensor{N: 1, Shape: Shape{2, 3}, Starts: []int{0, 2}, Data: append(slices.Clone(test.row), nan, nan, nan)}
			dout := like(out)
			got := NextToken{}.Apply(out, Batch{N: 1, Tokens: []int32{1, 0}, Starts: out.Starts}, 1, dout)
			assert.Equal(t, []float32{0, 0, 0}, dout.Data[3:], "the last row is read by nobody")
			switch {
			case math.IsNaN(test.want):
				assert.True(t, math.IsNaN(got), "loss is %v", got)
				assert.True(t, math.IsNaN(float64(dout.Data[0])), "gradient is %v", dout.Data)
				return
			case math.IsInf(test.want, 1):
				assert.Equal(t, test.want, got)
			default:
				assert.InDelta(t, test.want, got, 1e-6*test.want)
			}
			sum := 0.0
			for _, d := range dout.Data[:3] {
				sum += float64(d)
			}
			assert.InDelta(t, 0, sum, 1e-7*float64(-dout.Data[0]), "gradients of a row sum to 0: %v", dout.Data)
		})
	}
}

func TestNextTokenPredicts(t *testing.T) {
	m, err := Compile(Shape{4}, Embedding{Vocabulary: 9, Width: 3, Tied: true}, TiedOutput{}, NextToken{})
	require.NoError(t, err)
	predictor, err := m.Predictor(m.Init(1))
	require.NoError(t, err)
	b := Batch{N: 2, Tokens: []int32{8, 1, 7, 4, 3}, Starts: []int{2, 4, 7}}
	logits, err := predictor.OutputsOf(nil, b)
	require.NoError(t, err)
	probabilities, err := predictor.PredictOf(nil, b)
	require.NoError(t, err)
	require.Len(t, probabilities, 5*9, "a row for each token")
	for row := range 5 {
		total := 0.0
		for _, v := range logits[row*9:][:9] {
			total += math.Exp(float64(v))
		}
		for i, v := range logits[row*9:][:9] {
			assert.InDelta(t, math.Exp(float64(v))/total, probabilities[row*9+i], 1e-6)
		}
	}
}

func TestNextTokenAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	b := randomText(r, 70, texts[5])
	out := sequence(r, b, 9, 70)
	dout, unwanted := like(out), op.Tensor{N: out.N, Shape: out.Shape, Starts: out.Starts}
	assert.Zero(t, testing.AllocsPerRun(5, func() {
		NextToken{}.Apply(out, b, 1, dout)
		NextToken{}.Apply(out, b, 1, unwanted)
	}))
}

// BenchmarkNextToken has the vocabulary of a small language model, with tokens that are nearly
// certain and with others.
func BenchmarkNextToken(bench *testing.B) {
	const vocabulary, rows = 8000, 64
	r := rand.New(rand.NewPCG(4, 4))
	b := randomText(r, vocabulary, []int{rows})
	out := sequence(r, b, rows, vocabulary)
	dout := like(out)
	for _, name := range []string{"uncertain", "certain"} {
		bench.Run(name, func(bench *testing.B) {
			for bench.Loop() {
				NextToken{}.Apply(out, b, 1, dout)
			}
			bench.ReportMetric(float64(bench.Elapsed().Nanoseconds())/float64(bench.N*rows*vocabulary), "ns/logit")
		})
		for i, token := range b.Tokens[1:] {
			out.Data[i*vocabulary+int(token)] = 30
		}
	}
}

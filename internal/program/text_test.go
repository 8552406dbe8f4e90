package program_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// textLength is the most tokens of a sample in the tests.
const textLength = 9

// textModels are models over text: classifiers, and language models whose output is tied to the
// embedding.
var textModels = map[string][]op.Layer{
	"bag": {net.Embedding{Vocabulary: 13, Width: 8}, net.Pooling{}, net.Dense{Out: 4}},
	"segments": {
		net.Embedding{Vocabulary: 13, Width: 10, Positions: net.LearnedPositions, Segments: 2}, net.LayerNorm{},
		net.Residual{Body: []op.Layer{net.Dense{Out: 17}, net.GELU{}, net.Dense{Out: 10}}}, net.LayerNorm{},
		net.Pooling{First: true}, net.Dense{Out: 7}, net.Tanh{}, net.Dense{Out: 4},
	},
	"sinusoids": {
		net.Embedding{Vocabulary: 13, Width: 12, Positions: net.SinusoidalPositions},
		net.Residual{Body: []op.Layer{net.LayerNorm{}, net.Dense{Out: 12}, net.ReLU{}}}, net.AddPositions{}, net.Pooling{}, net.Dense{Out: 4},
	},
	"table alone": {
		net.Embedding{Vocabulary: 13, Width: 6, Positions: net.LearnedPositions, Tied: true},
		net.TiedOutput{}, net.NextToken{},
	},
	"language": {
		net.Embedding{Vocabulary: 13, Width: 12, Positions: net.LearnedPositions, Segments: 2, Tied: true}, net.LayerNorm{},
		net.Residual{Body: []op.Layer{net.Dense{Out: 20}, net.GELU{}, net.Dense{Out: 12}}}, net.LayerNorm{},
		net.TiedOutput{}, net.NextToken{},
	},
	"transformer": {
		net.Embedding{Vocabulary: 13, Width: 12, Positions: net.LearnedPositions, Segments: 2}, net.LayerNorm{},
		net.Residual{Body: []op.Layer{net.MultiHeadAttention{Heads: 3}}}, net.LayerNorm{},
		net.Residual{Body: []op.Layer{net.Dense{Out: 20}, net.GELU{}, net.Dense{Out: 12}}}, net.LayerNorm{},
		net.Pooling{First: true}, net.Dense{Out: 4},
	},
	"causal transformer": {
		net.Embedding{Vocabulary: 13, Width: 8, Tied: true},
		net.Residual{Body: []op.Layer{net.LayerNorm{}, net.MultiHeadAttention{Heads: 2, Causal: true, Rotary: true}}},
		net.Residual{Body: []op.Layer{net.LayerNorm{}, net.Dense{Out: 20}, net.GELU{}, net.Dense{Out: 8}}}, net.LayerNorm{},
		net.TiedOutput{}, net.NextToken{},
	},
	"two tables": {
		net.Residual{
			Shortcut: []op.Layer{net.Embedding{Vocabulary: 13, Width: 6, Positions: net.LearnedPositions}},
			Body:     []op.Layer{net.Embedding{Vocabulary: 13, Width: 6, Segments: 2}, net.Dense{Out: 6}, net.Tanh{}},
		}, net.Pooling{}, net.Dense{Out: 4},
	},
	"untied language": {
		net.Embedding{Vocabulary: 13, Width: 12}, net.Dense{Out: 12}, net.ReLU{}, net.Dense{Out: 13}, net.NextToken{},
	},
	"tied classifier": {
		net.Embedding{Vocabulary: 13, Width: 5, Tied: true}, net.Dense{Out: 5}, net.Tanh{}, net.Pooling{}, net.TiedOutput{},
	},
}

// textModel returns a model over text with its oracle, of ops that are fused or not.
func textModel(t testing.TB, name string, plain bool) twin {
	t.Helper()
	layers := textModels[name]
	compile := compile
	if plain {
		compile = compilePlain
	}
	m, err := compile(op.Shape{textLength}, layers...)
	require.NoError(t, err)
	if _, ok := layers[len(layers)-1].(net.NextToken); ok {
		layers = layers[:len(layers)-1]
	}
	last := len(layers) - 1
	_, tied := layers[last].(net.TiedOutput)
	if tied {
		layers = layers[:last]
	}
	oracle, _ := reference(op.Shape{textLength}, layers...)
	if tied {
		oracle = ref.Net{ref.Tied{Embedding: oracle[0].(ref.Embedding), Body: oracle[1:]}}
	}
	require.Equal(t, oracle.Params(), m.NumParams())
	return twin{m, oracle}
}

// randomText returns n samples of different lengths, whose tokens repeat. Some have one token, but
// no two in a row, so that a shard of two has a term in the loss of a language model.
func randomText(r *rand.Rand, m *program.Program, n int) (tokens []int32, segments []uint8, starts []int) {
	starts = []int{4} // a slice of a batch doesn't begin at 0
	for i := range n {
		length := 1 + r.IntN(m.InputShape()[0])
		if i%2 == 0 {
			length = max(2, length)
		}
		for j := range length {
			id := r.IntN(m.Vocabulary())
			if r.IntN(3) == 0 {
				id = 0
			}
			tokens, segments = append(tokens, int32(id)), append(segments, uint8(2*j/(length+1)))
		}
		starts = append(starts, starts[i]+length)
	}
	return tokens, segments, starts
}

// rowsOf returns how many rows a shard has: tokens of text, or samples.
func rowsOf(b op.Batch, s program.Shard) int {
	if b.Starts == nil {
		return s.N
	}
	return b.Starts[s.First+s.N] - b.Starts[s.First]
}

// Losses and gradients of whole models over text against float64, with all that passes can be asked
// for, and the same by ops that are not fused.
func TestTextModelsAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for name := range textModels {
			t.Run(name, func(t *testing.T) {
				for _, plain := range []bool{false, true} {
					m := textModel(t, name, plain)
					for _, sizes := range [][]int{{4, 3, 5}, {2, 2, 2, 2}, {13}} {
						r := rand.New(rand.NewPCG(1, 1))
						checkPass(t, m, randomParams(r, m.Program), randomBatch(r, m.Program, 14), shardsFrom(1, sizes...))
					}
				}
			})
		}
	})
}

// Perturbed passes: of shards of samples of different lengths, formed and factored.
func TestPerturbedTextAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for name := range textModels {
			t.Run(name, func(t *testing.T) {
				for _, sizes := range [][]int{{4, 2, 5}, {2, 2, 2, 2}, {13}} {
					r := rand.New(rand.NewPCG(2, 2))
					m := textModel(t, name, false)
					checkPerturbed(t, m, randomParams(r, m.Program), randomBatch(r, m.Program, 14), shardsFrom(1, sizes...))
				}
			})
		}
	})
}

// Several ops may be tied to one, and the last embedding counts.
func TestTiedTwice(t *testing.T) {
	table := net.Embedding{Vocabulary: 13, Width: 6, Positions: net.LearnedPositions, Tied: true}
	layers := []op.Layer{
		net.Residual{Shortcut: []op.Layer{net.Embedding{Vocabulary: 13, Width: 4, Tied: true}, net.Dense{Out: 6}}, Body: []op.Layer{table}},
		net.Residual{Shortcut: []op.Layer{net.TiedOutput{}}, Body: []op.Layer{net.Dense{Out: 6}, net.Tanh{}, net.TiedOutput{}}},
		net.NextToken{},
	}
	m, err := compile(op.Shape{textLength}, layers...)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(6, 6))
	params, b := randomParams(r, m), randomBatch(r, m, 14)

	// With zeros for the first table's layer, the oracle is one table and x + body(x) for logits.
	const layer = 13*4 + 4*6 + 6
	clear(params.Values[:layer])
	oracle := twin{m, ref.Net{ref.Tied{
		Embedding: ref.Embedding{Vocabulary: 13, Length: textLength, Width: 6, Learned: true},
		Body: ref.Net{ref.Residual{Body: ref.Net{
			ref.ByRow{Width: 6, Layer: ref.Dense{In: 6, Out: 6}},
			ref.Pointwise{F: math.Tanh, Derivative: func(x float64) float64 { return 1 - math.Tanh(x)*math.Tanh(x) }},
		}}},
	}}}
	require.Equal(t, oracle.ref.Params(), m.NumParams()-layer)
	shards := shardsFrom(1, 4, 2, 5)
	grads := newSink(m, len(shards))
	p := &program.Pass{Batch: b, Shards: shards, Means: true, Train: true, Params: params.Values, Gradients: grads, Losses: make([]float64, 3)}
	for _, perturb := range [][]program.Perturb{nil, oneForEach(m, params, len(shards))} {
		p.Perturb = perturb
		w := m.NewWorkspace(backwardSize(shards), nil)
		w.Poison()
		w.Forward(p)
		w.Backward(p)
		for s, shard := range shards {
			loss, want := oracle.gradient(ref.Float64s(params.Values[layer:]), b, shard)
			assert.InEpsilon(t, loss*oracle.terms(b, shard), p.Losses[s], 1e-5)
			ref.RequireNear(t, want, grads.shards[s][layer:], oracle.bound(30), "shard %d", s)
		}
	}
}

// oneForEach gives each shard its own copy of the parameters.
func oneForEach(m *program.Program, params *net.Params, shards int) (formed []program.Perturb) {
	for _, n := range m.Nodes() {
		p := program.Perturb{}
		if n.Params.Len() > 0 {
			p = program.Perturb{Kind: program.Formed, Params: slices.Repeat([][]float32{n.Params.Of(params.Values)}, shards)}
		}
		formed = append(formed, p)
	}
	return formed
}

// The gradient of a batch that went through in tiles, with what is deferred in one call.
func TestDeferredTextGradients(t *testing.T) {
	for name := range textModels {
		r := rand.New(rand.NewPCG(3, 3))
		m := textModel(t, name, false)
		params, b := randomParams(r, m.Program), randomBatch(r, m.Program, 50)
		_, want := m.gradient(ref.Float64s(params.Values), b, program.Shard{N: b.N})
		tiles := [][]program.Shard{shardsFrom(0, 9, 8, 8), shardsFrom(25, 8), shardsFrom(33, 9, 8)}
		checkDeferred(t, m, params, b, tiles, nil, want)
		checkDeferred(t, m, params, b, tiles, blas.NewTeam(3), want)
	}
}

// A shard all of whose samples have one token has no term in the loss of a language model. Its
// gradient is 0, and others aren't touched.
func TestShardWithoutTerms(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, name := range []string{"language", "untied language"} {
		m := textModel(t, name, false)
		params := randomParams(r, m.Program)
		b := op.Batch{N: 4, Tokens: []int32{1, 2, 3, 4, 5, 6, 7}, Starts: []int{0, 3, 4, 5, 7}}
		p := &program.Pass{
			Batch: b, Shards: shardsFrom(0, 1, 2, 1), Means: true, Train: true,
			Params: params.Values, Gradients: newSink(m.Program, 3), Losses: make([]float64, 3),
		}
		w := m.NewWorkspace(backwardSize(p.Shards), nil)
		w.Poison()
		w.Forward(p)
		w.Backward(p)
		g := p.Gradients.(*sink).shards
		assert.Zero(t, p.Losses[1], name)
		assert.Equal(t, make([]float32, m.NumParams()), g[1], name)
		for _, s := range []int{0, 2} {
			loss, want := m.gradient(ref.Float64s(params.Values), b, p.Shards[s])
			assert.InEpsilon(t, loss*m.terms(b, p.Shards[s]), p.Losses[s], 1e-5, name)
			ref.RequireNear(t, want, g[s], m.bound(3), "%s, shard %d", name, s)
		}
	}
}

// A sample alone has the same bits as among others: outputs, and gradients by its output.
func TestTextSamplesAlone(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for name := range textModels {
			r := rand.New(rand.NewPCG(5, 5))
			m := textModel(t, name, false)
			params, b := randomParams(r, m.Program), randomBatch(r, m.Program, 8)
			pass := func(shards []program.Shard) (outs, grads [][]float32) {
				sink := newSink(m.Program, len(shards))
				p := &program.Pass{
					Batch: b, Shards: shards, Scale: 0.5, Train: true, Team: blas.NewTeam(2),
					Params: params.Values, Gradients: sink, Losses: make([]float64, len(shards)),
				}
				w := m.NewWorkspace(backwardSize(shards), nil)
				w.Poison()
				w.Forward(p)
				w.Backward(p)
				first, _ := program.Run(shards)
				for s, shard := range shards {
					last := w.Values()[m.NumValues()-2] // the loss may have written over the outputs
					outs = append(outs, append([]float32(nil), last.Slice(shard.First-first, shard.N).Data...))
					grads = append(grads, sink.shards[s])
				}
				return outs, grads
			}
			outs, grads := pass(shardsFrom(0, 1, 1, 1, 1, 1, 1, 1, 1))
			for i := range b.N {
				out, grad := pass(shardsFrom(i, 1))
				require.Equal(t, out[0], outs[i], "%s: sample %d", name, i)
				require.Equal(t, grad[0], grads[i], "%s: gradient of sample %d", name, i)
			}
		}
	})
}

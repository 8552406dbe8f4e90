package sam

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
)

const textLength, textVocabulary = 9, 23

// textSubjects are models over text: classifiers, and language models whose output is tied to the
// embedding or not.
func textSubjects(t testing.TB) (subjects []subject) {
	t.Helper()
	add := func(name string, oracle ref.Net, layers ...net.Layer) {
		m, err := net.Compile(net.Shape{textLength}, layers...)
		require.NoError(t, err, name)
		require.Equal(t, oracle.Params(), m.NumParams(), name)
		subjects = append(subjects, subject{name, m, oracle})
	}
	byRow := func(in, out int) ref.Layer { return ref.ByRow{Width: in, Layer: ref.Dense{In: in, Out: out}} }
	gelu := ref.Pointwise{
		F: func(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 },
		Derivative: func(x float64) float64 {
			return math.Erfc(-x/math.Sqrt2)/2 + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
		},
	}
	norm := ref.LayerNorm{Features: 8, Epsilon: 1e-5}

	bag := ref.Embedding{Vocabulary: textVocabulary, Length: textLength, Width: 8}
	add("bag", ref.Net{bag, ref.Pooling{Width: 8}, ref.Dense{In: 8, Out: classes}},
		net.Embedding{Vocabulary: textVocabulary, Width: 8, Init: net.TruncatedNormal(0.5)}, net.Pooling{}, net.Dense{Out: classes})

	embedding := bag
	embedding.Learned, embedding.Segments = true, 2
	layer := net.Embedding{Vocabulary: textVocabulary, Width: 8, Positions: net.LearnedPositions, Segments: 2, Init: net.TruncatedNormal(0.5)}
	add("encoder", ref.Net{
		embedding, norm,
		ref.Residual{Body: ref.MultiHeadAttention(2, 8, false, false)}, norm,
		ref.Residual{Body: ref.Net{byRow(8, 16), gelu, byRow(16, 8)}}, norm,
		ref.Pooling{Width: 8, First: true}, ref.Dense{In: 8, Out: classes},
	},
		layer, net.LayerNorm{},
		net.Residual{Body: []net.Layer{net.MultiHeadAttention{Heads: 2}}}, net.LayerNorm{},
		net.Residual{Body: []net.Layer{net.Dense{Out: 16}, net.GELU{}, net.Dense{Out: 8}}}, net.LayerNorm{},
		net.Pooling{First: true}, net.Dense{Out: classes})

	layer.Tied = true
	add("language", ref.Net{ref.Tied{Embedding: embedding, Body: ref.Net{
		ref.Residual{Body: append(ref.Net{norm}, ref.MultiHeadAttention(2, 8, true, false)...)},
		ref.Residual{Body: ref.Net{norm, byRow(8, 16), gelu, byRow(16, 8)}}, norm,
	}}},
		layer,
		net.Residual{Body: []net.Layer{net.LayerNorm{}, net.MultiHeadAttention{Heads: 2, Causal: true}}},
		net.Residual{Body: []net.Layer{net.LayerNorm{}, net.Dense{Out: 16}, net.GELU{}, net.Dense{Out: 8}}}, net.LayerNorm{},
		net.TiedOutput{}, net.NextToken{})

	layer.Tied, layer.Segments, embedding.Segments = false, 0, 0
	add("untied", ref.Net{embedding, byRow(8, 8), ref.ByRow{Width: 8, Layer: ref.ReLU{}}, byRow(8, textVocabulary)},
		layer, net.Dense{Out: 8}, net.ReLU{}, net.Dense{Out: textVocabulary}, net.NextToken{})
	return subjects
}

// randomText returns n samples of different lengths, whose tokens repeat. No two in a row have one
// token, so that a shard of two has a term in the loss of a language model.
func randomText(seed uint64, n int) net.Batch {
	r := rand.New(rand.NewPCG(seed, 1))
	b := net.Batch{N: n, Starts: []int{0}}
	for i := range n {
		length := 1 + r.IntN(textLength)
		if i%2 == 0 {
			length = max(2, length)
		}
		for j := range length {
			id := r.IntN(textVocabulary)
			if r.IntN(4) == 0 {
				id = 1
			}
			b.Tokens, b.Segments = append(b.Tokens, int32(id)), append(b.Segments, uint8(2*j/(length+1)))
		}
		b.Starts = append(b.Starts, b.Starts[i]+length)
		b.Labels = append(b.Labels, int32((int(b.Tokens[b.Starts[i]])+length)%classes))
	}
	return b
}

// textLoss is a batch's samples and loss, as the oracle has them.
func textLoss(m *net.Model, b net.Batch) (x [][]float64, loss ref.Loss) {
	x = ref.Text(b.Tokens, b.Starts, b.Segments, textVocabulary)
	if _, ok := m.Loss().(net.NextToken); ok {
		return x, ref.NextTokenLoss(x, textVocabulary)
	}
	return x, ref.SoftmaxLoss(b.Labels)
}

// textBatches are the samples of batches that steps of the tests have, at most 24.
var textBatches = []int{24, 20, 13}

func TestTextGradientAgainstOracle(t *testing.T) {
	const batch = 24
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range textSubjects(t) {
			for _, shards := range []int{1, 3, 8} {
				for _, rho := range []float64{0, 0.05, 0.5} {
					params := sub.model.Init(3)
					known := map[int]lossAndGradient{}
					for _, n := range textBatches {
						x, loss := textLoss(sub.model, randomText(uint64(n), n))
						var want lossAndGradient
						want.loss, want.gradient = sub.oracle.MSAMBy(ref.Float64s(params.Values), x, ends(n, batch, shards), ref.Ascent{Rho: rho}, loss)
						known[n] = want
					}
					for name, force := range arithmetics {
						t.Run(fmt.Sprintf("%s/%s/shards=%d/rho=%v", sub.name, name, shards, rho), func(t *testing.T) {
							o, err := New(sub.model, params, Config{Rho: rho, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: 3, force: force})
							require.NoError(t, err)
							if force.perturb == factored && rho > 0 {
								assert.Equal(t, sub.name != "language", o.plan.perturb[0] == program.Factored, "the embedding")
							}
							for _, n := range textBatches {
								stats, err := o.gradient(randomText(uint64(n), n))
								require.NoError(t, err)
								requireNear(t, known[n].gradient, o.ghat, 1e-5, "n =", n)
								assert.InEpsilon(t, known[n].loss, stats.Loss, 1e-5)
								assert.Equal(t, rho == 0, stats.Sharpness == 0)
							}
						})
					}
				}
			}
		}
	})
}

// Embeddings are weights to an ascent that scales, and have no part in one of normalizations alone.
func TestTextAscentsAgainstOracle(t *testing.T) {
	const batch, rho = 24, 0.3
	for _, sub := range textSubjects(t) {
		for way, a := range ascents {
			if a.NormOnly && !hasNorms(sub.model) {
				continue
			}
			for _, shards := range []int{1, 3, 8} {
				params := sub.model.Init(3)
				b := randomText(5, batch)
				x, loss := textLoss(sub.model, b)
				mean, want := sub.oracle.MSAMBy(ref.Float64s(params.Values), x, ends(batch, batch, shards), oracleOf(a, sub.model, rho), loss)
				for name, force := range arithmetics {
					if a.forms() && force.perturb == factored {
						continue
					}
					what := fmt.Sprintf("%s, %s, %s, %d shards", sub.name, way, name, shards)
					o, err := New(sub.model, params, Config{Rho: rho, Ascent: a, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: 2, force: force})
					require.NoError(t, err)
					stats, err := o.gradient(b)
					require.NoError(t, err)
					requireNear(t, want, o.ghat, 1e-5, what)
					assert.InEpsilon(t, mean, stats.Loss, 1e-5, what)
				}
			}
		}
	}
}

// textGroups freeze or exclude parts of an embedding, tied or not, and what is behind it.
var textGroups = map[string][]optim.Group{
	"none":                 {},
	"embedding frozen":     {{Match: optim.Names("0.*"), Frozen: true}},
	"table frozen":         {{Match: optim.Names("0.Embedding.weight"), Frozen: true}},
	"positions frozen":     {{Match: optim.Names("0.Embedding.positions"), Frozen: true}},
	"embedding alone":      {{Match: optim.MatchFunc(func(v net.View) bool { return v.Name[:2] != "0." }), Frozen: true}},
	"table unperturbed":    {{Match: optim.Names("0.Embedding.weight"), Unperturbed: true}},
	"embedding unperturb.": {{Match: optim.Names("0.*"), Unperturbed: true}},
}

func TestTextGroups(t *testing.T) {
	const batch, rho, lr = 24, 0.1, 0.1
	for _, sub := range textSubjects(t) {
		for name, groups := range textGroups {
			ranges, err := optim.Resolve(sub.model.Params(), optim.SGD{LR: lr}, groups)
			if sub.name == "bag" && name == "positions frozen" {
				require.Error(t, err, "it has none")
				continue
			}
			require.NoError(t, err, name)
			for _, shards := range []int{1, 3, 8} {
				params := sub.model.Init(3)
				w, b := ref.Float64s(params.Values), randomText(4, batch)
				ghat := make([]float64, len(w))
				start, all := 0, 0
				for _, end := range ends(batch, batch, shards) {
					x, loss := textLoss(sub.model, b.Slice(start, end-start))
					_, _, g := sub.oracle.GradientBy(w, x, 0, loss)
					each(ranges, func(r optim.Range, i int) {
						if r.Frozen || r.Unperturbed {
							g[i] = 0
						}
					})
					_, terms, g := sub.oracle.GradientBy(ref.Axpy(rho/ref.Norm(g), g, w), x, 0, loss)
					ghat = ref.Axpy(float64(terms), g, ghat)
					start, all = end, all+terms
				}
				want := append([]float64(nil), w...)
				each(ranges, func(r optim.Range, i int) {
					if !r.Frozen {
						want[i] -= lr * ghat[i] / float64(all)
					}
				})
				for force, f := range arithmetics {
					what := fmt.Sprintf("%s, %s, %d shards, %s", sub.name, name, shards, force)
					params := params.Clone()
					before := params.Clone()
					o, err := New(sub.model, params, Config{Rho: rho, Shards: shards, Base: optim.SGD{LR: lr}, Groups: groups, Batch: batch, Workers: 2, force: f})
					require.NoError(t, err, what)
					_, err = o.Step(b)
					require.NoError(t, err, what)
					// Of the change, not of the parameters.
					requireNear(t, ref.Axpy(-1, w, want), change(before.Values, params.Values), 1e-4, what)
					each(ranges, func(r optim.Range, i int) {
						if r.Frozen {
							require.Equal(t, before.Values[i], params.Values[i], "%s: element %d", what, i)
						}
					})
				}
			}
		}
	}
}

func change(before, after []float32) []float32 {
	d := make([]float32, len(after))
	for i, v := range after {
		d[i] = v - before[i]
	}
	return d
}

// Of one arithmetic, any number of workers and any tiles make the same weights from ragged batches.
func TestTextSchedulesChangeNoBit(t *testing.T) {
	const batch = 30
	schedules := 14
	if testing.Short() {
		schedules = 7
	}
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for _, sub := range textSubjects(t) {
			for name, force := range arithmetics {
				for _, shards := range []int{1, 4, 15} {
					var want []float32
					for schedule := range schedules {
						f := force
						f.partsPerTile = schedule % 7
						f.together = schedule%3 == 2
						workers := []int{1, 2, 3, 7}[schedule%4]
						defer runtime.GOMAXPROCS(runtime.GOMAXPROCS([]int{1, 2, 7}[schedule%3]))
						params := sub.model.Init(11)
						o, err := New(sub.model, params, Config{Rho: 0.1, Shards: shards, Base: optim.SGD{LR: 0.1, Momentum: 0.9}, Batch: batch, Workers: workers, force: f})
						require.NoError(t, err)
						for step := range 3 {
							_, err := o.Step(randomText(uint64(step), batch-5*step))
							require.NoError(t, err)
						}
						if want == nil {
							want = params.Values
						}
						require.Equal(t, want, params.Values, "%s, %s, %d shards, %d workers, %+v", sub.name, name, shards, workers, f)
					}
				}
			}
		}
	})
}

// Batches of other lengths need no other memory, once the longest have been through.
func TestTextStepAllocatesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip()
	}
	const batch = 32
	for _, sub := range textSubjects(t) {
		for name, force := range arithmetics {
			for _, shards := range []int{1, 3, 16} {
				o, err := New(sub.model, sub.model.Init(1), Config{Rho: 0.1, Shards: shards, Base: optim.AdamW{LR: 0.01}, Batch: batch, Workers: 2, force: force})
				require.NoError(t, err)
				batches := []net.Batch{randomText(1, batch), randomText(2, batch), randomText(3, batch-3)}
				step := func() {
					for _, b := range batches {
						_, err := o.Step(b)
						require.NoError(t, err)
					}
				}
				for range 5 {
					step()
				}
				require.Less(t, testing.AllocsPerRun(10, step), 0.5, "%s, %s, %d shards", sub.name, name, shards)
			}
		}
	}
}

// A shard whose samples have one token each has no term: it isn't perturbed, and weighs nothing.
func TestShardWithoutTerms(t *testing.T) {
	for _, sub := range textSubjects(t)[2:] {
		b := net.Batch{N: 6, Tokens: []int32{1, 2, 3, 4, 5, 6, 7, 8, 1, 1}, Starts: []int{0, 3, 4, 5, 6, 9, 10}}
		x, loss := textLoss(sub.model, b)
		for _, a := range []Ascent{{}, {Fraction: 0.5}} {
			for name, force := range arithmetics {
				if a.forms() && force.perturb == factored {
					continue
				}
				params := sub.model.Init(3)
				mean, want := sub.oracle.MSAMBy(ref.Float64s(params.Values), x, []int{2, 4, 6}, ref.Ascent{Rho: 0.1, Fraction: a.Fraction}, loss)
				o, err := New(sub.model, params, Config{Rho: 0.1, Ascent: a, Shards: 3, Base: optim.SGD{LR: 0.1}, Batch: 6, Workers: 2, force: force})
				require.NoError(t, err)
				stats, err := o.gradient(b)
				require.NoError(t, err)
				requireNear(t, want, o.ghat, 1e-5, sub.name, name, a)
				assert.InEpsilon(t, mean, stats.Loss, 1e-5)
			}
		}
	}
}

// If no sample that perturbs has a term, nothing is perturbed, and the loss is that of all samples.
func TestFractionWithoutTerms(t *testing.T) {
	sub := textSubjects(t)[2]
	b := net.Batch{N: 4, Tokens: []int32{1, 2, 3, 4, 5, 6, 7}, Starts: []int{0, 1, 3, 4, 7}}
	x, loss := textLoss(sub.model, b)
	params := sub.model.Init(3)
	mean, _, want := sub.oracle.GradientBy(ref.Float64s(params.Values), x, 0, loss)
	for _, f := range []force{{}, {partsPerTile: 1, together: true}} {
		o, err := New(sub.model, params, Config{Rho: 0.1, Ascent: Ascent{Fraction: 0.5}, Shards: 2, Base: optim.SGD{LR: 0.1}, Batch: 4, Workers: 2, force: f})
		require.NoError(t, err)
		stats, err := o.gradient(b)
		require.NoError(t, err)
		requireNear(t, want, o.ghat, 1e-5)
		assert.InEpsilon(t, mean, stats.Loss, 1e-5)
	}
}

// A step on text that overflows is refused, and leaves all as it was. The batch isn't at fault:
// token ids are finite.
func TestTextStepIsRefused(t *testing.T) {
	for _, sub := range textSubjects(t) {
		for name, force := range arithmetics {
			params, b := sub.model.Init(3), randomText(5, 24)
			o, err := New(sub.model, params, Config{Rho: 0.1, Shards: 8, Base: optim.SGD{LR: 0.1}, Batch: 24, Workers: 2, force: force})
			require.NoError(t, err)
			_, err = o.Step(b)
			require.NoError(t, err)
			for i, v := range params.Values {
				params.Values[i] = 1e25 * v
			}
			before, state := params.Clone(), o.State()
			_, err = o.Step(b)
			require.ErrorIs(t, err, ErrRefused, "%s, %s", sub.name, name)
			require.NotErrorIs(t, err, ErrBatch)
			require.Equal(t, before, params)
			require.Equal(t, state, o.State())
		}
	}
}

// To a plan, an embedding reads a few rows in each tile, and an output that is tied to it the whole
// table.
func TestPlansOfText(t *testing.T) {
	for _, tied := range []bool{false, true} {
		plan := func(vocabulary int) *plan {
			output := net.Layer(net.Dense{Out: textVocabulary})
			if tied {
				output = net.TiedOutput{}
			}
			m, err := net.Compile(net.Shape{textLength}, net.Embedding{Vocabulary: vocabulary, Width: 8, Tied: tied}, output, net.NextToken{})
			require.NoError(t, err)
			o, err := New(m, m.Init(1), Config{Rho: 0.1, Shards: 4, Base: optim.SGD{LR: 0.1}, Batch: 12, Workers: 2})
			require.NoError(t, err)
			return o.plan
		}
		small, large := plan(50), plan(5000)
		assert.Zero(t, large.reads(0))
		all := num.Range(0, 4)
		if tied {
			assert.EqualValues(t, 8*5000, large.reads(1))
		} else {
			assert.EqualValues(t, 9*textVocabulary, large.reads(1))
			assert.Equal(t, small.time(all, 4, 1), large.time(all, 4, 1))
			assert.EqualValues(t, 4*8*4950, large.opBytes(0)-small.opBytes(0), "the gradient is written once")
		}
	}
}

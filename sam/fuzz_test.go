package sam_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// Random configurations of random models: every step is that of the definition, made of
// whole gradients, and has the same bits on any number of workers and in the least memory.
func TestRandomConfigurations(t *testing.T) {
	trials := 60
	if testing.Short() {
		trials = 15
	}
	r := rand.New(rand.NewPCG(11, 13))
	models := randomModels(t)
	for trial := range trials {
		m := models[r.IntN(len(models))]
		cfg := randomConfig(r, m)
		what := fmt.Sprintf("trial %d: %+v", trial, cfg)
		ranges, err := optim.Resolve(m.Params(), cfg.Base, cfg.Groups)
		if err != nil || cfg.Validate(m) != nil {
			continue // it freezes all, or leaves nothing to perturb
		}
		start := m.Init(uint64(trial))
		for i := range start.Values {
			start.Values[i] += float32(0.05 * r.NormFloat64())
		}
		short := max(m.MinShard(), cfg.Batch-cfg.Batch/cfg.Shards)
		batches := []net.Batch{drawBatch(r, m, cfg.Batch), drawBatch(r, m, short), drawBatch(r, m, cfg.Batch)}

		var first *net.Params
		for _, workers := range []int{1, 2, 3} {
			for _, least := range []bool{false, true} {
				c, params := cfg, start.Clone()
				c.Workers = workers
				if least {
					c.MaxMemory = leastMemory(t, m, c)
				}
				opt, err := sam.New(m, params, c)
				require.NoError(t, err, what)
				for step, b := range batches {
					var want []float64
					if first == nil {
						want = defined(t, m, params, b, c, step, ranges)
					}
					_, err := opt.Step(b)
					require.NoError(t, err, "%s, step %d", what, step)
					for i, w := range want {
						require.InDelta(t, w, params.Values[i], 2e-4*(1+math.Abs(w)), "%s, step %d, element %d\n%v", what, step, i, opt.Plan())
					}
				}
				if first == nil {
					first = params
				}
				require.Equal(t, first, params, "%s, %d workers, least memory %v", what, workers, least)
			}
		}
	}
}

// randomModels are models with every kind of op that steps treat differently.
func randomModels(t *testing.T) (models []*net.Model) {
	conv := func(out, stride int, bias bool) net.Layer {
		return net.Conv2D{Out: out, Kernel: 3, Stride: stride, Padding: net.Same, NoBias: !bias}
	}
	for _, c := range []struct {
		input  net.Shape
		layers []net.Layer
	}{
		{net.Shape{13}, []net.Layer{net.Dense{Out: 40}, net.ReLU{}, net.Dense{Out: 30}, net.ReLU{}, net.Dense{Out: 5}}},
		{net.Shape{13}, []net.Layer{net.Dense{Out: 40}, net.LayerNorm{}, net.ReLU{}, net.Dense{Out: 30}, net.GELU{}, net.Dense{Out: 5}}},
		{net.Shape{8, 8, 2}, []net.Layer{
			conv(5, 1, true), net.ReLU{}, net.MaxPool{Size: 2}, conv(6, 1, true), net.ReLU{}, net.Flatten{}, net.Dense{Out: 9}, net.ReLU{}, net.Dense{Out: 5},
		}},
		{net.Shape{8, 8, 2}, []net.Layer{
			conv(4, 1, false), net.BatchNorm{}, net.ReLU{},
			net.Residual{Body: []net.Layer{conv(4, 1, false), net.BatchNorm{}, net.ReLU{}, conv(4, 1, false), net.BatchNorm{}}}, net.ReLU{},
			net.Residual{Body: []net.Layer{conv(6, 2, false), net.BatchNorm{}}, Shortcut: []net.Layer{net.Subsample{Stride: 2, Out: 6}}}, net.ReLU{},
			net.GlobalAvgPool{}, net.Dense{Out: 5},
		}},
		{net.Shape{11}, []net.Layer{
			net.Embedding{Vocabulary: 70, Width: 12, Positions: net.LearnedPositions, Segments: 2}, net.LayerNorm{},
			net.TransformerBlock{Heads: 2, Hidden: 20}, net.Pooling{}, net.Dense{Out: 5},
		}},
		{net.Shape{11}, []net.Layer{
			net.Embedding{Vocabulary: 40, Width: 12, Tied: true},
			net.TransformerBlock{Heads: 2, Hidden: 20, PreNorm: true, Causal: true, Rotary: true}, net.LayerNorm{},
			net.TiedOutput{}, net.NextToken{},
		}},
	} {
		m, err := net.Compile(c.input, c.layers...)
		require.NoError(t, err)
		models = append(models, m)
	}
	return models
}

// randomConfig returns a configuration with shards, an ascent and groups at random.
func randomConfig(r *rand.Rand, m *net.Model) sam.Config {
	c := sam.Config{
		Batch: 8 + r.IntN(60), Shards: []int{1, 1, 2, 3, 4}[r.IntN(5)],
		Base: optim.SGD{LR: 0.1}, Rho: []float64{0, 0.05, 0.3}[r.IntN(3)],
	}
	if c.Rho > 0 {
		switch r.IntN(5) {
		case 0:
			c.Ascent.Adaptive = true
		case 1:
			c.Ascent.NormOnly = true
		case 2:
			c.Ascent.Fraction = 0.5
		}
		c.Ascent.Every = r.IntN(3)
	}
	var frozen, unperturbed []string
	for _, v := range m.Params() {
		switch r.IntN(6) {
		case 0:
			frozen = append(frozen, v.Name)
		case 1:
			unperturbed = append(unperturbed, v.Name)
		}
	}
	if len(frozen) > 0 && r.IntN(2) == 0 {
		c.Groups = append(c.Groups, optim.Group{Match: optim.Names(frozen...), Frozen: true})
	}
	if len(unperturbed) > 0 && r.IntN(2) == 0 {
		c.Groups = append(c.Groups, optim.Group{Match: optim.Names(unperturbed...), Unperturbed: true, LRFactor: 2})
	}
	return c
}

func drawBatch(r *rand.Rand, m *net.Model, n int) net.Batch {
	b := net.Batch{N: n, Labels: make([]int32, n)}
	if m.Vocabulary() == 0 {
		b.X = make([]float32, n*m.InputShape().Size())
	}
	for i := range b.X {
		b.X[i] = float32(r.NormFloat64())
	}
	if m.Vocabulary() > 0 {
		b.Starts = []int{0}
		for range n {
			for at := range 2 + r.IntN(m.InputShape()[0]-1) { // a term for each sample
				b.Tokens = append(b.Tokens, int32(r.IntN(1+r.IntN(m.Vocabulary()))))
				b.Segments = append(b.Segments, uint8(at/5%2))
			}
			b.Starts = append(b.Starts, len(b.Tokens))
		}
	}
	for i := range b.Labels {
		b.Labels[i] = int32(r.IntN(5))
	}
	return b
}

// leastMemory returns the smallest MaxMemory that New accepts, as its error has it.
func leastMemory(t *testing.T, m *net.Model, c sam.Config) (bytes int) {
	c.MaxMemory = 1
	_, err := sam.New(m, m.Init(1), c)
	require.ErrorContains(t, err, "needs at least ")
	_, number, _ := strings.Cut(err.Error(), "needs at least ")
	bytes, err = strconv.Atoi(number)
	require.NoError(t, err)
	return bytes
}

// defined returns the parameters after a step by its definition, from whole gradients in
// float32 that are summed in float64.
func defined(t *testing.T, m *net.Model, p *net.Params, b net.Batch, c sam.Config, step int, ranges []optim.Range) []float64 {
	perturbed, weight := make([]bool, m.NumParams()), make([]bool, m.NumParams())
	for _, v := range m.Params() {
		for i := range v.Shape.Size() {
			perturbed[v.Offset+i] = !c.Ascent.NormOnly || v.Role == net.Norm
			weight[v.Offset+i] = v.Role == net.Weight
		}
	}
	out, factor := make([]float64, m.NumParams()), make([]float64, m.NumParams())
	for _, r := range ranges {
		for i := r.From; i < r.To; i++ {
			perturbed[i] = perturbed[i] && !r.Frozen && !r.Unperturbed
			if out[i] = float64(p.Values[i]); !r.Frozen {
				factor[i] = 0.1 * r.LRFactor
			}
		}
	}
	scale := func(i int) float64 { // T
		if c.Ascent.Adaptive && weight[i] {
			return math.Abs(float64(p.Values[i])) + 0.01
		}
		return 1
	}
	shards, g := c.Shards, make([]float32, m.NumParams())
	if b.N < c.Batch {
		size := (c.Batch + c.Shards - 1) / c.Shards
		shards = (b.N + size - 1) / size
	}
	for s := range shards {
		from, to := b.N*s/shards, b.N*(s+1)/shards
		shard, at := b.Slice(from, to-from), p.Clone()
		if c.Rho > 0 && step%max(1, c.Ascent.Every) == 0 {
			_, err := m.Gradient(p, shard.Slice(0, c.Ascent.Samples(shard.N)), 0, g)
			require.NoError(t, err)
			norm := 0.0
			for i, v := range g {
				if perturbed[i] {
					norm += scale(i) * scale(i) * float64(v) * float64(v)
				}
			}
			for i, v := range g {
				if perturbed[i] && norm > 0 {
					at.Values[i] += float32(c.Rho / math.Sqrt(norm) * scale(i) * scale(i) * float64(v))
				}
			}
		}
		_, err := m.Gradient(at, shard, 0, g)
		require.NoError(t, err)
		for i, v := range g {
			out[i] -= factor[i] * float64(v) * float64(m.Loss().Terms(shard)) / float64(m.Loss().Terms(b))
		}
	}
	return out
}

package program_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// Where samples don't see each other, the gradient over selected samples is the whole tile's whose
// other samples have no gradient of the loss: of every layer, with masks, in arenas and deferred.
func TestSelectedSamples(t *testing.T) {
	models := map[string][]op.Layer{
		"mlp":     {net.Flatten{}, net.Dense{Out: 20}, net.ReLU{}, net.Dense{Out: 11}, net.ReLU{}, net.Dense{Out: 4}},
		"dropout": {net.Flatten{}, net.Dense{Out: 20}, net.Tanh{}, net.Dropout{Rate: 0.4}, net.Dense{Out: 4}},
	}
	for name, layers := range sharingModels {
		models[name] = layers
	}
	for name, layers := range textModels {
		models["text: "+name] = layers
	}
	simdtest.EachISA(t, func(t *testing.T) {
		for name, layers := range models {
			input := op.Shape{8, 8, 2}
			if strings.HasPrefix(name, "text: ") {
				input = op.Shape{textLength}
			}
			m, err := compile(input, layers...)
			require.NoError(t, err)
			if couples(m) {
				continue
			}
			r := rand.New(rand.NewPCG(1, 1))
			params, b := randomParams(r, m), randomBatch(r, m, 14)
			for _, apart := range []bool{false, true} {
				for _, deferred := range []bool{false, true} {
					s := selectCase{m, params, b, shardsFrom(2, 5, 4, 3), [][]int{{3, 1, 4}, {0, 3}, {0, 1, 2}}, apart, deferred, nil}
					if m.Vocabulary() > 0 {
						s.chosen[0] = []int{1, 3, 4}
					}
					want, got := s.gradients(t, false), s.gradients(t, true)
					ref.RequireNear(t, ref.Float64s(want), got, 1e-5, "%s, apart %v, deferred %v", name, apart, deferred)
					s.team = blas.NewTeam(2)
					require.Equal(t, got, s.gradients(t, true), "%s, apart %v, deferred %v, two workers", name, apart, deferred)
				}
			}
		}
	})
}

func couples(m *program.Program) bool {
	return slices.ContainsFunc(m.Nodes(), func(n program.Node) bool { return n.Traits.Couples })
}

// selectCase is a tile of which some samples go backward.
type selectCase struct {
	m        *program.Program
	params   *net.Params
	b        op.Batch
	shards   []program.Shard
	chosen   [][]int // by shard, as they move to its front
	apart    bool
	deferred bool
	team     *blas.Team
}

// gradients returns the gradient of each shard, then those of deferred ops: by a selection, or of
// all samples, of which the others have no gradient of the loss.
func (c selectCase) gradients(t *testing.T, selects bool) []float32 {
	size := backwardSize(c.shards)
	size.Apart = c.apart
	later := make([]bool, len(c.m.Nodes()))
	for i, n := range c.m.Nodes() {
		later[i] = c.deferred && n.Traits.Deferred
	}
	kept := c.m.NewDeferred(c.b.N, later)
	w := c.m.NewWorkspace(size, kept)
	w.Poison()
	grads := newSink(c.m, len(c.shards))
	grads.skip = later
	p := &program.Pass{
		Batch: c.b, Shards: c.shards, Scale: 0.5, Train: true, Team: c.team, Params: c.params.Values,
		Seed: maskSeed, Step: maskStep, Gradients: grads, Losses: make([]float64, len(c.shards)),
	}
	for s := range grads.shards {
		clear(grads.shards[s])
	}
	first, n := program.Run(c.shards)
	run := program.Shard{First: first, N: n}
	if selects {
		chosen := c.selection(first)
		p.SampleLosses = make([]float64, n)
		w.Infer(p)
		w.LossOnly(p)
		p.SampleLosses = nil
		w.Select(p, chosen)
		run.N = len(chosen.Order)
	} else {
		w.Infer(p)
	}
	w.Loss(p)
	if !selects {
		from := 0
		for s, shard := range c.shards {
			for i := range shard.N {
				if !slices.Contains(c.chosen[s], i) {
					clear(w.OutputGrad().Slice(from+i, 1).Data)
				}
			}
			from += shard.N
		}
	}
	w.Backward(p)
	g := make([]float32, c.m.NumParams())
	kept.Gradients(nil, p.Batch, run, nil, nil, blas.Full, g)
	return append(slices.Concat(grads.shards...), g...)
}

// selection returns the selection, whose batch has the chosen samples from the tile's first on.
func (c selectCase) selection(first int) (s program.Selection) {
	s.Batch = c.b
	s.Batch.X = slices.Clone(c.b.X)
	s.Batch.Labels = slices.Clone(c.b.Labels)
	s.Batch.Tokens = slices.Clone(c.b.Tokens)
	s.Batch.Segments = slices.Clone(c.b.Segments)
	s.Batch.Starts = slices.Clone(c.b.Starts)
	to, at := first, 0
	for i, shard := range c.shards {
		s.Shards = append(s.Shards, program.Shard{First: to, N: len(c.chosen[i])})
		for _, sample := range c.chosen[i] {
			from := c.b.Slice(shard.First+sample, 1)
			s.Order, s.Samples = append(s.Order, at+sample), append(s.Samples, shard.First+sample)
			s.Batch.Labels[to] = from.Labels[0]
			if c.b.Starts == nil {
				copy(s.Batch.X[to*len(from.X):], from.X)
			} else {
				row := s.Batch.Starts[to] - s.Batch.Starts[0]
				copy(s.Batch.Tokens[row:], from.Tokens)
				copy(s.Batch.Segments[row:], from.Segments)
				s.Batch.Starts[to+1] = s.Batch.Starts[to] + len(from.Tokens)
			}
			to++
		}
		at += shard.N
	}
	return s
}

package program_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// ascent is a clean pass over a tile, and what perturbing needs of it.
type ascent struct {
	twin
	pass  program.Pass
	work  *program.Workspace
	grads *sink
	kept  [][]float32 // by op
	sq    [][]float64 // squared norms, by op and shard
}

func newAscent(m twin, params *net.Params, b op.Batch, shards []program.Shard, team *blas.Team, packs program.Packs) *ascent {
	size := backwardSize(shards)
	size.Samples += 2 // may be larger
	a := &ascent{twin: m, grads: newSink(m.Program, len(shards)), work: m.NewWorkspace(size, nil)}
	a.pass = program.Pass{
		Batch: b, Shards: shards, Means: true, Train: true, Team: team, Params: params.Values, Packs: packs,
		Gradients: a.grads, Losses: make([]float64, len(shards)),
		Seed: maskSeed, Step: maskStep,
	}
	a.work.Poison()
	a.work.Forward(&a.pass)
	a.work.Backward(&a.pass)
	for i, n := range m.Nodes() {
		var kept []float32
		sq := make([]float64, len(shards))
		if op, ok := n.Op.(op.Factorable); ok {
			for _, shard := range shards {
				kept = append(kept, ref.NaNs(make([]float32, op.Kept(shard.N, m.Ops()[i].FirstInput)))...)
			}
			a.work.GradNormSq(&a.pass, i, kept, sq)
		}
		a.kept, a.sq = append(a.kept, kept), append(a.sq, sq)
	}
	return a
}

// formed is the parameters + c*G, with the gradients that the pass computed.
func (a *ascent) formed(c []float64) []program.Perturb {
	perturb := make([]program.Perturb, len(a.Nodes()))
	for i, n := range a.Nodes() {
		if n.Params.Len() == 0 {
			continue
		}
		perturb[i].Kind = program.Formed
		for s, g := range a.grads.shards {
			own := append([]float32(nil), n.Params.Of(a.pass.Params)...)
			for j, v := range n.Params.Of(g) {
				own[j] += float32(c[s]) * v
			}
			perturb[i].Params = append(perturb[i].Params, own)
		}
	}
	return perturb
}

// factored is the same without forming it, where ops can.
func (a *ascent) factored(c []float64) []program.Perturb {
	perturb := a.formed(c)
	for i, n := range a.Nodes() {
		if _, ok := n.Op.(op.Factorable); !ok {
			continue
		}
		in, d := a.work.Operands(i)
		own := d
		own.Data = append([]float32(nil), d.Data...)
		for s, at := range a.work.Rows() {
			for j := range own.Slice(at.First, at.N).Data {
				own.Slice(at.First, at.N).Data[j] *= float32(c[s])
			}
		}
		perturb[i] = program.Perturb{Kind: program.Factored, In: in, D: own, Kept: a.kept[i]}
	}
	return perturb
}

// descent is what a perturbed pass computes.
type descent struct {
	losses   []float64
	shards   [][]float32 // gradients of each shard's mean
	deferred []float32   // deferred gradients of the tile's mean, of deferred ops
	dense    [][]float32 // output gradients of the deferred ops
}

// descend runs a perturbed pass in memory of its own.
func (a *ascent) descend(perturb []program.Perturb) (d descent) {
	shards := a.pass.Shards
	deferred := a.NewDeferred(a.pass.Batch.N, deferredOps(a.Program))
	w := a.NewWorkspace(backwardSize(shards), deferred)
	w.Poison()
	grads := newSink(a.Program, len(shards))
	p := a.pass
	p.Perturb, p.Gradients, p.Losses = perturb, grads, make([]float64, len(shards))
	w.Forward(&p)
	w.Backward(&p)
	d.losses, d.shards = p.Losses, grads.shards

	// The rest is 1/|B| of the sum. Samples outside the tile have no part.
	values, gradients := deferred.Memory()
	for i := range values {
		clear(values[i])
		clear(gradients[i])
	}
	first, n := program.Run(shards)
	p.Gradients, p.Means, p.Scale = nil, false, 1/a.terms(p.Batch, program.Shard{First: first, N: n})
	w.Forward(&p)
	w.Backward(&p)
	d.deferred = make([]float32, a.NumParams())
	deferred.Gradients(p.Team, p.Batch, program.Shard{N: p.Batch.N}, nil, nil, blas.Full, d.deferred)
	for i, n := range a.Nodes() {
		if n.Traits.Deferred {
			_, dout := w.Operands(i)
			d.dense = append(d.dense, append([]float32(nil), dout.Data...))
		}
	}
	return d
}

// perturbed are the tiles: shards of 1, 2, 7 and 32 samples, alone and together. With
// normalization, a shard of few samples loses most digits of its gradient to cancellation, so there
// shards have at least 7.
var perturbed = []struct {
	norm  bool
	first int
	sizes []int
}{
	{false, 0, []int{1}},
	{false, 0, []int{2}},
	{false, 4, []int{7}},
	{false, 0, []int{32}},
	{false, 3, []int{1, 2, 7, 32}},
	{false, 0, []int{32, 1, 7, 2, 2}},
	{true, 0, []int{7, 32, 8}},
	{true, 5, []int{32, 9}},
}

func TestPerturbedPassAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, test := range perturbed {
			t.Run(fmt.Sprintf("norm=%v/from %d %v", test.norm, test.first, test.sizes), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 1))
				m := mlp(t, test.norm, 30, 41, 24, 10)
				b, params := randomBatch(r, m.Program, 64), randomParams(r, m.Program)
				checkPerturbed(t, m, params, b, shardsFrom(test.first, test.sizes...))
			})
		}
	})
}

// checkPerturbed compares perturbed passes with the oracle, formed and factored, by every kind of
// team, packed and not.
func checkPerturbed(t *testing.T, m twin, params *net.Params, b op.Batch, shards []program.Shard) {
	const rho = 0.1
	p := ref.Float64s(params.Values)

	// In the oracle w + c*G is formed, in float64.
	var c, losses []float64
	var want [][]float64
	total, sum := 0.0, make([]float64, len(p))
	for _, s := range shards {
		_, g := m.gradient(p, b, s)
		c = append(c, rho/ref.Norm(g))
		loss, g := m.gradient(ref.Axpy(rho/ref.Norm(g), g, p), b, s)
		losses, want = append(losses, m.terms(b, s)*loss), append(want, g)
		sum, total = ref.Axpy(m.terms(b, s), g, sum), total+m.terms(b, s)
	}
	sum = ref.Scaled(1/total, sum)
	// Two passes, each with products for the perturbation beside those with the parameters.
	tolerance := 3 * m.bound(32)

	for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
		for _, packs := range []program.Packs{nil, packed(m.Program, team, params.Values)} {
			a := newAscent(m, params, b, shards, team, packs)
			for kind, perturb := range map[string][]program.Perturb{"formed": a.formed(c), "factored": a.factored(c)} {
				got := a.descend(perturb)
				for s := range shards {
					assert.InEpsilon(t, losses[s], got.losses[s], tolerance, "%s: loss of shard %d", kind, s)
					ref.RequireNear(t, want[s], got.shards[s], tolerance, "%s: gradient of shard %d", kind, s)
				}
				for _, n := range m.Nodes() {
					if n.Traits.Deferred {
						ref.RequireNear(t, sum[n.Params.From:n.Params.To], n.Params.Of(got.deferred), tolerance, "%s: deferred gradient of %s", kind, n.Name)
					}
				}
			}
		}
	}
}

// Factored and formed perturbations are the same function, so that all they compute agrees, input
// gradients included.
func TestFactoredEqualsFormed(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, test := range perturbed {
			r := rand.New(rand.NewPCG(2, 2))
			m := mlp(t, test.norm, 50, 41, 24, 10)
			shards := shardsFrom(test.first, test.sizes...)
			a := newAscent(m, randomParams(r, m.Program), randomBatch(r, m.Program, 64), shards, nil, nil)
			var c []float64
			for range shards {
				c = append(c, 0.3+r.Float64())
			}
			formed, factored := a.descend(a.formed(c)), a.descend(a.factored(c))
			tolerance := 2 * m.bound(32) // one for each of the two
			assert.Less(t, tolerance, 3e-5)
			assert.InEpsilonSlice(t, formed.losses, factored.losses, tolerance)
			for s := range shards {
				ref.RequireNear(t, ref.Float64s(formed.shards[s]), factored.shards[s], tolerance, "%v: gradient of shard %d", test, s)
			}
			ref.RequireNear(t, ref.Float64s(formed.deferred), factored.deferred, tolerance, "%v: deferred gradient", test)
			for i := range formed.dense {
				ref.RequireNear(t, ref.Float64s(formed.dense[i]), factored.dense[i], tolerance, "%v: output gradient of Dense %d", test, i)
			}
		}
	})
}

// A perturbation by 0 times the gradient is none.
func TestFactorOfZeroPerturbsNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	m := mlp(t, false, 30, 41, 10)
	shards := shardsFrom(2, 5, 6)
	a := newAscent(m, randomParams(r, m.Program), randomBatch(r, m.Program, 20), shards, nil, nil)
	got := a.descend(a.factored([]float64{0, 0}))
	assert.Equal(t, a.pass.Losses, got.losses)
	assert.Equal(t, a.grads.shards, got.shards)
}

func TestGradNormSqAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, test := range perturbed {
			r := rand.New(rand.NewPCG(4, 4))
			m := mlp(t, test.norm, 30, 41, 24, 10)
			shards := shardsFrom(test.first, test.sizes...)
			params, b := randomParams(r, m.Program), randomBatch(r, m.Program, 64)
			a := newAscent(m, params, b, shards, blas.NewTeam(3), nil)
			for s, shard := range shards {
				_, g := m.gradient(ref.Float64s(params.Values), b, shard)
				for i, n := range m.Nodes() {
					if _, ok := n.Op.(op.Factorable); !ok {
						continue
					}
					norm := ref.Norm(g[n.Params.From:n.Params.To])
					// The square's relative error is twice the norm's. What the
					// sum over pairs of samples cancels is within a factor of
					// 2.
					assert.InEpsilon(t, norm*norm, a.sq[i][s], 4*m.bound(shard.N), "%v: %s, shard %d", test, n.Name, s)
				}
			}
		}
	})
}

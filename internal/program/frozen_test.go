package program_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
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

// The gradients of the ops that train have the same bits whether the others are frozen or not, in
// the pass, deferred, and with perturbed parameters, and nothing else is computed.
func TestFrozenOpsChangeNoGradient(t *testing.T) {
	models := map[string][]op.Layer{
		"mlp": {net.Flatten{}, net.Dense{Out: 20}, net.ReLU{}, net.Dense{Out: 11}, net.ReLU{}, net.Dense{Out: 4}},
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
			r := rand.New(rand.NewPCG(1, 1))
			params, b := randomParams(r, m), randomBatch(r, m, 12)
			ops := m.Nodes()
			for trial := range 12 {
				trains := make([]bool, len(ops))
				for i := range trains {
					trains[i] = r.IntN(3) == 0 && i >= trial/2 // all of the first are frozen
				}
				want, wantLosses := frozenGradients(m, params, b, nil, trains)
				got, losses := frozenGradients(m, params, b, trains, trains)
				require.Equal(t, wantLosses, losses, name)
				for i := range want {
					require.True(t, slices.Equal(want[i], got[i]), "%s: gradients of %v", name, trains)
				}
			}
		}
	})
}

// frozenGradients returns the gradients of the ops that train over shards, formed and unperturbed,
// and then the deferred one, with zeros for ops that don't. The workspace knows of frozen ops by
// what is given to it.
func frozenGradients(m *program.Program, params *net.Params, b op.Batch, given, trains []bool) (all [][]float32, losses []float64) {
	shards := shardsFrom(1, 4, 3, 4)
	size := backwardSize(shards)
	size.Apart, size.Trains = false, given
	skip := make([]bool, len(trains))
	deferred := make([]bool, len(trains))
	for i, n := range m.Nodes() {
		skip[i], deferred[i] = !trains[i], trains[i] && n.Traits.Deferred
	}
	kept := m.NewDeferred(b.N, deferred)
	w := m.NewWorkspace(size, kept)
	w.Poison()
	kept0, grads0 := kept.Memory()
	for i := range kept0 { // of the samples outside the tile
		clear(kept0[i])
		clear(grads0[i])
	}
	formed := oneForEach(m, params, len(shards))
	for _, perturb := range [][]program.Perturb{nil, formed} {
		grads := newSink(m, len(shards))
		for s := range grads.shards {
			clear(grads.shards[s])
		}
		grads.skip = skip
		p := &program.Pass{
			Batch: b, Shards: shards, Scale: 0.125, Train: true, Team: blas.NewTeam(2), Params: params.Values,
			Seed: maskSeed, Step: maskStep, Perturb: perturb, Gradients: grads, Losses: make([]float64, len(shards)),
		}
		w.Forward(p)
		w.Backward(p)
		all, losses = append(all, grads.shards...), append(losses, p.Losses...)
	}
	g := make([]float32, m.NumParams())
	kept.Gradients(nil, b, program.Shard{N: b.N}, nil, nil, blas.Full, g)
	return append(all, g), losses
}

// calls counts the backward calls of spies, by name.
type calls map[string]int

// spyOp is a bias that counts its backward calls. It is said to read its input in the backward
// pass, and can be rematerialized.
type spyOp struct {
	biasOp
	name  string
	calls calls
}

func (o spyOp) Traits() op.Traits {
	t := o.biasOp.Traits()
	t.InPlace = false
	return t
}

func (o spyOp) Prepare(*op.Call, []float32, []op.Tensor, op.Tensor, op.Tensor) {
	o.calls[o.name+".Prepare"]++
}

func (o spyOp) Backward(c *op.Call, p []float32, in []op.Tensor, out, dout op.Tensor, din []op.Tensor) {
	o.calls[o.name+".Backward"]++
	o.biasOp.Backward(c, p, in, out, dout, din)
}

func (o spyOp) Gradient(c *op.Call, in []op.Tensor, out, dout op.Tensor, g []float32) {
	o.calls[o.name+".Gradient"]++
	o.biasOp.Gradient(c, in, out, dout, g)
}

func (o spyOp) Rematerialize(*op.Call, []op.Tensor, op.Tensor) { o.calls[o.name+".Rematerialize"]++ }

func (spyOp) RematerializeReads(int) bool { return false }

// The backward pass calls no op that doesn't lead to one that trains: none before the first, and
// none in a frozen branch of a residual. Their outputs are rematerialized only for ops that read
// them.
func TestFrozenOpsAreNotCalled(t *testing.T) {
	for _, test := range []struct {
		trains []string
		want   []string // calls
	}{
		{[]string{"first"}, []string{
			"body.Backward", "body.Prepare", "first.Gradient", "first.Prepare", "first.Rematerialize", "last.Backward", "last.Prepare",
			"second.Backward", "second.Prepare", "second.Rematerialize", "shortcut.Backward", "shortcut.Prepare",
		}},
		{[]string{"second"}, []string{
			"body.Backward", "body.Prepare", "first.Rematerialize", "last.Backward", "last.Prepare",
			"second.Gradient", "second.Prepare", "second.Rematerialize", "shortcut.Backward", "shortcut.Prepare",
		}},
		{[]string{"body"}, []string{"body.Gradient", "body.Prepare", "last.Backward", "last.Prepare", "second.Rematerialize"}},
		{[]string{"shortcut"}, []string{"last.Backward", "last.Prepare", "second.Rematerialize", "shortcut.Gradient", "shortcut.Prepare"}},
		{[]string{"last"}, []string{"last.Gradient", "last.Prepare"}},
		{[]string{"last", "body"}, []string{"body.Gradient", "body.Prepare", "last.Backward", "last.Gradient", "last.Prepare", "second.Rematerialize"}},
		{nil, nil},
	} {
		t.Run(fmt.Sprint(test.trains), func(t *testing.T) {
			seen := calls{}
			spy := func(name string) op.Layer {
				return build(func(b op.Builder, in op.Value) (op.Value, error) {
					return add(b, spyOp{biasOp{6, false}, name, seen}, op.Shape{6}, in)
				})
			}
			m, err := compile(op.Shape{6}, spy("first"), spy("second"),
				net.Residual{Body: []op.Layer{spy("body")}, Shortcut: []op.Layer{spy("shortcut")}}, spy("last"))
			require.NoError(t, err)
			size := backwardSize(shardsFrom(0, 5))
			size.Apart, size.Trains = false, make([]bool, len(m.Nodes()))
			skip := make([]bool, len(m.Nodes()))
			for i, n := range m.Nodes() {
				if spy, ok := n.Op.(spyOp); ok {
					size.Trains[i] = slices.Contains(test.trains, spy.name)
				}
				skip[i] = !size.Trains[i]
			}
			r := rand.New(rand.NewPCG(2, 2))
			grads := newSink(m, 1)
			grads.skip = skip
			p := &program.Pass{
				Batch: randomBatch(r, m, 5), Shards: shardsFrom(0, 5), Means: true, Train: true,
				Params: randomParams(r, m).Values, Gradients: grads, Losses: make([]float64, 1),
			}
			w := m.NewWorkspace(size, nil)
			ref.NaNs(w.Memory()[0])
			w.Forward(p)
			clear(seen)
			w.Backward(p)
			var got []string
			for call, times := range seen {
				got = append(got, call)
				assert.Equal(t, 1, times, call)
			}
			slices.Sort(got)
			assert.Equal(t, test.want, got)
		})
	}
}

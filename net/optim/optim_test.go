package optim

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// viewsOf returns views of parameters of these sizes, named p0, p1 and so on, whose roles are
// weight, bias and norm in turn.
func viewsOf(sizes ...int) (views []net.View) {
	at := 0
	for i, n := range sizes {
		role := []net.Role{net.Weight, net.Bias, net.Norm}[i%3]
		views = append(views, net.View{Param: op.Param{Name: fmt.Sprintf("p%d", i), Shape: net.Shape{n}, Role: role}, Offset: at})
		at += n
	}
	return views
}

// noise returns n floats in [-1, 1), the same on every machine.
func noise(seed uint32, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		seed = seed*1664525 + 1013904223
		x[i] = float32(int32(seed)>>8) / (1 << 23)
	}
	return x
}

func newOptimizer(t testing.TB, views []net.View, values []float32, cfg Config) *Optimizer {
	t.Helper()
	o, err := New(views, values, cfg)
	require.NoError(t, err)
	return o
}

func hashOf(vectors ...[]float32) string {
	var bytes []byte
	for _, v := range vectors {
		for _, x := range v {
			bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(x))
		}
	}
	h := fnv.New64a()
	_, _ = h.Write(bytes) // which never fails
	return fmt.Sprintf("%#x", h.Sum64())
}

// The hashes are those of package sam's own update at revision 32d077c, of the parameters and the
// state after 10 steps on a cosine schedule, every second of them clipped.
func TestGolden(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("math.Cos may be rounded differently: the hashes are amd64's")
	}
	cases := []struct {
		rule Rule
		want map[string]string // by instruction set
	}{
		{SGD{LR: 0.1}, map[string]string{"generic": "0x4ccdcdfdfa122b2b", "avx2": "0xad76d1e7b523e0a4"}},
		{
			SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 1e-4},
			map[string]string{"generic": "0x87d166be48a0c436", "avx2": "0x437126534c54f3d1"},
		},
		{
			SGD{LR: 0.05, Momentum: 0.8, WeightDecay: 1e-2, Nesterov: true},
			map[string]string{"generic": "0xd846c4c1feb7995c", "avx2": "0x72c75b94d545e737"},
		},
		{AdamW{LR: 1e-3}, map[string]string{"generic": "0xabb51e2db9ad1bc3", "avx2": "0xbc53fb1e4820762a"}},
		{
			AdamW{LR: 0.01, Beta1: 0.8, Beta2: 0.95, Epsilon: 1e-6, WeightDecay: 0.01},
			map[string]string{"generic": "0xa7c8c9762b73bd91", "avx2": "0xab4e1cedc16b8446"},
		},
	}
	for _, isa := range simdtest.ISAs() {
		simdtest.Use(t, isa)
		for _, c := range cases {
			want, ok := c.want[isa.Arithmetic().String()]
			if !ok {
				continue
			}
			for _, workers := range []int{1, 3} {
				const n = 3*chunk + 1234
				values := noise(1, n)
				o := newOptimizer(t, viewsOf(n), values, Config{Rule: c.rule, Schedule: Cosine{Steps: 20}, Workers: workers})
				for step := range 10 {
					o.clip = float64(step%2) * 50
					_, err := o.Step(noise(uint32(step+2), n))
					require.NoError(t, err)
				}
				got := hashOf(append([][]float32{values}, o.State().Vectors...)...)
				assert.Equal(t, want, got, "%s, %+v, %d workers", isa, c.rule, workers)
			}
		}
	}
}

// Groups and workers decide who updates what, not the result: a model cut into many parameters with
// groups that change nothing has the bits of one parameter.
func TestBitsDontDependOnRanges(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const n = 2*chunk + 100
		for _, rule := range []Rule{SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 0.01}, AdamW{LR: 0.01, WeightDecay: 0.01}} {
			train := func(views []net.View, cfg Config) []float32 {
				values := noise(1, n)
				cfg.Rule, cfg.Clip = rule, 10
				o := newOptimizer(t, views, values, cfg)
				for step := range 4 {
					_, err := o.Step(noise(uint32(step+2), n))
					require.NoError(t, err)
				}
				return append(values, o.State().Vectors[0]...)
			}
			want := train(viewsOf(n), Config{Workers: 1})
			views := viewsOf(1, 31, 777, chunk, 5, chunk-1000, 286)
			got := train(views, Config{Workers: 2, Groups: []Group{{Match: Roles(net.Bias), Unperturbed: true}, {Match: Roles(net.Norm), WeightDecay: new(0.01)}}})
			require.True(t, slices.Equal(want, got), "%+v", rule)
		}
	})
}

// Each rule is compared with its oracle in float64, with a schedule, a group and clipping.
func TestOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const n, steps, clip = 500, 30, 6.0
		views := viewsOf(300, 200)
		type oracle interface{ Step(w, g []float64) }
		for _, c := range []struct {
			rule   Rule
			oracle func(rate, decay float64) oracle
			set    func(o oracle, rate float64)
		}{
			{
				SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 0.01},
				func(rate, decay float64) oracle {
					return &ref.SGD{LR: rate, Momentum: 0.9, WeightDecay: decay}
				},
				func(o oracle, rate float64) { o.(*ref.SGD).LR = rate },
			},
			{
				SGD{LR: 0.1, Momentum: 0.5, WeightDecay: 0.01, Nesterov: true},
				func(rate, decay float64) oracle {
					return &ref.SGD{LR: rate, Momentum: 0.5, WeightDecay: decay, Nesterov: true}
				},
				func(o oracle, rate float64) { o.(*ref.SGD).LR = rate },
			},
			{
				AdamW{LR: 0.01, WeightDecay: 0.1},
				func(rate, decay float64) oracle {
					return &ref.AdamW{LR: rate, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, WeightDecay: decay}
				},
				func(o oracle, rate float64) { o.(*ref.AdamW).LR = rate },
			},
		} {
			schedule := Linear{Steps: 20, From: 1, To: 0.1}
			values := noise(1, n)
			want := make([]float64, n)
			for i, v := range values {
				want[i] = float64(v)
			}
			o := newOptimizer(t, views, values, Config{
				Rule: c.rule, Schedule: schedule, Clip: clip,
				Groups: []Group{{Match: Names("p1"), LRFactor: 0.25, WeightDecay: new(0.5)}},
			})
			h := c.rule.Hyper()
			first, second := c.oracle(0, h.WeightDecay), c.oracle(0, 0.5)
			for step := range steps {
				g := noise(uint32(step+2), n)
				exact := make([]float64, n)
				for i, v := range g {
					exact[i] = float64(v)
				}
				norm := ref.Norm(exact)
				ref.Clip(exact, clip)
				rate := schedule.Factor(uint64(step)) * h.LearningRate
				c.set(first, rate)
				c.set(second, 0.25*rate)
				first.Step(want[:300], exact[:300])
				second.Step(want[300:], exact[300:])

				stats, err := o.Step(g)
				require.NoError(t, err)
				assert.InEpsilon(t, norm, stats.GradNorm, 1e-12)
				assert.Equal(t, rate, stats.LearningRate)
			}
			// Some ten roundings a step, of terms not much larger than 1.
			for i := range want {
				require.InDelta(t, want[i], values[i], steps*10*0x1p-24, "%+v, parameter %d", c.rule, i)
			}
		}
	})
}

func TestStepAllocatesNothing(t *testing.T) {
	const n = 2*chunk + 100
	for _, rule := range []Rule{SGD{LR: 0.1, Momentum: 0.9}, AdamW{LR: 0.01}, lion{LR: 1e-3}} {
		o := newOptimizer(t, viewsOf(n-50, 50), noise(1, n), Config{Rule: rule, Schedule: Cosine{Steps: 100}, Clip: 1, Workers: 2, Groups: []Group{NoDecay(net.Bias)}})
		g := noise(2, n)
		step := func() {
			if _, err := o.Step(g); err != nil {
				t.Error(err)
			}
		}
		step()
		assert.Zero(t, testing.AllocsPerRun(20, step), "%T", rule)
	}
}

// lion is the optimizer of arXiv 2302.06675, without defaults: the rule of a user, that can't bound
// its update.
type lion struct{ LR, WeightDecay float64 }

func (l lion) Validate() error   { return nil }
func (l lion) Hyper() Hyper      { return Hyper{l.LR, l.WeightDecay} }
func (l lion) StateVectors() int { return 1 }

func (l lion) Update(at Step, w, g []float32, state [][]float32) {
	m, lr, decay := state[0], float32(at.LearningRate), float32(at.WeightDecay)
	for i := range w {
		d := at.GradScale * g[i]
		direction := float32(0)
		if c := float32(0.9*m[i]) + float32(0.1*d); c != 0 {
			direction = float32(math.Copysign(1, float64(c)))
		}
		w[i] -= float32(lr * (direction + float32(decay*w[i])))
		m[i] = float32(0.99*m[i]) + float32(0.01*d)
	}
}

// A rule of a user's is given what SGD and AdamW are, whatever the workers.
func TestRuleOfAUser(t *testing.T) {
	const n = 2*chunk + 77
	views := viewsOf(chunk+5, n-chunk-5)
	want := noise(1, n)
	momentum := make([]float32, n)
	values := noise(1, n)
	o := newOptimizer(t, views, values, Config{
		Rule: lion{LR: 0.01, WeightDecay: 0.1}, Schedule: MultiStep{Milestones: []int{2}}, Workers: 3,
		Groups: []Group{NoDecay(net.Bias)},
	})
	for step := range 5 {
		g := noise(uint32(step+2), n)
		at := Step{LearningRate: MultiStep{Milestones: []int{2}}.Factor(uint64(step)) * 0.01, WeightDecay: 0.1, GradScale: 1}
		lion{}.Update(at, want[:chunk+5], g[:chunk+5], [][]float32{momentum[:chunk+5]})
		at.WeightDecay = 0
		lion{}.Update(at, want[chunk+5:], g[chunk+5:], [][]float32{momentum[chunk+5:]})
		_, err := o.Step(g)
		require.NoError(t, err)
	}
	assert.Equal(t, want, values)
	assert.Equal(t, [][]float32{momentum}, o.State().Vectors)
}

func TestFrozen(t *testing.T) {
	values := []float32{1, float32(math.Inf(-1)), 3}
	nan := float32(math.NaN())
	o := newOptimizer(t, viewsOf(1, 1, 1), values, Config{Rule: SGD{LR: 0.5, WeightDecay: 0.5}, Groups: []Group{{Match: Names("p1"), Frozen: true}}})
	stats, err := o.Step([]float32{3, nan, 4})
	require.NoError(t, err)
	assert.Equal(t, 5.0, stats.GradNorm, "a frozen parameter's gradient isn't read")
	assert.Equal(t, []float32{-0.75, float32(math.Inf(-1)), 0.25}, values)
	assert.Equal(t, [][]float32{{3.5, 0, 5.5}}, o.State().Vectors)
}

func TestWithoutParameters(t *testing.T) {
	o := newOptimizer(t, nil, nil, Config{Rule: AdamW{LR: 1}})
	stats, err := o.Step(nil)
	require.NoError(t, err)
	assert.Equal(t, Stats{LearningRate: 1}, stats)
	assert.Equal(t, uint64(1), o.Steps())
}

// reentrant is a rule that uses the Optimizer it is part of.
type reentrant struct {
	lion
	call func()
}

func (r reentrant) Update(Step, []float32, []float32, [][]float32) { r.call() }

func TestUseByTwoPanics(t *testing.T) {
	var o *Optimizer
	rule := &reentrant{lion: lion{LR: 1}, call: func() { o.State() }}
	o = newOptimizer(t, viewsOf(1), []float32{1}, Config{Rule: rule, Workers: 1})
	assert.PanicsWithValue(t, "optim: Optimizer is in use by another goroutine", func() { _, _ = o.Step([]float32{1}) })
	rule.call = func() {}
	_, err := o.Step([]float32{1})
	assert.NoError(t, err, "the panic has ended the use")
}

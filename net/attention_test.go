package net

import (
	"fmt"
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
	"github.com/steppe-ml/steppe/net/op"
)

// heads are ops of several numbers of heads and features of a head.
var heads = []attention{
	{heads: 1, width: 1}, {heads: 3, width: 21}, {heads: 4, width: 64}, {heads: 2, width: 64}, {heads: 2, width: 128}, {heads: 1, width: 100},
}

func eachAttention(visit func(o attention)) {
	for _, o := range heads {
		for _, o.causal = range []bool{false, true} {
			o.rows = 130
			visit(o)
		}
	}
}

// rowsOfLengths is a sequence of random samples of those lengths. Its first row isn't the batch's.
func rowsOfLengths(r *rand.Rand, most, width int, lengths ...int) op.Tensor {
	starts := []int{7}
	for _, n := range lengths {
		starts = append(starts, starts[len(starts)-1]+n)
	}
	rows := starts[len(lengths)] - starts[0]
	return op.Tensor{N: len(lengths), Shape: Shape{most, width}, Data: ref.Normal(r, rows*width), Starts: starts}
}

// likeRows is a tensor with rows for those of t, full of NaN.
func likeRows(t op.Tensor, width int) op.Tensor {
	t.Shape = Shape{t.Shape[0], width}
	t.Data = ref.NaNs(make([]float32, t.Rows()*width))
	return t
}

// passes are what an op's passes make. x is input, and d the output's gradient.
type passes struct{ out, din op.Tensor }

func attend(o attention, team *blas.Team, x, d op.Tensor) passes {
	p := passes{likeRows(x, o.width), likeRows(x, 3*o.width)}
	c := &op.Call{Team: team, Train: true, Aux: ref.NaNs(make([]float32, o.Traits().Aux.Floats(x.N)))}
	in, din := []op.Tensor{x}, []op.Tensor{p.din}
	o.Forward(c, nil, in, p.out)
	o.Backward(c, nil, in, p.out, d, din)
	return p
}

// samples are the samples of a tensor, widened.
func samples(t op.Tensor) (all [][]float64) {
	for i := range t.N {
		all = append(all, ref.Float64s(t.Slice(i, 1).Data))
	}
	return all
}

func TestAttentionAgainstOracle(t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		eachAttention(func(o attention) {
			oracle := ref.Attention{Heads: o.heads, Width: o.width, Causal: o.causal}
			for _, lengths := range [][]int{{1}, {1, 2, 7, 5}, {33, 1, 64}, {17, 130}} {
				r := rand.New(rand.NewPCG(1, uint64(o.width)))
				x, d := rowsOfLengths(r, o.rows, 3*o.width, lengths...), rowsOfLengths(r, o.rows, o.width, lengths...)
				got := attend(o, nil, x, d)
				out := oracle.Forward(nil, samples(x))
				din := oracle.Backward(nil, samples(x), out, samples(d), nil)
				what := fmt.Sprintf("%+v: %v", o, lengths)
				k := max(o.features(), slices.Max(lengths))
				ref.RequireNear(t, join(out), got.out.Data, ref.Bound(2, k), "forward, %s", what)
				if x.Rows() == 1 {
					checkOneRow(t, o, d, got.din, what)
					continue
				}
				ref.RequireNear(t, join(din), got.din.Data, ref.Bound(5, k), "backward, %s", what)
			}
		})
	})
}

// checkOneRow checks the gradient of a row alone, which sees itself only: values pass it on, and
// those of queries and keys are zero, but for rounding.
func checkOneRow(t *testing.T, o attention, d, din op.Tensor, what string) {
	require.Equal(t, d.Data, din.Data[2*o.width:], what)
	for _, v := range din.Data[:2*o.width] {
		require.InDelta(t, 0, v, 1e-4, what)
	}
}

// A sample longer than a block of queries may be wide, and one of many keys.
func TestAttentionOfLongSamples(t *testing.T) {
	for _, causal := range []bool{false, true} {
		o := attention{rows: 1500, width: 2, heads: 1, causal: causal}
		oracle := ref.Attention{Heads: 1, Width: 2, Causal: causal}
		r := rand.New(rand.NewPCG(2, 2))
		x, d := rowsOfLengths(r, o.rows, 6, 1100, 3, 300), rowsOfLengths(r, o.rows, 2, 1100, 3, 300)
		got := attend(o, nil, x, d)
		out := oracle.Forward(nil, samples(x))
		ref.RequireNear(t, join(out), got.out.Data, ref.Bound(2, 1100), "forward, causal %v", causal)
		ref.RequireNear(t, join(oracle.Backward(nil, samples(x), out, samples(d), nil)), got.din.Data, ref.Bound(5, 1100), "backward, causal %v", causal)
	}
}

// A sample has the bits that it has alone, beside any others, whoever computes it, and whether
// lengths are given or the same for all.
func TestAttentionOfASampleAlone(t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		eachAttention(func(o attention) {
			lengths := []int{1, o.rows, 3, 64, 1, 97}
			r := rand.New(rand.NewPCG(3, 3))
			x, d := rowsOfLengths(r, o.rows, 3*o.width, lengths...), rowsOfLengths(r, o.rows, o.width, lengths...)
			var alone []passes
			for i, n := range lengths {
				sample, gradient := x.Slice(i, 1), d.Slice(i, 1)
				alone = append(alone, attend(o, nil, sample, gradient))
				if n == o.rows {
					sample.Starts, gradient.Starts = nil, nil
					fixed := attend(o, nil, sample, gradient)
					require.Equal(t, alone[i].out.Data, fixed.out.Data, "%+v: without lengths", o)
					require.Equal(t, alone[i].din.Data, fixed.din.Data, "%+v: without lengths", o)
				}
			}
			for _, workers := range []int{1, 2, 3, 5} {
				together := attend(o, blas.NewTeam(workers), x, d)
				for i := range lengths {
					what := fmt.Sprintf("%+v: sample %d, %d workers", o, i, workers)
					require.Equal(t, alone[i].out.Data, together.out.Slice(i, 1).Data, what)
					require.Equal(t, alone[i].din.Data, together.din.Slice(i, 1).Data, what)
				}
			}
		})
	})
}

// NaN and Inf stay in their sample. What they reach there is NaN: no score of them is lost.
func TestAttentionKeepsNaN(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, causal := range []bool{false, true} {
			o := attention{rows: 100, width: 32, heads: 2, causal: causal}
			lengths := []int{20, 100, 1, 30}
			r := rand.New(rand.NewPCG(4, 4))
			x, d := rowsOfLengths(r, o.rows, 3*o.width, lengths...), rowsOfLengths(r, o.rows, o.width, lengths...)
			const row = 60
			for i, q := range x.Slice(1, 1).Data[row*3*o.width:][:o.width] {
				x.Slice(1, 1).Data[row*3*o.width+i] = max(q, -q) // so that a key of Inf has a score of Inf
			}
			want := attend(o, nil, x, d)
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				for part := range 3 {
					x := x
					x.Data = slices.Clone(x.Data)
					x.Slice(1, 1).Data[row*3*o.width+part*o.width] = float32(bad) // of head 0
					got := attend(o, nil, x, d)
					what := fmt.Sprintf("causal %v, %v in %s", causal, bad, []string{"q", "k", "v"}[part])
					for _, i := range []int{0, 2, 3} {
						require.Equal(t, want.out.Slice(i, 1).Data, got.out.Slice(i, 1).Data, what)
						require.Equal(t, want.din.Slice(i, 1).Data, got.din.Slice(i, 1).Data, what)
					}
					if part == 1 && bad < 0 {
						continue // a score of -Inf: the row isn't seen
					}
					assert.False(t, isFinite(got.out.Slice(1, 1).Data[row*o.width:][:1]), what)
					assert.False(t, isFinite(got.din.Slice(1, 1).Data[row*3*o.width:][:3*o.width]), what)
					half := o.features()
					for i := range 100 { // the other head
						require.True(t, isFinite(got.out.Slice(1, 1).Data[i*o.width+half:][:half]), what)
					}
				}
			}
		}
	})
}

func isFinite(x []float32) bool {
	return !slices.ContainsFunc(x, func(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) })
}

// A row doesn't see those behind it: they may be anything.
func TestAttentionIsCausal(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		o := attention{rows: 150, width: 32, heads: 2, causal: true}
		r := rand.New(rand.NewPCG(5, 5))
		x, d := rowsOfLengths(r, o.rows, 3*o.width, 150), rowsOfLengths(r, o.rows, o.width, 150)
		want := attend(o, nil, x, d)
		for _, n := range []int{1, 31, 96, 149} {
			x := x
			x.Data = append(slices.Clone(x.Data[:n*3*o.width]), ref.Normal(r, (150-n)*3*o.width)...)
			got := attend(o, nil, x, d)
			require.Equal(t, want.out.Data[:n*o.width], got.out.Data[:n*o.width], "%d rows", n)
			require.NotEqual(t, want.out.Data[n*o.width:], got.out.Data[n*o.width:])
		}
	})
}

// Scores far from 0 neither overflow nor lose the probabilities: those of the second pass are those
// of the first, but for rounding.
func TestAttentionOfLargeScores(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, size := range []float32{30, 1e4, 1e15} {
			o := attention{rows: 40, width: 16, heads: 1}
			r := rand.New(rand.NewPCG(6, 6))
			x, d := rowsOfLengths(r, o.rows, 48, 40), rowsOfLengths(r, o.rows, 16, 40)
			for i := range x.Rows() {
				for j := range 2 * o.width {
					x.Data[i*48+j] *= size
				}
			}
			got := attend(o, nil, x, d)
			require.True(t, isFinite(got.out.Data), "%v", size)
			require.True(t, isFinite(got.din.Data), "%v", size)
			// Each row is a mean of values.
			for j := range o.width {
				least, most := math.Inf(1), math.Inf(-1)
				for i := range x.Rows() {
					v := float64(x.Data[i*48+32+j])
					least, most = min(least, v), max(most, v)
				}
				for i := range x.Rows() {
					y := float64(got.out.Data[i*16+j])
					require.True(t, y >= least-1e-5 && y <= most+1e-5, "%v: %v of %v to %v", size, y, least, most)
				}
			}
		}
	})
}

func newRotation(t *testing.T, rows, width, heads int) rotation {
	b, v := program.NewBuilder(Shape{rows, 3 * width})
	_, err := addRotation(b, v, heads)
	require.NoError(t, err)
	return b.Op(0).(rotation)
}

func TestRotationAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, size := range []struct{ heads, features int }{{1, 2}, {3, 10}, {2, 16}, {2, 64}, {1, 70}} {
			width := size.heads * size.features
			o := newRotation(t, 50, width, size.heads)
			oracle := ref.Rotation{Heads: size.heads, Width: width}
			r := rand.New(rand.NewPCG(7, 7))
			x := rowsOfLengths(r, 50, 3*width, 1, 50, 3, 49, 20)
			for _, workers := range []int{1, 2, 3, 5} {
				c := &op.Call{Team: blas.NewTeam(workers)}
				out, din := likeRows(x, 3*width), likeRows(x, 3*width)
				o.Forward(c, nil, []op.Tensor{x}, out)
				o.Backward(c, nil, nil, out, x, []op.Tensor{din})
				ref.RequireNear(t, join(oracle.Forward(nil, samples(x))), out.Data, ref.Bound(1, 2), "forward, %v", size)
				ref.RequireNear(t, join(oracle.Backward(nil, nil, nil, samples(x), nil)), din.Data, ref.Bound(1, 2), "backward, %v", size)

				place := x
				place.Data = slices.Clone(x.Data)
				o.Forward(c, nil, []op.Tensor{place}, place)
				require.Equal(t, out.Data, place.Data, "in place, %v", size)
			}
		}
	})
}

// The product of a query and a key depends on how far apart they are.
func TestRotationIsRelative(t *testing.T) {
	o := newRotation(t, 40, 16, 1)
	x := op.Tensor{N: 1, Shape: Shape{40, 48}, Data: make([]float32, 40*48)}
	row := ref.Normal(rand.New(rand.NewPCG(8, 8)), 48)
	for i := range 40 {
		copy(x.Data[i*48:], row)
	}
	o.Forward(&op.Call{}, nil, []op.Tensor{x}, x)
	product := func(i, j int) (sum float64) {
		for k := range 16 {
			sum += float64(x.Data[i*48+k]) * float64(x.Data[j*48+16+k])
		}
		return sum
	}
	for _, apart := range []int{0, 1, 7} {
		for i := apart; i < 40; i++ {
			assert.InDelta(t, product(apart, 0), product(i, i-apart), 1e-4, "%d apart, from %d on", apart, i)
		}
	}
	assert.NotEqual(t, product(0, 0), product(1, 0))
}

func TestMultiHeadAttentionAgainstOracle(t *testing.T) {
	for _, l := range []MultiHeadAttention{{Heads: 1}, {Heads: 4, Causal: true}, {Heads: 2, Rotary: true}, {Heads: 4, Causal: true, Rotary: true}} {
		m, err := Compile(Shape{9, 8}, l, Flatten{}, Dense{Out: 3})
		require.NoError(t, err)
		oracle := append(ref.MultiHeadAttention(l.Heads, 8, l.Causal, l.Rotary), ref.Dense{In: 72, Out: 3})
		r := rand.New(rand.NewPCG(9, 9))
		params, b := randomParams(r, m), randomBatch(r, m, 20)
		wantLoss, want := oracle.Gradient(ref.Float64s(params.Values), ref.Rows(b.X, b.N), b.Labels)
		g := ref.NaNs(make([]float32, m.NumParams()))
		loss, err := m.Gradient(params, b, 0, g)
		require.NoError(t, err)
		assert.InEpsilon(t, wantLoss, loss, ref.Bound(5, 180), "%+v", l)
		ref.RequireNear(t, want, g, ref.Bound(12, 180), "%+v", l)
	}
}

// Losses' differences are the gradient's, at a step where neither rounding nor curvature counts for
// much.
func TestMultiHeadAttentionAgainstDifferences(t *testing.T) {
	m, err := Compile(Shape{5, 4}, MultiHeadAttention{Heads: 2, Causal: true, Rotary: true}, Flatten{}, Dense{Out: 3})
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(10, 10))
	params, b := randomParams(r, m), randomBatch(r, m, 30)
	g, unused := make([]float32, m.NumParams()), make([]float32, m.NumParams())
	_, err = m.Gradient(params, b, 0, g)
	require.NoError(t, err)
	const h = 1e-2
	for i := range params.Values {
		old := params.Values[i]
		loss := func(at float32) float64 {
			params.Values[i] = at
			loss, err := m.Gradient(params, b, 0, unused)
			require.NoError(t, err)
			return loss
		}
		slope := (loss(old+h) - loss(old-h)) / (2 * h)
		params.Values[i] = old
		assert.InDelta(t, slope, g[i], 2e-4, m.program.ParamAt(i))
	}
}

func TestMultiHeadAttentionErrors(t *testing.T) {
	for want, test := range map[string]struct {
		input Shape
		layer MultiHeadAttention
	}{
		"net: layer 0, MultiHeadAttention{Heads:2}: input 12: samples must be rows of features, [L, D]":                                           {Shape{12}, MultiHeadAttention{Heads: 2}},
		"net: layer 0, MultiHeadAttention{}: input 5x12: Heads is 0, want at least 1":                                                             {Shape{5, 12}, MultiHeadAttention{}},
		"net: layer 0, MultiHeadAttention{Heads:-1}: input 5x12: Heads is -1, want at least 1":                                                    {Shape{5, 12}, MultiHeadAttention{Heads: -1}},
		"net: layer 0, MultiHeadAttention{Heads:5}: input 5x12: Heads is 5, which doesn't divide the 12 features of a row":                        {Shape{5, 12}, MultiHeadAttention{Heads: 5}},
		"net: layer 0, MultiHeadAttention{Heads:4 Rotary:true}: input 5x12: Rotary rotates pairs, and a head has 3 features: want an even number": {Shape{5, 12}, MultiHeadAttention{Heads: 4, Rotary: true}},
	} {
		_, err := Compile(test.input, test.layer, Flatten{}, Dense{Out: 2})
		assert.EqualError(t, err, want)
	}
}

func TestAttentionAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	m, err := Compile(Shape{100, 32}, MultiHeadAttention{Heads: 2, Rotary: true}, Flatten{}, Dense{Out: 3})
	require.NoError(t, err)
	params, g := m.Init(1), make([]float32, m.NumParams())
	b := randomBatch(r, m, 20)
	step := func() { m.Gradient(params, b, 0, g) }
	step()
	assert.Less(t, testing.AllocsPerRun(5, step), 1.0)

	o := attention{rows: 150, width: 32, heads: 2}
	c := &op.Call{Team: blas.NewTeam(2), Aux: make([]float32, o.Traits().Aux.Floats(3))}
	for _, lengths := range [][]int{{20, 100, 1}, {150, 149, 128}} { // no length is new after the first call
		x, d := rowsOfLengths(r, o.rows, 3*o.width, lengths...), rowsOfLengths(r, o.rows, o.width, lengths...)
		in, out, din := []op.Tensor{x}, likeRows(x, o.width), []op.Tensor{likeRows(x, 3*o.width)}
		step := func() {
			o.Forward(c, nil, in, out)
			o.Backward(c, nil, in, out, d, din)
		}
		if lengths[0] == 20 {
			step()
		}
		assert.Less(t, testing.AllocsPerRun(5, step), 1.0, "%v", lengths)
	}
}

// Traits count the products of the longest sample: of causal attention those with keys that a query
// sees.
func TestAttentionFlops(t *testing.T) {
	o := attention{rows: 10, width: 24, heads: 3}
	assert.Equal(t, op.Flops{Forward: 4 * 100 * 24, Backward: 10 * 100 * 24}, o.Traits().Flops)
	o.causal = true
	assert.Equal(t, op.Flops{Forward: 4 * 55 * 24, Backward: 10 * 55 * 24}, o.Traits().Flops)
}

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
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net/op"
)

// embeddings are tables of every kind, for samples of at most 9 tokens.
func embeddings() (list []tables) {
	for _, width := range []int{1, 5, 64, 70, 130} {
		for _, positions := range []Positions{NoPositions, LearnedPositions, SinusoidalPositions} {
			for _, segments := range []int{0, 2} {
				t := tables{vocabulary: 11, length: 9, width: width, positions: positions, segments: segments}
				if positions == SinusoidalPositions {
					t.sinusoids = sinusoids(9, width)
				}
				list = append(list, t)
			}
		}
	}
	return list
}

func oracleOf(t tables) ref.Embedding {
	return ref.Embedding{
		Vocabulary: t.vocabulary, Length: t.length, Width: t.width, Segments: t.segments,
		Learned: t.positions == LearnedPositions, Sinusoidal: t.positions == SinusoidalPositions,
	}
}

func TestEmbeddingAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, tables := range embeddings() {
			for _, lengths := range texts {
				r := rand.New(rand.NewPCG(1, uint64(len(lengths))))
				o, oracle := embedding{embeddingOp{tables}}, oracleOf(tables)
				b := randomText(r, tables.vocabulary, lengths)
				if len(lengths) == 4 {
					b.Segments = nil // all are 0
				}
				x := ref.Text(b.Tokens, b.Starts, b.Segments, tables.vocabulary)
				in, d := tokensOf(b, tables.length), sequence(r, b, tables.length, tables.width)
				p, before := ref.Normal(r, oracle.Params()), ref.Normal(r, oracle.Params())
				what := fmt.Sprintf("width %d, %v, %d segments, %v", tables.width, tables.positions, tables.segments, lengths)

				want := oracle.Forward(ref.Float64s(p), x)
				g := make([]float64, oracle.Params())
				oracle.Backward(nil, x, nil, samplesOf(d), g)
				tolerance := ref.Bound(1, len(b.Tokens))
				for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
					out := like(d)
					o.Forward(&op.Call{Team: team}, p, []op.Tensor{in}, out)
					ref.RequireNear(t, join(want), out.Data, ref.Bound(1, 3), "forward, %s", what)
					once := ref.Float64s(out.Data)
					o.Forward(&op.Call{Team: team, Accumulate: true}, p, []op.Tensor{in}, out)
					ref.RequireNear(t, ref.Scaled(2, once), out.Data, ref.Bound(1, 6), "forward, added, %s", what)

					got := ref.NaNs(make([]float32, len(g)))
					o.Gradient(&op.Call{Team: team}, []op.Tensor{in}, out, d, got)
					ref.RequireNear(t, g, got, tolerance, "gradient, %s", what)
					got = slices.Clone(before)
					o.Gradient(&op.Call{Team: team, Accumulate: true}, []op.Tensor{in}, out, d, got)
					ref.RequireNear(t, ref.Axpy(1, g, ref.Float64s(before)), got, tolerance, "gradient, added, %s", what)
				}
			}
		}
	})
}

// The factored gradient is what the oracle makes of a whole one.
func TestEmbeddingShardsAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, tables := range embeddings() {
			for _, sizes := range [][]int{{8}, {1, 1, 1, 1, 1, 1, 1, 1}, {3, 5}, {1, 4, 1, 2}} {
				r := rand.New(rand.NewPCG(2, uint64(len(sizes))))
				o, oracle := embedding{embeddingOp{tables}}, oracleOf(tables)
				b := randomText(r, tables.vocabulary, texts[5])
				shards, _ := consecutive(sizes)
				in, d := tokensOf(b, tables.length), sequence(r, b, tables.length, tables.width)
				for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
					c := &op.Call{Team: team, Scratch: ref.NaNs(make([]float32, len(shards)*o.Scratch(8, true)))}
					sq, out := make([]float64, len(shards)), like(d)
					o.GradNormSq(c, in, d, shards, sq)
					ref.NaNs(c.Scratch)
					o.ForwardDelta(c, in, in, d, out, shards)
					for s, shard := range shards {
						part := b.Slice(shard.First, shard.N)
						x := ref.Text(part.Tokens, part.Starts, part.Segments, tables.vocabulary)
						g := make([]float64, oracle.Params())
						oracle.Backward(nil, x, nil, samplesOf(d.Of(shard)), g)
						oracle := oracle
						oracle.Sinusoidal = false // a constant isn't perturbed
						what := fmt.Sprintf("width %d, %v, %d segments, shard %d of %v", tables.width, tables.positions, tables.segments, s, sizes)
						assert.InEpsilon(t, ref.Norm(g)*ref.Norm(g), sq[s], ref.Bound(2, 40), "squared norm, %s", what)
						ref.RequireNear(t, join(oracle.Forward(g, x)), out.Of(shard).Data, ref.Bound(1, 40), "delta, %s", what)
					}
				}
			}
		}
	})
}

// A shard's results have the same bits in any tile and with any workers, and those of the gradient
// don't depend on workers.
func TestEmbeddingShardAlone(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		o := embedding{embeddingOp{tables{vocabulary: 11, length: 9, width: 150, positions: LearnedPositions, segments: 2}}}
		b := randomText(r, 11, texts[5])
		shards, _ := consecutive([]int{2, 1, 5})
		in, d := tokensOf(b, 9), sequence(r, b, 9, 150)
		deltas := func(team *blas.Team, of op.Shard, shards []op.Shard) (sq []float64, out op.Tensor) {
			c := &op.Call{Team: team, Scratch: ref.NaNs(make([]float32, len(shards)*o.Scratch(8, true)))}
			sq, out = make([]float64, len(shards)), like(d.Of(of))
			o.GradNormSq(c, in.Of(of), d.Of(of), shards, sq)
			o.ForwardDelta(c, in.Of(of), in.Of(of), d.Of(of), out, shards)
			return sq, out
		}
		var gradient []float32
		for _, team := range []*blas.Team{nil, blas.NewTeam(2), blas.NewTeam(5)} {
			sq, out := deltas(team, op.Shard{N: 8}, shards)
			for s, shard := range shards {
				ownSq, own := deltas(nil, shard, []op.Shard{{N: shard.N}})
				assert.Equal(t, ownSq[0], sq[s], "shard %d", s)
				assert.Equal(t, own.Data, out.Of(shard).Data, "shard %d", s)
			}
			g := make([]float32, (11+9+2)*150)
			o.Gradient(&op.Call{Team: team}, []op.Tensor{in}, out, d, g)
			if gradient == nil {
				gradient = g
			}
			require.Equal(t, gradient, g)
		}
	})
}

// DeltaFlops counts the additions and squares that are there, and nothing is kept.
func TestEmbeddingDeltaFlops(t *testing.T) {
	o := embedding{embeddingOp{tables{vocabulary: 100, length: 10, width: 8, positions: LearnedPositions, segments: 2}}}
	assert.EqualValues(t, 3*(2+2+1)*4*10*8, o.DeltaFlops(4, true))
	o.segments = 0
	assert.EqualValues(t, 2*(2+2+1)*4*10*8, o.DeltaFlops(4, true))
	o.positions = SinusoidalPositions
	assert.EqualValues(t, (2+2+1)*4*10*8, o.DeltaFlops(4, true))
	assert.Zero(t, o.Kept(4, true))
}

func TestEmbeddingParams(t *testing.T) {
	m, err := Compile(Shape{6}, Embedding{Vocabulary: 50, Width: 8, Positions: LearnedPositions, Segments: 2}, Pooling{}, Dense{Out: 2})
	require.NoError(t, err)
	params := m.Params()
	for i, want := range []View{
		{Param: op.Param{Name: "0.Embedding.weight", Shape: Shape{50, 8}, Role: Weight}},
		{Param: op.Param{Name: "0.Embedding.positions", Shape: Shape{6, 8}, Role: Weight}, Offset: 400},
		{Param: op.Param{Name: "0.Embedding.segments", Shape: Shape{2, 8}, Role: Weight}, Offset: 448},
	} {
		got := params[i]
		got.Init = nil
		assert.Equal(t, want, got)
	}
	values := m.Init(4).Values
	largest := float32(0)
	for _, v := range values[:464] {
		largest = max(largest, v, -v)
	}
	assert.InDelta(t, 0.04, largest, 0.001, "two standard deviations of 0.02")
	assert.NotEqual(t, values[:48], values[400:448])
}

func TestEmbeddingErrors(t *testing.T) {
	good := Embedding{Vocabulary: 5, Width: 3}
	for want, test := range map[string]struct {
		input  Shape
		layers []Layer
	}{
		"input 4x2: samples of shape 4x2, want one dimension":                    {Shape{4, 2}, []Layer{good}},
		"Vocabulary is 0, want at least 1":                                       {Shape{4}, []Layer{Embedding{Width: 3}}},
		"Width is 0, want at least 1":                                            {Shape{4}, []Layer{Embedding{Vocabulary: 5}}},
		"Positions is Positions(7), want NoPositions, LearnedPositions":          {Shape{4}, []Layer{Embedding{Vocabulary: 5, Width: 3, Positions: 7}}},
		"layer 0, Embedding{Vocabulary:5 Width:3 Positions:LearnedPositions Seg": {Shape{4}, []Layer{Embedding{Vocabulary: 5, Width: 3, Positions: LearnedPositions, Segments: 1}}},
		"Segments is 1, want 0 or 2":                                             {Shape{4}, []Layer{Embedding{Vocabulary: 5, Width: 3, Segments: 1}}},
		"only the model's input can be some":                                     {Shape{4}, []Layer{Dense{Out: 4}, good}},
		"layer 1, Pooling{}: input 4: samples of shape 4, want rows of one":      {Shape{4}, []Layer{Dense{Out: 4}, Pooling{}}},
		"layer 0, AddPositions{}: input 4: samples of shape 4, want rows of one": {Shape{4}, []Layer{AddPositions{}}},
	} {
		_, err := Compile(test.input, test.layers...)
		assert.ErrorContains(t, err, want)
	}
}

// Positions of rows that aren't tokens are added in place, too.
func TestAddPositionsAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, sinusoidal := range []bool{false, true} {
			for _, lengths := range texts {
				r := rand.New(rand.NewPCG(4, 4))
				tables := tables{length: 9, width: 70, positions: LearnedPositions}
				if sinusoidal {
					tables.positions, tables.sinusoids = SinusoidalPositions, sinusoids(9, 70)
				}
				o, oracle := addPositions{tables}, oracleOf(tables)
				b := randomText(r, 9, lengths)
				x, d := sequence(r, b, 9, 70), sequence(r, b, 9, 70)
				if len(lengths) == 5 { // all have 9 rows
					x.Starts, d.Starts = nil, nil
				}
				p, g := ref.Normal(r, oracle.Params()), make([]float64, oracle.Params())
				want := oracle.Forward(ref.Float64s(p), samplesOf(x))
				oracle.Backward(nil, samplesOf(x), nil, samplesOf(d), g)
				for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
					c := &op.Call{Team: team}
					out, din := like(x), like(x)
					o.Forward(c, p, []op.Tensor{x}, out)
					ref.RequireNear(t, join(want), out.Data, ref.Bound(1, 2), "forward, %v", lengths)
					inPlace := x
					inPlace.Data = slices.Clone(x.Data)
					o.Forward(c, p, []op.Tensor{inPlace}, inPlace)
					assert.Equal(t, out.Data, inPlace.Data)

					if !sinusoidal {
						got := ref.NaNs(make([]float32, len(g)))
						o.Gradient(c, nil, out, d, got)
						ref.RequireNear(t, g, got, ref.Bound(1, 8), "gradient, %v", lengths)
					}
					o.Backward(c, p, nil, out, d, []op.Tensor{din})
					assert.Equal(t, d.Data, din.Data)
					c.Accumulate = true
					o.Backward(c, p, nil, out, d, []op.Tensor{din})
					ref.RequireNear(t, ref.Scaled(2, ref.Float64s(d.Data)), din.Data, 0, "added")
					c.Accumulate = false
					o.Backward(c, p, nil, out, d, []op.Tensor{d})
					o.Backward(c, p, nil, out, d, []op.Tensor{{N: d.N, Shape: d.Shape}}) // not wanted
				}
			}
		}
	})
}

func TestPoolingAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, first := range []bool{false, true} {
			for _, lengths := range texts {
				for _, width := range []int{1, 7, 70} {
					r := rand.New(rand.NewPCG(5, 5))
					o, oracle := pooling{first: first}, ref.Pooling{Width: width, First: first}
					b := randomText(r, 9, lengths)
					x, d := sequence(r, b, 9, width), flat(r, b.N, width)
					if len(lengths) == 5 { // all have 9 rows
						x.Starts = nil
					}
					before := ref.Normal(r, len(x.Data))
					dx := join(oracle.Backward(nil, samplesOf(x), nil, samplesOf(d), nil))
					for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
						c := &op.Call{Team: team}
						out, din := like(d), like(x)
						o.Forward(c, nil, []op.Tensor{x}, out)
						ref.RequireNear(t, join(oracle.Forward(nil, samplesOf(x))), out.Data, ref.Bound(1, 9), "forward, %v", lengths)
						o.Backward(c, nil, nil, out, d, []op.Tensor{din})
						ref.RequireNear(t, dx, din.Data, ref.Bound(1, 1), "backward, %v", lengths)
						copy(din.Data, before)
						c.Accumulate = true
						o.Backward(c, nil, nil, out, d, []op.Tensor{din})
						ref.RequireNear(t, ref.Axpy(1, dx, ref.Float64s(before)), din.Data, ref.Bound(1, 2), "backward, added, %v", lengths)
						o.Backward(c, nil, nil, out, d, []op.Tensor{{N: x.N, Shape: x.Shape, Starts: x.Starts}}) // not wanted
					}
				}
			}
		}
	})
}

// A NaN reaches the rows with its token, and the gradient of its token, and no others. The squared
// norm of its shard is NaN.
func TestEmbeddingOfNaN(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		o := embedding{embeddingOp{tables{vocabulary: 11, length: 9, width: 70}}}
		r := rand.New(rand.NewPCG(7, 7))
		b := Batch{N: 3, Tokens: []int32{1, 2, 3, 4, 2, 5}, Starts: []int{0, 3, 4, 6}}
		in, d, nan := tokensOf(b, 9), sequence(r, b, 9, 70), float32(math.NaN())
		isNaN := func(row []float32) bool { return slices.ContainsFunc(row, func(v float32) bool { return v != v }) }
		p, out := ref.Normal(r, 11*70), like(d)
		p[2*70+7], p[9*70] = nan, nan // no text has a 9
		o.Forward(&op.Call{}, p, []op.Tensor{in}, out)
		for row, token := range b.Tokens {
			assert.Equal(t, token == 2, isNaN(rowAt(out.Data, row, 70)), "row %d", row)
		}
		d.Data[4*70+69] = nan
		g := make([]float32, 11*70)
		o.Gradient(&op.Call{}, []op.Tensor{in}, out, d, g)
		for token := range 11 {
			assert.Equal(t, token == 2, isNaN(rowAt(g, token, 70)), "token %d", token)
		}
		sq := make([]float64, 2)
		o.GradNormSq(&op.Call{Scratch: make([]float32, 2*70)}, in, d, []op.Shard{{First: 0, N: 2}, {First: 2, N: 1}}, sq)
		assert.False(t, math.IsNaN(sq[0]))
		assert.True(t, math.IsNaN(sq[1]))
	})
}

// Once memory is there, nothing is allocated.
func TestEmbeddingAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	o := embedding{embeddingOp{tables{vocabulary: 11, length: 9, width: 70, positions: LearnedPositions, segments: 2}}}
	positions := addPositions{tables{length: 9, width: 70, positions: LearnedPositions}}
	b := randomText(r, 11, texts[5])
	shards, _ := consecutive([]int{2, 1, 5})
	d, flat := sequence(r, b, 9, 70), flat(r, 8, 70)
	in, rows, din := []op.Tensor{tokensOf(b, 9)}, []op.Tensor{sequence(r, b, 9, 70)}, []op.Tensor{like(d)}
	p, g, sq := ref.Normal(r, 22*70), make([]float32, 22*70), make([]float64, 3)
	c := &op.Call{Scratch: make([]float32, 3*70)}
	assert.Zero(t, testing.AllocsPerRun(5, func() {
		o.Forward(c, p, in, d)
		o.GradNormSq(c, in[0], d, shards, sq)
		o.ForwardDelta(c, in[0], in[0], d, din[0], shards)
		o.Gradient(c, in, d, d, g)
		positions.Forward(c, p[:9*70], rows, d)
		positions.Gradient(c, rows, d, d, g[:9*70])
		positions.Backward(c, p, rows, d, d, din)
		pooling{}.Forward(c, nil, rows, flat)
		pooling{}.Backward(c, nil, rows, flat, flat, din)
	}))
}

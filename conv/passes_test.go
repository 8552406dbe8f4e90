package conv_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

func (p *problem) check(t *testing.T, y, dx, dw []float32, what string) {
	t.Helper()
	requireWithin(t, p.y, p.sizeY, y, p.termsY, "%+v, %s, Forward", p.Geometry, what)
	requireWithin(t, p.dx, p.sizeDX, dx, p.termsDX, "%+v, %s, BackwardData", p.Geometry, what)
	requireWithin(t, p.dw, p.sizeDW, dw, p.termsFilters, "%+v, %s, BackwardFilter", p.Geometry, what)
}

func TestPassesAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		list, more := hard(), 100
		if testing.Short() {
			more = 10
		}
		for range more {
			list = append(list, anyGeometry(r))
		}
		for _, g := range list {
			p := newProblem(r, g)
			for _, a := range algorithms(g) {
				y, dx, dw := p.passes(t, nil, conv.Options{Algorithm: a})
				p.check(t, y, dx, dw, a.String())
			}
		}
	})
}

// What the options add is added to the same bits.
func TestOptions(t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		for _, g := range hard() {
			p := newProblem(r, g)
			for _, a := range algorithms(g) {
				y, dx, dw := p.passes(t, nil, conv.Options{Algorithm: a})

				want := slices.Clone(y)
				for i := range want {
					want[i] = max(0, want[i]+p.bias[i%g.OutC])
				}
				got := nans(len(y))
				require.NoError(t, conv.Forward(nil, g, got, p.x, p.w, conv.Options{Algorithm: a, Bias: p.bias, ReLU: true}))
				requireSameBits(t, want, got, "%+v, %v, bias and ReLU", g, a)

				sums, dbias := make([]float64, 2*g.OutC), nans(g.OutC)
				require.NoError(t, conv.Forward(nil, g, got, p.x, p.w, conv.Options{Algorithm: a, Bias: p.bias, Sums: sums}))
				requireSums(t, sums, got, "%+v, %v, sums of y", g, a)
				require.NoError(t, conv.BackwardFilter(nil, g, nans(len(dw)), p.x, p.dy, conv.Options{Algorithm: a, Bias: dbias}))
				requireBias(t, dbias, p.dy, 0, "%+v, %v, gradient of the bias", g, a)
				require.NoError(t, conv.BackwardFilter(nil, g, slices.Clone(dw), p.x, p.dy, conv.Options{Algorithm: a, Bias: dbias, Accumulate: true}))
				requireBias(t, dbias, p.dy, 1, "%+v, %v, accumulated gradient of the bias", g, a)

				ones := func(n int) []float32 { return slices.Repeat([]float32{1}, n) }
				sumY, sumDX, sumDW := ones(len(y)), ones(len(dx)), ones(len(dw))
				add := conv.Options{Algorithm: a, Accumulate: true}
				require.NoError(t, conv.Forward(nil, g, sumY, p.x, p.w, add))
				require.NoError(t, conv.BackwardData(nil, g, sumDX, p.dy, p.w, add))
				require.NoError(t, conv.BackwardFilter(nil, g, sumDW, p.x, p.dy, add))
				plusOne := func(x []float64) []float64 {
					sums := slices.Clone(x)
					for i := range sums {
						sums[i]++
					}
					return sums
				}
				plus := *p
				plus.y, plus.dx, plus.dw = plusOne(p.y), plusOne(p.dx), plusOne(p.dw)
				plus.sizeY, plus.sizeDX, plus.sizeDW = plusOne(p.sizeY), plusOne(p.sizeDX), plusOne(p.sizeDW)
				plus.check(t, sumY, sumDX, sumDW, a.String()+", accumulated")

				for _, purpose := range []conv.Purpose{conv.ForForward, conv.ForBackwardData} {
					f, err := conv.NewPackedFilter(g, purpose, a)
					require.NoError(t, err)
					require.NoError(t, f.Pack(nil, p.w))
					packed := conv.Options{Algorithm: a, Filter: f}
					if purpose == conv.ForForward {
						got := nans(len(y))
						require.NoError(t, conv.Forward(nil, g, got, p.x, nil, packed))
						requireSameBits(t, y, got, "%+v, %v, packed", g, a)
					} else {
						got := nans(len(dx))
						require.NoError(t, conv.BackwardData(nil, g, got, p.dy, nil, packed))
						requireSameBits(t, dx, got, "%+v, %v, packed", g, a)
					}
				}
			}
		}
	})
}

// requireSums requires that sums are those of the channels of y, and of its squares, to
// the bounds of float64.
func requireSums(t *testing.T, sums []float64, y []float32, format string, args ...any) {
	t.Helper()
	channels := len(sums) / 2
	want, size := make([]float64, len(sums)), make([]float64, len(sums))
	for i, v := range y {
		c, v := i%channels, float64(v)
		want[c] += v
		size[c] += math.Abs(v)
		want[channels+c] += v * v
		size[channels+c] += v * v
	}
	for i := range sums {
		require.InDelta(t, want[i], sums[i], float64(len(y)/channels)*0x1p-53*size[i], fmt.Sprintf(format, args...))
	}
}

// sumsOf returns the sums of y, and behind them the gradient of the bias.
func (p *problem) sumsOf(t *testing.T, team *blas.Team, a conv.Algorithm) []float64 {
	t.Helper()
	sums, bias := make([]float64, 2*p.OutC), nans(p.OutC)
	require.NoError(t, conv.Forward(team, p.Geometry, nans(len(p.y)), p.x, p.w, conv.Options{Algorithm: a, Sums: sums}))
	require.NoError(t, conv.BackwardFilter(team, p.Geometry, nans(len(p.dw)), p.x, p.dy, conv.Options{Algorithm: a, Bias: bias}))
	return append(sums, ref.Float64s(bias)...)
}

// requireBias requires that bias has the channels' sums of dy, rounded, and before
// times them more.
func requireBias(t *testing.T, bias, dy []float32, before float64, format string, args ...any) {
	t.Helper()
	want, size := make([]float64, len(bias)), make([]float64, len(bias))
	for i, v := range dy {
		want[i%len(bias)] += float64(v)
		size[i%len(bias)] += math.Abs(float64(v))
	}
	for i := range bias {
		require.InDelta(t, (1+before)*want[i], bias[i], (1+before)*0x1p-23*size[i], fmt.Sprintf(format, args...))
	}
}

// The bits don't depend on the workers, nor, of an image, on the batch around it.
func TestBitsAreTheSame(t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		list := append(hard(), geometry(7, 12, 12, 16, 16, 3, 1, 1), geometry(1, 40, 40, 8, 24, 3, 1, 1), geometry(9, 16, 16, 3, 16, 3, 2, 1))
		for _, g := range list {
			p := newProblem(r, g)
			for _, a := range algorithms(g) {
				opt := conv.Options{Algorithm: a}
				y, dx, dw := p.passes(t, nil, opt)
				for _, workers := range []int{2, 3, 5} {
					team := blas.NewTeam(workers)
					y2, dx2, dw2 := p.passes(t, team, opt)
					require.Equal(t, p.sumsOf(t, nil, a), p.sumsOf(t, team, a), "%+v, %v, %d workers, sums", g, a, workers)
					requireSameBits(t, y, y2, "%+v, %v, %d workers, Forward", g, a, workers)
					requireSameBits(t, dx, dx2, "%+v, %v, %d workers, BackwardData", g, a, workers)
					requireSameBits(t, dw, dw2, "%+v, %v, %d workers, BackwardFilter", g, a, workers)
				}
				one := g
				one.Batch = 1
				for b := range g.Batch {
					in, out := p.x[b*g.InSize():][:g.InSize()], y[b*g.OutSize():][:g.OutSize()]
					alone := nans(g.OutSize())
					require.NoError(t, conv.Forward(nil, one, alone, in, p.w, opt))
					requireSameBits(t, out, alone, "%+v, %v, image %d alone, Forward", g, a, b)
					back := nans(g.InSize())
					require.NoError(t, conv.BackwardData(nil, one, back, p.dy[b*g.OutSize():][:g.OutSize()], p.w, opt))
					requireSameBits(t, dx[b*g.InSize():][:g.InSize()], back, "%+v, %v, image %d alone, BackwardData", g, a, b)
				}
			}
		}
	})
}

// No pass touches a byte outside its operands.
func TestPassesStayInside(t *testing.T) {
	for side, memory := range guard.Sides[float32]() {
		t.Run(side, func(t *testing.T) {
			const most = 1 << 16
			var pages [6][]float32
			for i := range pages {
				pages[i] = memory(t, most)
			}
			at := func(i int, values []float32) []float32 {
				s := pages[i][:len(values)]
				if side == "ending" {
					s = pages[i][most-len(values):]
				}
				copy(s, values)
				return s
			}
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				r := rand.New(rand.NewPCG(4, 4))
				for _, g := range hard() {
					p := newProblem(r, g)
					for _, a := range algorithms(g) {
						require.NotPanics(t, func() {
							x, w, dy := at(0, p.x), at(1, p.w), at(2, p.dy)
							y, dx, dw := at(3, nans(len(p.y))), at(4, nans(len(p.x))), at(5, nans(len(p.w)))
							opt := conv.Options{Algorithm: a}
							require.NoError(t, conv.Forward(nil, g, y, x, w, opt))
							require.NoError(t, conv.BackwardData(nil, g, dx, dy, w, opt))
							require.NoError(t, conv.BackwardFilter(nil, g, dw, x, dy, opt))
							p.check(t, y, dx, dw, a.String())
							require.NoError(t, conv.Forward(nil, g, y, x, w, conv.Options{Algorithm: a, Bias: at(5, p.bias)}))
						}, "%+v, %v", g, a)
					}
				}
			})
		})
	}
}

// NaN and Inf reach what depends on them, and nothing else.
func TestPassesPropagate(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 5))
		for _, g := range hard() {
			p := newProblem(r, g)
			for _, a := range algorithms(g) {
				for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
					q := *p
					q.x = slices.Clone(p.x)
					q.x[r.IntN(len(q.x))] = bad
					y, _, dw := q.passes(t, nil, conv.Options{Algorithm: a})
					layer := &q
					layer.solve()
					for i, v := range y {
						if finite(layer.y[i]) != finite(float64(v)) {
							require.FailNow(t, "not finite where it must be, or finite", "%+v, %v: %v in x, y[%d] = %v, the oracle %v", g, a, bad, i, v, layer.y[i])
						}
					}
					for i, v := range dw {
						if finite(layer.dw[i]) != finite(float64(v)) {
							require.FailNow(t, "not finite where it must be, or finite", "%+v, %v: %v in x, dw[%d] = %v, the oracle %v", g, a, bad, i, v, layer.dw[i])
						}
					}
				}
			}
		}
	})
}

func finite(x float64) bool { return x-x == 0 }

func TestErrors(t *testing.T) {
	good := geometry(2, 4, 4, 3, 5, 3, 1, 1)
	with := func(change func(g *conv.Geometry)) conv.Geometry {
		g := good
		change(&g)
		return g
	}
	for want, g := range map[string]conv.Geometry{
		"conv: Batch is 0, want at least 1":                                            with(func(g *conv.Geometry) { g.Batch = 0 }),
		"conv: InC is 0, want at least 1":                                              with(func(g *conv.Geometry) { g.InC = 0 }),
		"conv: PadLeft is -1, want at least 0":                                         with(func(g *conv.Geometry) { g.PadLeft = -1 }),
		"conv: StrideW is -2, want at least 1":                                         with(func(g *conv.Geometry) { g.StrideW = -2 }),
		"conv: InH is 1073741825, want at most 1073741824":                             with(func(g *conv.Geometry) { g.InH = 1<<30 + 1 }),
		"conv: 2 groups, and only 1 is supported so far":                               with(func(g *conv.Geometry) { g.Groups = 2 }),
		"conv: kernel 9x3 with dilation 1x1 spans 9x3, more than the padded input 6x6": with(func(g *conv.Geometry) { g.KernelH = 9 }),
	} {
		y := make([]float32, 10)
		assert.EqualError(t, conv.Forward(nil, g, y, nil, nil, conv.Options{}), want)
		assert.EqualError(t, conv.BackwardData(nil, g, y, nil, nil, conv.Options{}), want)
		assert.EqualError(t, conv.BackwardFilter(nil, g, y, nil, nil, conv.Options{}), want)
	}
	huge := good
	huge.InH, huge.InW, huge.InC = 1<<29, 1<<29, 1<<29
	assert.ErrorContains(t, huge.Validate(), "more than an address can count")
	many := good
	many.Batch = math.MaxInt
	assert.ErrorContains(t, conv.Forward(nil, many, nil, nil, nil, conv.Options{}), "Batch is")

	f := func(n int) []float32 { return slices.Repeat([]float32{7}, n) }
	const in, filter, out = 2 * 4 * 4 * 3, 3 * 3 * 3 * 5, 2 * 4 * 4 * 5
	other, err := conv.NewPackedFilter(geometry(1, 5, 4, 3, 5, 3, 1, 1), conv.ForForward, conv.Auto)
	require.NoError(t, err)
	backward, err := conv.NewPackedFilter(good, conv.ForBackwardData, conv.Auto)
	require.NoError(t, err)
	dst := f(out)
	for want, err := range map[string]error{
		"conv: x has 95 floats, want 96 for ":                           conv.Forward(nil, good, dst, f(in-1), f(filter), conv.Options{}),
		"conv: w has 1 floats, want 135 for ":                           conv.Forward(nil, good, dst, f(in), f(1), conv.Options{}),
		"conv: y has 159 floats, want 160 for ":                         conv.Forward(nil, good, dst[1:], f(in), f(filter), conv.Options{}),
		"conv: bias of 4 floats for 5 output chann":                     conv.Forward(nil, good, dst, f(in), f(filter), conv.Options{Bias: f(4)}),
		"conv: 5 sums for 5 output channels, want ":                     conv.Forward(nil, good, dst, f(in), f(filter), conv.Options{Sums: make([]float64, 5)}),
		"conv: bias of 6 floats for 5 output chann":                     conv.BackwardFilter(nil, good, dst[:filter], f(in), f(out), conv.Options{Bias: f(6)}),
		"conv: the filter is packed for 1x5x4x3->5":                     conv.Forward(nil, good, dst, f(in), nil, conv.Options{Filter: other}),
		"conv: the filter is packed for BackwardData, want for Forward": conv.Forward(nil, good, dst, f(in), nil, conv.Options{Filter: backward}),
		"conv: 1x4x4x3->5 3x3 pad 1 is not pointwi":                     conv.Forward(nil, good, dst, f(in), f(filter), conv.Options{Algorithm: conv.Pointwise}),
		"conv: there is no Algorithm(9)":                                conv.Forward(nil, good, dst, f(in), f(filter), conv.Options{Algorithm: 9}),
		"conv: dx has 1 floats, want 96":                                conv.BackwardData(nil, good, dst[:1], f(out), f(filter), conv.Options{}),
		"conv: dy has 159 floats, want 160":                             conv.BackwardFilter(nil, good, dst[:filter], f(in), f(out-1), conv.Options{}),
		"conv: dw has 136 floats, want 135":                             conv.BackwardFilter(nil, good, dst[:filter+1], f(in), f(out), conv.Options{}),
		"conv: w has 3 floats, want 135":                                backward.Pack(nil, f(3)),
		"conv: patches has 1 floats, want 864":                          conv.Im2col(good, f(1), f(in)),
		"conv: x has 97 floats, want 96":                                conv.Col2im(good, f(in+1), f(864)),
	} {
		assert.ErrorContains(t, err, want)
	}
	assert.Equal(t, f(out), dst, "an error leaves everything as it was")
}

// A PackedFilter that Pack never filled is an error, for each algorithm and on any team.
func TestUnfilledFilters(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 7))
		for _, g := range []conv.Geometry{geometry(2, 5, 4, 3, 19, 3, 1, 1), geometry(2, 4, 4, 3, 40, 1, 1, 0)} {
			p := newProblem(r, g)
			for _, a := range algorithms(g) {
				for _, team := range []*blas.Team{nil, blas.NewTeam(3)} {
					one := g
					one.Batch = 1
					used := a
					if a == conv.Auto {
						used = g.Algorithm()
					}
					want := fmt.Sprintf("conv: the packed filter for %v, %v was never filled by Pack", one, used)
					forward, err := conv.NewPackedFilter(g, conv.ForForward, a)
					require.NoError(t, err)
					backward, err := conv.NewPackedFilter(g, conv.ForBackwardData, a)
					require.NoError(t, err)
					y, dx := slices.Repeat([]float32{7}, len(p.y)), slices.Repeat([]float32{7}, len(p.x))
					run := func() (forwards, backwards error) {
						return conv.Forward(team, g, y, p.x, nil, conv.Options{Filter: forward, Algorithm: a}),
							conv.BackwardData(team, g, dx, p.dy, nil, conv.Options{Filter: backward, Algorithm: a})
					}
					errForward, errBackward := run()
					assert.EqualError(t, errForward, want)
					assert.EqualError(t, errBackward, want)
					assert.Equal(t, slices.Repeat([]float32{7}, len(p.y)), y, "y was written to")
					assert.Equal(t, slices.Repeat([]float32{7}, len(p.x)), dx, "dx was written to")

					require.NoError(t, forward.Pack(team, p.w))
					require.NoError(t, backward.Pack(team, p.w))
					errForward, errBackward = run()
					assert.NoError(t, errForward)
					assert.NoError(t, errBackward)
				}
			}
		}
	})
	g := geometry(1, 4, 4, 3, 5, 3, 1, 1)
	const want = "conv: a PackedFilter that NewPackedFilter didn't make"
	assert.EqualError(t, conv.Forward(nil, g, make([]float32, 80), make([]float32, 48), nil, conv.Options{Filter: &conv.PackedFilter{}}), want)
	assert.EqualError(t, new(conv.PackedFilter).Pack(nil, nil), want)
}

func TestPassesAllocateNothing(t *testing.T) {
	team := blas.NewTeam(2)
	r := rand.New(rand.NewPCG(6, 6))
	for _, team := range []*blas.Team{nil, team} {
		for _, g := range []conv.Geometry{geometry(4, 8, 8, 16, 40, 3, 1, 1), geometry(4, 8, 8, 16, 16, 1, 1, 0), geometry(4, 9, 9, 3, 8, 3, 2, 1)} {
			p := newProblem(r, g)
			y, dx, dw := nans(len(p.y)), nans(len(p.x)), nans(len(p.w))
			for _, a := range algorithms(g) {
				opt := conv.Options{Algorithm: a, Bias: p.bias, ReLU: true}
				assert.Zero(t, testing.AllocsPerRun(20, func() {
					_ = conv.Forward(team, g, y, p.x, p.w, opt)
					_ = conv.BackwardData(team, g, dx, p.dy, p.w, opt)
					_ = conv.BackwardFilter(team, g, dw, p.x, p.dy, opt)
				}), "%v, %v, %d workers", g, a, team.Workers())
			}
		}
	}
}

// Passes of one plan run at once, alone and on teams.
func TestConcurrentPasses(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	p := newProblem(r, geometry(3, 9, 9, 16, 40, 3, 1, 1))
	y, dx, dw := p.passes(t, nil, conv.Options{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			team := blas.NewTeam(1 + i%2)
			for range 5 {
				y2, dx2, dw2 := p.passes(t, team, conv.Options{})
				requireSameBits(t, y, y2, "y")
				requireSameBits(t, dx, dx2, "dx")
				requireSameBits(t, dw, dw2, "dw")
			}
		})
	}
	wg.Wait()
}

// Im2col and Col2im are each other's transposes, and Im2col's product with the
// filter is the convolution.
func TestIm2col(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, g := range hard() {
		p := newProblem(r, g)
		patch := g.KernelH * g.KernelW * g.InC
		rows := g.Batch * g.OutH() * g.OutW()
		patches := nans(rows * patch)
		require.NoError(t, conv.Im2col(g, patches, p.x))
		y := nans(len(p.y))
		blas.MatMul(nil, blas.RowMajor(y, rows, g.OutC), blas.RowMajor(patches, rows, patch), blas.RowMajor(p.w, patch, g.OutC), blas.Options[float32]{})
		requireWithin(t, p.y, p.sizeY, y, p.termsY, "%+v", g)

		other := random(r, len(patches))
		back := nans(len(p.x))
		require.NoError(t, conv.Col2im(g, back, other))
		there, here := simd.Dot64(patches, other), simd.Dot64(p.x, back)
		assert.InDelta(t, there, here, 1e-5*math.Sqrt(simd.SumSquares(patches)*simd.SumSquares(other)), "%+v", g)
	}
}

// FuzzPasses holds any geometry to the oracle.
func FuzzPasses(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, workers uint8) {
		r := rand.New(rand.NewPCG(seed, 9))
		g := anyGeometry(r)
		p := newProblem(r, g)
		team := blas.NewTeam(1 + int(workers)%4)
		for _, a := range algorithms(g) {
			y, dx, dw := p.passes(t, team, conv.Options{Algorithm: a})
			p.check(t, y, dx, dw, a.String())
		}
	})
}

func ExampleForward() {
	g := conv.Geometry{Batch: 1, InH: 3, InW: 3, InC: 1, OutC: 1, KernelH: 2, KernelW: 2}
	x := []float32{
		1, 2, 3,
		4, 5, 6,
		7, 8, 9,
	}
	w := []float32{1, 0, 0, 1} // a pixel plus the one below to the right
	y := make([]float32, g.OutSize())
	if err := conv.Forward(nil, g, y, x, w, conv.Options{}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(g, g.Algorithm(), y)
	// Output: 1x3x3x1->1 2x2 direct [6 8 12 14]
}

// BenchmarkPasses has the passes of the layers of known networks.
func BenchmarkPasses(b *testing.B) {
	team := blas.NewTeam(runtime.GOMAXPROCS(0))
	for _, g := range []conv.Geometry{
		geometry(32, 32, 32, 16, 16, 3, 1, 1), geometry(32, 16, 16, 32, 32, 3, 1, 1), geometry(32, 8, 8, 64, 64, 3, 1, 1),
		geometry(32, 32, 32, 16, 32, 3, 2, 1), geometry(16, 28, 28, 128, 128, 3, 1, 1), geometry(16, 14, 14, 256, 256, 3, 1, 1),
		geometry(8, 56, 56, 64, 64, 3, 1, 1), geometry(16, 28, 28, 256, 128, 1, 1, 0), geometry(32, 32, 32, 3, 16, 3, 1, 1),
		geometry(4, 224, 224, 3, 64, 7, 2, 3),
	} {
		r := rand.New(rand.NewPCG(10, 10))
		x, w, y := random(r, g.Batch*g.InSize()), random(r, g.FilterSize()), random(r, g.Batch*g.OutSize())
		dx, dw := make([]float32, len(x)), make([]float32, len(w))
		for name, pass := range map[string]func() error{
			"forward": func() error { return conv.Forward(team, g, y, x, w, conv.Options{}) },
			"data":    func() error { return conv.BackwardData(team, g, dx, y, w, conv.Options{}) },
			"filter":  func() error { return conv.BackwardFilter(team, g, dw, x, y, conv.Options{}) },
		} {
			b.Run(fmt.Sprintf("%v/%s", g, name), func(b *testing.B) {
				for b.Loop() {
					if err := pass(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(g.Flops())*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

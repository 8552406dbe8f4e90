package flatness

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/zoo"
)

// measured is a result of each method.
type measured struct {
	Spectrum  Spectrum
	Trace     Trace
	Density   Density
	Sharpness Sharpness
	Line      Line
	Plane     Plane
}

func measure(t testing.TB, s *Surface) (m measured) {
	t.Helper()
	ctx := context.Background()
	var errs [6]error
	m.Spectrum, errs[0] = s.Spectrum(ctx, 2)
	m.Trace, errs[1] = s.Trace(ctx, 3)
	m.Density, errs[2] = s.Density(ctx, 2, 5)
	m.Sharpness, errs[3] = s.Sharpness(ctx, Ball{Rho: 0.1, Adaptive: true, Steps: 3, Draws: 4})
	m.Line, errs[4] = s.Line(ctx, Axis{Direction: s.Random(0), Points: 3})
	m.Plane, errs[5] = s.Plane(ctx, Axis{Direction: s.Random(0), Points: 2}, Axis{Direction: s.Random(1), Points: 2})
	for _, err := range errs {
		require.NoError(t, err)
	}
	return m
}

// All results have the same bits on any number of workers, and when they are measured again.
func TestWorkersChangeNoBit(t *testing.T) {
	eachTwin(t, func(t *testing.T, w twin, mode Mode) {
		for len(w.batches) < 7 { // so that workers have tiles of their own, or share them
			w.batches = append(w.batches, w.batches[len(w.batches)%2])
		}
		want := measure(t, w.surface(t, Config{Seed: 1, Workers: 1, Mode: mode}))
		for _, workers := range []int{2, 3, 6} {
			s := w.surface(t, Config{Seed: 1, Workers: workers, Mode: mode})
			require.Equal(t, want, measure(t, s), "%d workers", workers)
			require.Equal(t, want, measure(t, s), "%d workers, again", workers)
		}
	})
}

// How samples are cut into batches matters only where they are normalized together.
func TestBatchesMatterToNormalization(t *testing.T) {
	ctx := context.Background()
	w := twins["normalized"](t)
	loss := func(mode Mode, batches ...net.Batch) float64 {
		s, err := New(w.model, w.params, batches, Config{Mode: mode})
		require.NoError(t, err)
		trace, err := s.Trace(ctx, 2)
		require.NoError(t, err)
		assert.Equal(t, mode, trace.Mode)
		assert.Equal(t, 16, trace.Samples)
		assert.Equal(t, len(batches), trace.Batches)
		return trace.Loss
	}
	whole := w.batches[0]
	a, b := whole.Slice(0, 7), whole.Slice(7, 9)
	assert.InEpsilon(t, loss(Running, whole), loss(Running, a, b), 1e-6)
	assert.Greater(t, math.Abs(loss(Batch, whole)-loss(Batch, a, b)), 1e-3)
	assert.Greater(t, math.Abs(loss(Batch, whole)-loss(Running, whole)), 1e-3)

	s := twins["mlp"](t).surface(t, Config{Mode: Batch})
	assert.Equal(t, None, s.About().Mode)
}

// The nodes of the density have the Hessian's moments.
func TestDensityAgainstDenseHessian(t *testing.T) {
	w := twins["mlp"](t)
	h := w.hessian(Running)
	n := float64(w.model.NumParams())
	found, err := w.surface(t, Config{Seed: 1}).Density(context.Background(), 60, 12)
	require.NoError(t, err)
	var weight, first, second float64
	for _, node := range found.Nodes {
		weight += node.Weight
		first += node.Weight * node.Eigenvalue
		second += node.Weight * node.Eigenvalue * node.Eigenvalue
	}
	assert.InDelta(t, 1, weight, 1e-9)
	assert.InEpsilon(t, mat.Trace(h), n*first, 0.15)
	assert.InEpsilon(t, math.Pow(mat.Norm(h, 2), 2), n*second, 0.25)
	lowest, highest := found.Range()
	want := eigenvalues(t, h)
	assert.InEpsilon(t, want[0], highest, 0.01)
	assert.GreaterOrEqual(t, lowest, want[len(want)-1]*1.01)

	sigma, area := (highest-lowest)/100, 0.0
	for x := lowest - 5*sigma; x < highest+5*sigma; x += sigma / 4 {
		area += found.At(x, sigma) * sigma / 4
	}
	assert.InDelta(t, 1, area, 1e-6)
}

// A context that is done ends each method with its error, and the surface measures as before.
func TestContextEnds(t *testing.T) {
	w := twins["normalized"](t)
	ctx, cancel := context.WithCancel(context.Background())
	passes := 0
	s := w.surface(t, Config{Seed: 1, Workers: 2, Progress: func(p Progress) {
		assert.LessOrEqual(t, p.Done, p.Most, p.Method)
		if passes++; passes == 5 {
			cancel()
		}
	}})
	methods := map[string]func() (any, error){
		"spectrum":  func() (any, error) { return s.Spectrum(ctx, 2) },
		"trace":     func() (any, error) { return s.Trace(ctx, 9) },
		"density":   func() (any, error) { return s.Density(ctx, 1, 9) },
		"sharpness": func() (any, error) { return s.Sharpness(ctx, Ball{Rho: 0.1}) },
		"line":      func() (any, error) { return s.Line(ctx, Axis{Direction: s.Random(0)}) },
		"plane":     func() (any, error) { return s.Plane(ctx, Axis{Direction: s.Random(0)}, Axis{Direction: s.Random(1)}) },
	}
	for name, method := range methods {
		_, err := method()
		require.ErrorIs(t, err, context.Canceled, name)
		assert.EqualError(t, err, "flatness: "+name+": context canceled")
	}
	assert.Equal(t, measure(t, w.surface(t, Config{Seed: 1})), measure(t, s))
}

func TestNewErrors(t *testing.T) {
	model, err := net.Compile(net.Shape{2}, net.Dense{Out: 3}, net.BatchNorm{}, net.Dense{Out: 2})
	require.NoError(t, err)
	bare, err := net.Compile(net.Shape{2}, net.ReLU{})
	require.NoError(t, err)
	good := []net.Batch{{N: 2, X: make([]float32, 4), Labels: make([]int32, 2)}}
	single := []net.Batch{good[0], good[0].Slice(0, 1)}
	params := model.Init(1)
	nan, inf := params.Clone(), params.Clone()
	nan.Values[10] = float32(math.NaN())
	inf.State[4] = float32(math.Inf(1))
	for want, c := range map[string]struct {
		model   *net.Model
		params  *net.Params
		batches []net.Batch
		config  Config
	}{
		"flatness: no model": {nil, params, good, Config{}},
		"flatness: the model has no parameters, so its loss has no shape":                    {bare, bare.Init(1), good, Config{}},
		"flatness: net: no parameters":                                                       {model, nil, good, Config{}},
		"flatness: net: 6 parameters, the model has 23":                                      {model, &net.Params{Values: make([]float32, 6)}, good, Config{}},
		"flatness: parameter 1 of 1.BatchNorm.scale is NaN, want finite ones":                {model, nan, good, Config{}},
		"flatness: running state 1 of 1.BatchNorm.variance is +Inf, want finite ones":        {model, inf, good, Config{}},
		"flatness: no batches: the loss needs at least one sample":                           {model, params, nil, Config{}},
		"flatness: batch 0 of 1: net: batch of 2 samples has 3 floats, want 2 a sample of 2": {model, params, []net.Batch{{N: 2, X: make([]float32, 3)}}, Config{}},
		"flatness: batch 1 of 2 has 1 samples, the model's normalization needs at least 2":   {model, params, single, Config{Mode: Batch}},
		`flatness: Mode is "training", want "running" or "batch"`:                            {model, params, good, Config{Mode: "training"}},
		"flatness: Workers is -1, want at least 1, or 0 for the number of cores":             {model, params, good, Config{Workers: -1}},
	} {
		_, err := New(c.model, c.params, c.batches, c.config)
		assert.EqualError(t, err, want)
	}
	_, err = New(model, params, single, Config{})
	assert.NoError(t, err, "running statistics need no second sample")
}

func TestMethodErrors(t *testing.T) {
	ctx := context.Background()
	s := parabola(t)
	two := Direction{Name: "two", Values: []float32{1, 1}}
	for want, method := range map[string]func() error{
		"flatness: spectrum: 0 eigenvalues are wanted, want 1 to 2, the number of parameters": func() error { _, err := s.Spectrum(ctx, 0); return err },
		"flatness: spectrum: 3 eigenvalues are wanted, want 1 to 2, the number of parameters": func() error { _, err := s.Spectrum(ctx, 3); return err },
		"flatness: trace: 1 probes, want at least 2":                                          func() error { _, err := s.Trace(ctx, 1); return err },
		"flatness: density: 0 probes of 5 steps, want at least 1 of both":                     func() error { _, err := s.Density(ctx, 0, 5); return err },
		"flatness: sharpness: Rho is 0, want a positive float32":                              func() error { _, err := s.Sharpness(ctx, Ball{}); return err },
		"flatness: sharpness: Rho is -1, want a positive float32":                             func() error { _, err := s.Sharpness(ctx, Ball{Rho: -1}); return err },
		"flatness: sharpness: Rho is NaN, want a positive float32":                            func() error { _, err := s.Sharpness(ctx, Ball{Rho: math.NaN()}); return err },
		"flatness: sharpness: Eta is 1 without Adaptive":                                      func() error { _, err := s.Sharpness(ctx, Ball{Rho: 1, Eta: 1}); return err },
		"flatness: sharpness: Eta is -1, want a positive float32":                             func() error { _, err := s.Sharpness(ctx, Ball{Rho: 1, Eta: -1, Adaptive: true}); return err },
		"flatness: sharpness: Steps is -1, want at least 1, or 0 for the default":             func() error { _, err := s.Sharpness(ctx, Ball{Rho: 1, Steps: -1}); return err },
		"flatness: sharpness: Starts is -1, want at least 1, or 0 for the default":            func() error { _, err := s.Sharpness(ctx, Ball{Rho: 1, Starts: -1}); return err },
		"flatness: sharpness: Draws is 3, want an even number from 4 on, or 0 for the default": func() error {
			_, err := s.Sharpness(ctx, Ball{Rho: 1, Draws: 3})
			return err
		},
		"flatness: sharpness: the loss is +Inf at a distance of 3e+38 from the parameters, want a finite one: take a smaller Rho": func() error {
			_, err := s.Sharpness(ctx, Ball{Rho: 3e38})
			return err
		},
		`flatness: line: direction "one" has 1 elements, the model has 2 parameters`: func() error {
			_, err := s.Line(ctx, Axis{Direction: Direction{Name: "one", Values: []float32{1}}})
			return err
		},
		`flatness: line: direction "state" has 1 elements of running state, the model has 0`: func() error {
			_, err := s.Line(ctx, Axis{Direction: Direction{Name: "state", Values: []float32{1, 1}, State: []float32{1}}})
			return err
		},
		`flatness: line: direction "inf" isn't finite`: func() error {
			_, err := s.Line(ctx, Axis{Direction: Direction{Name: "inf", Values: []float32{1, float32(math.Inf(1))}}})
			return err
		},
		"flatness: line: Points is 1, want at least 2, or 0 for the default": func() error {
			_, err := s.Line(ctx, Axis{Direction: two, Points: 1})
			return err
		},
		"flatness: plane: axis y: From is 1 and To 1, want finite numbers, the first the smaller one": func() error {
			_, err := s.Plane(ctx, Axis{Direction: two}, Axis{Direction: two, From: 1, To: 1})
			return err
		},
		"flatness: direction to other: net: 1 parameters, the model has 2": func() error {
			_, err := s.To("other", &net.Params{Values: []float32{1}})
			return err
		},
	} {
		assert.EqualError(t, method(), want)
	}
}

// Where the loss overflows, there is nothing to measure.
func TestLossMustBeFinite(t *testing.T) {
	s := parabola(t)
	s.params.Values[0] = 3e38
	_, err := s.Spectrum(context.Background(), 1)
	assert.EqualError(t, err, "flatness: spectrum: at the parameters the loss is +Inf and the gradient's norm +Inf, want finite ones")
}

// The names in JSON are what other programs read.
func TestJSONNames(t *testing.T) {
	text, err := json.Marshal(measure(t, parabola(t)))
	require.NoError(t, err)
	var got map[string]map[string]any
	require.NoError(t, json.Unmarshal(text, &got))
	about := []string{"samples", "batches", "normalization", "parameters", "seed", "loss", "gradient_norm"}
	for result, names := range map[string][]string{
		"Spectrum":  {"eigenvalues", "residuals", "lowest", "products", "converged"},
		"Trace":     {"mean", "standard_error", "probes"},
		"Density":   {"probes", "steps", "nodes"},
		"Sharpness": {"rho", "adaptive", "eta", "worst", "ascents", "first_step", "steps", "average", "standard_error", "draws", "distribution"},
		"Line":      {"direction", "direction_norm", "at", "losses"},
		"Plane":     {"directions", "direction_norms", "cosine", "x", "y", "losses"},
	} {
		var keys []string
		for key := range got[result] {
			keys = append(keys, key)
		}
		assert.ElementsMatch(t, append(names, about...), keys, result)
		assert.EqualValues(t, 4, got[result]["samples"])
		assert.Equal(t, "none", got[result]["normalization"])
	}
}

// Once memory has been taken, a product takes hardly any.
func TestProductsTakeNoMemory(t *testing.T) {
	model, err := net.Compile(net.Shape{300}, net.Dense{Out: 300}, net.ReLU{}, net.Dense{Out: 4})
	require.NoError(t, err)
	b := net.Batch{N: 300, X: make([]float32, 300*300), Labels: make([]int32, 300)}
	s, err := New(model, model.Init(1), []net.Batch{b, b}, Config{Workers: 2})
	require.NoError(t, err)
	ctx := context.Background()
	v, hv := s.Random(0).Values, make([]float32, model.NumParams())
	for range 5 { // the workers meet in different ways, each of which may take a buffer
		_, err := s.product(ctx, v, hv, 0)
		require.NoError(t, err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 5 {
		_, err := s.product(ctx, v, hv, 0)
		require.NoError(t, err)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*model.NumParams()), "bytes: less than a gradient")
}

// Whether there is memory to keep the pieces of ReLUs changes no bit.
func TestPiecesAreKeptOrFoundAgain(t *testing.T) {
	ctx := context.Background()
	eachTwin(t, func(t *testing.T, w twin, mode Mode) {
		kept, found := w.surface(t, Config{Mode: mode, Workers: 2}), w.surface(t, Config{Mode: mode, Workers: 2})
		require.NoError(t, kept.prepareProducts())
		require.NoError(t, found.prepareProducts())
		require.True(t, kept.near.keeps)
		found.near.keeps = false
		for _, worker := range found.near.workers {
			worker.own = found.near.program.NewPieces(20)
		}
		for i := range 2 {
			want, got := make([]float32, w.model.NumParams()), make([]float32, w.model.NumParams())
			v := kept.Random(i).Values
			_, err := kept.product(ctx, v, want, 0)
			require.NoError(t, err)
			_, err = found.product(ctx, v, got, 0)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		assert.NotNil(t, kept.near.pieces[0])
		assert.Nil(t, found.near.pieces[0])
	})
}

// A Hessian of rank 1 has its eigenvalue, and zeros: an invariant space is found at once, and gone
// on from at random.
func TestSpectrumOfRankOne(t *testing.T) {
	model, err := net.Compile(net.Shape{300}, net.Dense{Out: 1}, net.MSE{})
	require.NoError(t, err)
	b := net.Batch{N: 2, X: make([]float32, 600), Targets: []float32{1, 2}} // only the bias counts
	s, err := New(model, model.Init(1), []net.Batch{b}, Config{})
	require.NoError(t, err)
	spectrum, err := s.Spectrum(context.Background(), 3)
	require.NoError(t, err)
	assert.InDeltaSlice(t, []float64{2, 0, 0}, spectrum.Eigenvalues, 1e-3)
	assert.True(t, spectrum.Converged)
	assert.Less(t, spectrum.Products, 10)
	for i, v := range spectrum.Vectors {
		for j, u := range spectrum.Vectors {
			want := 0.0
			if i == j {
				want = 1
			}
			assert.InDelta(t, want, dot(u, v), 1e-5)
		}
	}
}

// The loss and the gradient are those of Model.Gradient, whatever the loss and the samples are.
func TestLossIsTheModels(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	language, err := zoo.Lookup("gpt-tiny")
	require.NoError(t, err)
	gpt, err := language.CompileText(30, 8, 0)
	require.NoError(t, err)
	text := randomBatch(r, gpt, 5)
	text.Labels = nil
	line, err := net.Compile(net.Shape{3}, net.Dense{Out: 2}, net.MSE{})
	require.NoError(t, err)
	targets := net.Batch{N: 4, X: ref.Normal(r, 12), Targets: ref.Normal(r, 8)}
	for name, c := range map[string]struct {
		model *net.Model
		batch net.Batch
	}{"language model": {gpt, text}, "regression": {line, targets}} {
		params := c.model.Init(1)
		g := make([]float32, c.model.NumParams())
		loss, err := c.model.Gradient(params, c.batch, 0, g)
		require.NoError(t, err)
		s, err := New(c.model, params, []net.Batch{c.batch}, Config{})
		require.NoError(t, err)
		trace, err := s.Trace(context.Background(), 2)
		require.NoError(t, err)
		assert.InEpsilon(t, loss, trace.Loss, 1e-5, name)
		assert.InEpsilon(t, ref.Norm(ref.Float64s(g)), trace.GradientNorm, 1e-5, name)
	}
}

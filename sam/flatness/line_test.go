package flatness

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
)

// along returns the oracle's loss after steps in directions, with the running state moved alike.
func (w twin) along(mode Mode, steps []float64, directions []Direction) float64 {
	moved := w
	params := w.params.Clone()
	p := ref.Float64s(params.Values)
	for i, d := range directions {
		p = ref.Axpy(steps[i], ref.Float64s(d.Values), p)
		for j, v := range d.State {
			params.State[j] += float32(steps[i] * float64(v))
		}
	}
	for _, v := range w.model.State() {
		for j, variance := range v.Of(params.State) {
			if strings.HasSuffix(v.Name, ".variance") {
				v.Of(params.State)[j] = max(0, variance)
			}
		}
	}
	old := *w.params
	defer func() { *w.params = old }()
	*w.params = *params
	loss, _ := moved.gradient(mode, p)
	return loss
}

// Lines and planes are the oracle's losses at the points, in both modes, along random directions
// and between two models.
func TestLinesAgainstDirectEvaluation(t *testing.T) {
	ctx := context.Background()
	eachTwin(t, func(t *testing.T, w twin, mode Mode) {
		s := w.surface(t, Config{Seed: 1, Mode: mode})
		other := w.model.Init(2)
		to, err := s.To("other", other)
		require.NoError(t, err)
		for _, d := range []Direction{s.Random(0), to} {
			line, err := s.Line(ctx, Axis{Direction: d, Points: 5})
			require.NoError(t, err)
			assert.Equal(t, []float64{-1, -0.5, 0, 0.5, 1}, line.At)
			for i, at := range line.At {
				assert.InEpsilon(t, w.along(mode, []float64{at}, []Direction{d}), line.Losses[i], 1e-4, "%s, at %v", d.Name, at)
			}
			assert.InEpsilon(t, line.Loss, line.Losses[2], 1e-6)
		}

		x, y := s.Random(0), to.Orthogonal(s.Random(0))
		plane, err := s.Plane(ctx, Axis{Direction: x, From: -0.5, To: 0.5, Points: 3}, Axis{Direction: y, From: 0, To: 1, Points: 2})
		require.NoError(t, err)
		assert.InDelta(t, 0, plane.Cosine, 1e-6)
		require.Len(t, plane.Losses, 2)
		for j, row := range plane.Losses {
			require.Len(t, row, 3)
			for i, loss := range row {
				want := w.along(mode, []float64{plane.X[i], plane.Y[j]}, []Direction{x, y})
				assert.InEpsilon(t, want, loss, 1e-4, "at %v, %v", plane.X[i], plane.Y[j])
			}
		}
	})
}

// The loss bends along an eigenvector as its eigenvalue says.
func TestLineAlongAnEigenvector(t *testing.T) {
	ctx := context.Background()
	s := twins["transformer"](t).surface(t, Config{Seed: 1})
	spectrum, err := s.Spectrum(ctx, 1)
	require.NoError(t, err)
	const h = 0.02
	line, err := s.Line(ctx, Axis{Direction: Direction{Name: "first", Values: spectrum.Vectors[0]}, From: -h, To: h, Points: 3})
	require.NoError(t, err)
	assert.InDelta(t, 1, line.Norm, 1e-6)
	bend := (line.Losses[0] - 2*line.Losses[1] + line.Losses[2]) / (h * h)
	assert.InEpsilon(t, spectrum.Eigenvalues[0], bend, 0.03)
}

// A random direction has each filter's norm, and 0 for biases and normalizations.
func TestFilterNormalization(t *testing.T) {
	for name, make := range twins {
		w := make(t)
		s := w.surface(t, Config{Seed: 1})
		d := s.Random(0)
		for _, v := range w.model.Params() {
			part, own := v.Of(d.Values), v.Of(w.params.Values)
			if v.Role != net.Weight {
				assert.Zero(t, ref.Norm(ref.Float64s(part)), "%s: %s", name, v.Name)
				continue
			}
			last := v.Shape[len(v.Shape)-1]
			count, element := last, func(f, i int) int { return i*last + f } // columns
			if name == "transformer" && v.Offset < (6+4)*4 {
				count, element = v.Shape[0], func(f, i int) int { return f*last + i } // rows of the embedding's tables
			}
			for f := range count {
				var got, want float64
				for i := range v.Shape.Size() / count {
					got += math.Pow(float64(part[element(f, i)]), 2)
					want += math.Pow(float64(own[element(f, i)]), 2)
				}
				assert.InDelta(t, math.Sqrt(want), math.Sqrt(got), 1e-5*(1+math.Sqrt(want)), "%s: filter %d of %s", name, f, v.Name)
			}
		}
		assert.Equal(t, d, s.Random(0))
		other := s.Random(1)
		assert.NotEqual(t, d.Values, other.Values)
		assert.Less(t, math.Abs(dot(d.Values, other.Values))/d.Norm()/other.Norm(), 0.4)
	}
}

func dot(x, y []float32) (sum float64) {
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}

// The other end of a line between two models is the other model, running state and all.
func TestLineEndsAtTheOther(t *testing.T) {
	ctx := context.Background()
	w := twins["normalized"](t)
	other := w.model.Init(5)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range other.State {
		other.State[i] = 1 + float32(r.Float64())
	}
	for _, mode := range Modes {
		s := w.surface(t, Config{Mode: mode})
		to, err := s.To("other", other)
		require.NoError(t, err)
		line, err := s.Line(ctx, Axis{Direction: to, From: 0, To: 1, Points: 2})
		require.NoError(t, err)
		end, err := New(w.model, other, w.batches, Config{Mode: mode})
		require.NoError(t, err)
		trace, err := end.Trace(ctx, 2)
		require.NoError(t, err)
		assert.InEpsilon(t, trace.Loss, line.Losses[1], 1e-5, mode)
	}
}

func TestLossesInJSON(t *testing.T) {
	text, err := json.Marshal(Line{Losses: Losses{1.5, math.Inf(1), math.NaN()}})
	require.NoError(t, err)
	assert.Contains(t, string(text), `"losses":[1.5,null,null]`)
}

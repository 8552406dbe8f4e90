package simd_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// pytorchAdamW is one weight under torch.optim.AdamW, in float64: with lambda for
// weight decay, step t is
//
//	param -= lr*lambda*param
//	m = beta1*m + (1-beta1)*gradient
//	v = beta2*v + (1-beta2)*gradient^2
//	param -= lr * m/(1-beta1^t) / (sqrt(v/(1-beta2^t)) + eps)
//
// (https://pytorch.org/docs/stable/generated/torch.optim.AdamW.html).
type pytorchAdamW struct {
	param, m, v float64
	// How far float32 may be from them: each step carries errors on, and adds those
	// of its own roundings.
	paramError, mError, vError float64
}

func (p *pytorchAdamW) step(a simd.AdamW, gradient float64) {
	lr, lambda := float64(a.LR), float64(a.Decay)
	beta1, beta2 := float64(a.Beta1), float64(a.Beta2)
	before := math.Abs(p.param) + p.paramError
	p.param -= lr * lambda * p.param
	p.m = beta1*p.m + (1-beta1)*gradient
	p.v = beta2*p.v + (1-beta2)*gradient*gradient
	root := 1 / math.Sqrt(1-math.Pow(beta2, float64(a.Step)))
	factor := lr / (1 - math.Pow(beta1, float64(a.Step)))
	p.param -= factor * p.m / (root*math.Sqrt(p.v) + float64(a.Eps))

	// |m| at its largest over the denominator at its smallest.
	p.mError = beta1*p.mError + gamma(4, unit32)*(beta1*math.Abs(p.m)+(1-beta1)*math.Abs(gradient)+p.mError)
	p.vError = beta2*p.vError + gamma(5, unit32)*(p.v+p.vError)
	least := (root*math.Sqrt(max(0, p.v-p.vError)) + float64(a.Eps)) * (1 - gamma(4, unit32))
	step := factor * (math.Abs(p.m) + p.mError) / least * (1 + gamma(3, unit32))
	exact := factor * math.Abs(p.m) / (root*math.Sqrt(p.v) + float64(a.Eps))
	p.paramError += step - exact + gamma(4, unit32)*(before+lr*lambda*before+step)
}

func TestAdamWIsPyTorchs(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, a := range []simd.AdamW{
			{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8},
			{LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.01},
			{LR: 0.1, Beta1: 0.5, Beta2: 0.9, Eps: 0.1, Decay: 0.5},
			{LR: 0.1, Eps: 1},
		} {
			const n, steps = 77, 100
			r := rand.New(rand.NewPCG(7, 7))
			w, m, v, g := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
			want := make([]pytorchAdamW, n)
			for i := range w {
				w[i] = float32(r.NormFloat64())
				want[i].param = float64(w[i])
			}
			for step := range steps {
				a.Step = uint64(step + 1)
				for i := range g {
					g[i] = float32(r.NormFloat64())
					want[i].step(a, float64(g[i]))
				}
				a.Update(w, m, v, g)
				for i, p := range want {
					for _, c := range []struct {
						what        string
						got         float32
						want, error float64
					}{{"weight", w[i], p.param, p.paramError}, {"mean", m[i], p.m, p.mError}, {"mean of squares", v[i], p.v, p.vError}} {
						if !(math.Abs(float64(c.got)-c.want) <= c.error) {
							require.Failf(t, "wrong "+c.what, "%+v: element %d is %v, want %v +- %v", a, i, c.got, c.want, c.error)
						}
					}
				}
			}
		}
	})
}

// What bias correction is for: the first step is as long as any, LR whatever the
// gradient's size.
func TestAdamWFirstStep(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		w, g := make([]float32, 5), []float32{1e-5, -3, 1e15, -1e-4, 7}
		simd.AdamW{LR: 0.25, Beta1: 0.9, Beta2: 0.999, Eps: 1e-12, Step: 1}.Update(w, make([]float32, 5), make([]float32, 5), g)
		for i, sign := range []float64{-1, 1, -1, 1, -1} {
			assert.InDelta(t, sign*0.25, w[i], 0.25*gamma(30, unit32), "gradient %v", g[i])
		}
	})
}

// A gradient that is not finite leaves neither the weight nor the means finite, nor
// does one whose square isn't; one that is scaled to be small enough does no harm.
func TestAdamWPropagates(t *testing.T) {
	finite := func(v float32) bool { return v-v == 0 }
	simdtest.EachISA(t, func(t *testing.T) {
		a := simd.AdamW{LR: 0.1, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.01, Step: 7}
		for n := 1; n <= longest; n += 3 {
			for _, bad := range []float32{nan, inf, -inf} {
				w, m, v, g := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
				for i := range g {
					if i%2 == n%2 {
						g[i] = bad
					}
				}
				a.Update(w, m, v, g)
				for i := range g {
					if finite(g[i]) != finite(w[i]) || finite(g[i]) != finite(m[i]) || finite(g[i]) != finite(v[i]) {
						require.Failf(t, "not propagated", "n = %d: g = %v, w = %v, m = %v, v = %v", n, g[i], w[i], m[i], v[i])
					}
				}
			}
		}
		w, m, v := make([]float32, 3), make([]float32, 3), make([]float32, 3)
		a.Scale = 1e-30
		a.Update(w, m, v, []float32{1e30, 3e38, -1e30})
		for i := range v {
			assert.True(t, finite(w[i]) && finite(m[i]) && finite(v[i]), "w = %v, m = %v, v = %v", w[i], m[i], v[i])
		}
	})
}

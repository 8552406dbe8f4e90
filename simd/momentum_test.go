package simd_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// pytorch is one weight under torch.optim.SGD without dampening, in float64:
// with lambda for weight decay, mu for momentum and b for the buffer, step t is
//
//	g := gradient(param)
//	if lambda != 0:    g += lambda*param
//	if mu != 0:
//	    if t > 1:      b = mu*b + (1-dampening)*g
//	    else:          b = g
//	    if nesterov:   g += mu*b
//	    else:          g = b
//	param -= lr*g
//
// (https://pytorch.org/docs/stable/generated/torch.optim.SGD.html, which
// refuses Nesterov without momentum). A velocity that begins at 0 makes the
// first step like any other.
type pytorch struct {
	param, buf float64
	started    bool
	// How far float32 may be from param and buf: each step carries errors on
	// as the recurrence does, and adds those of its own roundings.
	paramError, bufError float64
}

func (p *pytorch) step(lr, momentum, decay float64, nesterov bool, gradient float64) {
	grad := gradient + decay*p.param
	gradError := decay*p.paramError + gamma(3, unit32)*(math.Abs(gradient)+decay*(math.Abs(p.param)+p.paramError))
	step, stepError := grad, gradError
	if momentum != 0 {
		bufSize := momentum*(math.Abs(p.buf)+p.bufError) + math.Abs(grad) + gradError
		if !p.started {
			p.buf = grad
		} else {
			p.buf = momentum*p.buf + grad
		}
		p.started = true
		p.bufError = momentum*p.bufError + gradError + gamma(2, unit32)*bufSize
		step, stepError = p.buf, p.bufError
		if nesterov {
			size := math.Abs(grad) + gradError + momentum*(math.Abs(p.buf)+p.bufError)
			step = grad + momentum*p.buf
			stepError = gradError + momentum*p.bufError + gamma(2, unit32)*size
		}
	}
	size := math.Abs(p.param) + p.paramError + lr*(math.Abs(step)+stepError)
	p.param -= lr * step
	p.paramError += lr*stepError + gamma(2, unit32)*size
}

func TestMomentumIsPyTorchs(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, m := range []simd.Momentum{
			{LR: 0.1},
			{LR: 0.1, Decay: 0.01},
			{LR: 0.1, Mu: 0.9},
			{LR: 0.1, Mu: 0.9, Decay: 0.01},
			{LR: 0.1, Mu: 0.9, Nesterov: true},
			{LR: 0.1, Mu: 0.9, Decay: 0.01, Nesterov: true},
			{LR: 0.1, Nesterov: true},
			{LR: 0.1, Mu: 0.9, Decay: 0.01, Scale: 0.3},
		} {
			const n, steps = 77, 50
			scale := 1.0
			if m.Scale != 0 {
				scale = float64(m.Scale)
			}
			r := rand.New(rand.NewPCG(7, 7))
			w, v, g := make([]float32, n), make([]float32, n), make([]float32, n)
			want := make([]pytorch, n)
			for i := range w {
				w[i] = float32(r.NormFloat64())
				want[i].param = float64(w[i])
			}
			for step := range steps {
				for i := range g {
					g[i] = float32(r.NormFloat64())
					want[i].step(float64(m.LR), float64(m.Mu), float64(m.Decay), m.Nesterov, scale*float64(g[i]))
				}
				m.Update(w, v, g)
				for i, p := range want {
					if !(math.Abs(float64(w[i])-p.param) <= p.paramError) {
						require.Failf(t, "wrong weight", "%+v: weight %d after step %d is %v, want %v +- %v", m, i, step, w[i], p.param, p.paramError)
					}
					if m.Mu != 0 && !(math.Abs(float64(v[i])-p.buf) <= p.bufError) {
						require.Failf(t, "wrong velocity", "%+v: velocity %d after step %d is %v, want %v +- %v", m, i, step, v[i], p.buf, p.bufError)
					}
				}
			}
		}
	})
}

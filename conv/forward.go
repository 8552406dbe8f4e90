package conv

import (
	"github.com/steppe-ml/steppe/blas"
)

// Options say what Forward does besides convolving.
type Options struct {
	Bias []float32 // one for each output channel, added to it; nil for none
	ReLU bool      // replaces what is negative by 0, after all else
}

// Forward sets y to the convolution of x with w.
func Forward(team *blas.Team, g Geometry, y, x, w []float32, opt Options) {
	g = g.filled()
	s := forwardSweep(g)
	job := &sweepJob{sweep: s, batch: g.Batch, group: 1}
	job.target, job.source, job.panels = &y[0], &x[0], &w[0]
	if s.panelRow != g.OutC {
		packed := make([]float32, ceilDiv(g.OutC, s.panelRow)*s.panelStride)
		blas.PackPanels(packed, blas.Dense(w, g.KernelH*g.KernelW*g.InC, g.OutC), s.panelStride)
		job.panels = &packed[0]
	}
	if opt.Bias != nil {
		job.bias = &opt.Bias[0]
	}
	job.relu = opt.ReLU
	job.group = group(s, g.Batch)
	job.run(team)
}

func group(s *sweep, batch int) int {
	return max(1, min(batch, (1<<16)/(s.sourceImage+s.targetImage)))
}

func forwardSweep(g Geometry) *sweep {
	order := make([]int, g.KernelW)
	for i := range order {
		order[i] = i
	}
	nr := kernels().nr()
	panelRow := nr
	if g.OutC <= nr {
		panelRow = g.OutC
	}
	return newSweep(g.rows().forward(), g.columns().forward(), order, g.InH, g.InW, g.InC, g.OutH(), g.OutW(), g.OutC, g.KernelH, panelRow)
}

func backwardSweep(g Geometry) *sweep {
	return newSweep(g.rows().backward(), g.columns().backward(), g.columns().backwardOrder(), g.OutH(), g.OutW(), g.OutC, g.InH, g.InW, g.InC, g.KernelH, kernels().nr())
}

// BackwardData sets dx from dy.
func BackwardData(team *blas.Team, g Geometry, dx, dy, w []float32) {
	g = g.filled()
	s := backwardSweep(g)
	job := &sweepJob{sweep: s, batch: g.Batch}
	job.target, job.source = &dx[0], &dy[0]
	packed := make([]float32, ceilDiv(g.InC, s.panelRow)*s.panelStride)
	size := g.InC * g.OutC
	for u := range g.KernelH {
		for i, v := range g.columns().backwardOrder() {
			tap := w[(u*g.KernelW+v)*size:][:size]
			blas.PackPanels(packed[(u*g.KernelW+i)*g.OutC*s.panelRow:], blas.Dense(tap, g.InC, g.OutC).T(), s.panelStride)
		}
	}
	job.panels = &packed[0]
	job.group = group(s, g.Batch)
	job.run(team)
}

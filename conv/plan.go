package conv

import (
	"fmt"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/simd"
)

// plan is everything about a geometry's passes that can be computed beforehand, for batches of any
// size, one algorithm and one instruction set. It holds no kernels, so instruction sets with the
// same arithmetic share it.
type plan struct {
	geometry        Geometry // filled, for a batch of 1
	algorithm       Algorithm
	isa             simd.ISA
	in, out, filter int // floats: of an image, and of the filter
	pixels          int // of an image of the output
	units           units

	forwards, backwards *sweep // of Direct
	gradient            *gradient
}

type planKey struct {
	geometry  Geometry
	algorithm Algorithm
	isa       simd.ISA
}

var plans cache[planKey, plan]

// planOf returns the plan for a geometry, or an error if the geometry is invalid.
func planOf(g Geometry, algorithm Algorithm) (*plan, error) {
	if g.Batch < 1 {
		return nil, fmt.Errorf("conv: Batch is %d, want at least 1", g.Batch)
	}
	batch := g.Batch
	g.Batch = 1
	key := planKey{g, algorithm, simd.Active().Arithmetic()}
	p := plans.find(key)
	if p == nil {
		var err error
		if p, err = newPlan(g, algorithm); err != nil {
			return nil, err
		}
		plans.add(key, p)
	}
	if batch > maxFloats/max(p.in, p.out) {
		return nil, fmt.Errorf("conv: Batch is %d: %w", batch, errTooLarge)
	}
	return p, nil
}

func newPlan(g Geometry, algorithm Algorithm) (*plan, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	g = g.filled()
	if algorithm == Auto {
		algorithm = g.Algorithm()
	}
	if err := algorithm.fits(g); err != nil {
		return nil, err
	}
	p := &plan{
		geometry: g, algorithm: algorithm, isa: simd.Active().Arithmetic(),
		in: g.InSize(), out: g.OutSize(), filter: g.FilterSize(), pixels: g.OutH() * g.OutW(),
	}
	p.units = units{channels: g.OutC, rowFloats: g.OutW() * g.OutC, rows: g.OutH(), block: rowsOfBlock(g.OutH(), p.out)}
	if algorithm == Direct {
		p.forwards, p.backwards = forwardSweep(g), backwardSweep(g)
		p.units.block = p.forwards.block
	}
	if algorithm != Patches {
		p.gradient = newGradient(g)
	}
	return p, nil
}

// check returns an error if an operand has the wrong length.
func (p *plan) check(name string, operand []float32, want int) error {
	if len(operand) != want {
		return fmt.Errorf("conv: %s has %d floats, want %d for %v", name, len(operand), want, p.geometry)
	}
	return nil
}

// matrix views pixels of channels as a matrix, a pixel a row.
func matrix(x []float32, channels int) blas.Mat[float32] {
	return blas.RowMajor(x, len(x)/channels, channels)
}

// filters views a filter as a matrix, of all taps of all input channels times the
// output's. w may be nil where its packed form is there.
func (p *plan) filters(w []float32) blas.Mat[float32] {
	return blas.RowMajor(w, p.filter/p.geometry.OutC, p.geometry.OutC)
}

func (p *plan) forward(team *blas.Team, batch int, y, x, w []float32, opt Options) {
	switch p.algorithm {
	case Direct:
		p.forwards.run(team, batch, y, x, w, opt, &p.units)
		return
	case Pointwise:
		g := &p.geometry
		multiply := blas.Options[float32]{Bias: opt.Bias, ReLU: opt.ReLU, Accumulate: opt.Accumulate, PackedB: opt.Filter.matrix()}
		blas.MatMul(team, matrix(y, g.OutC), matrix(x, g.InC), p.filters(w), multiply)
	default:
		p.runPatches(team, patchesForward, batch, y, x, w, opt)
	}
	if opt.Sums != nil {
		sums := p.units.sumChannels(team, batch, y)
		copy(opt.Sums, sums.total())
		sums.release()
	}
}

func (p *plan) backwardData(team *blas.Team, batch int, dx, dy, w []float32, opt Options) {
	opt = Options{Filter: opt.Filter, Accumulate: opt.Accumulate}
	switch p.algorithm {
	case Direct:
		p.backwards.run(team, batch, dx, dy, w, opt, nil)
	case Pointwise:
		g := &p.geometry
		blas.MatMul(team, matrix(dx, g.InC), matrix(dy, g.OutC), p.filters(w).T(), blas.Options[float32]{Accumulate: opt.Accumulate, PackedB: opt.Filter.matrix()})
	default:
		p.runPatches(team, patchesBackwardData, batch, dy, dx, w, opt)
	}
}

func (p *plan) backwardFilter(team *blas.Team, batch int, dw, x, dy []float32, opt Options) {
	if p.gradient != nil {
		p.gradient.run(team, batch, dw, x, dy, opt)
		return
	}
	p.runPatches(team, patchesBackwardFilter, batch, dy, x, dw, Options{Accumulate: opt.Accumulate})
	if opt.Bias != nil {
		sums := p.units.sumChannels(team, batch, dy)
		setBias(opt.Bias, sums.total()[:len(opt.Bias)], opt.Accumulate)
		sums.release()
	}
}

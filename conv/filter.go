package conv

import (
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/blas"
)

// Pass is what a filter is packed for.
type Pass uint8

const (
	ForwardPass      Pass = iota // Forward
	BackwardDataPass             // BackwardData
)

// PackedFilter is a filter in the form that the kernels of one pass read fastest,
// for a geometry of any Batch. It is bound to the instruction set that was active
// when it was made. Any number of passes may read it at once.
type PackedFilter struct {
	plan   *plan
	pass   Pass
	size   int                    // of data
	data   []float32              // Direct's panels; nil before the first Pack
	packed *blas.PackedB[float32] // of other algorithms
	filled bool                   // by Pack
}

// NewPackedFilter returns a PackedFilter for a pass of a geometry, whose Batch doesn't matter. Pack
// fills it; until then Forward and BackwardData refuse it.
func NewPackedFilter(g Geometry, pass Pass, algorithm Algorithm) (*PackedFilter, error) {
	g.Batch = 1
	p, err := planOf(g, algorithm)
	if err != nil {
		return nil, err
	}
	f := &PackedFilter{plan: p, pass: pass}
	rows, columns := p.filter/g.OutC, g.OutC
	switch {
	case p.algorithm == Direct:
		f.size = p.sweep(pass).panels.size()
	case pass == ForwardPass:
		f.packed = blas.NewPackedB[float32](rows, columns)
	default:
		f.packed = blas.NewPackedB[float32](columns, rows)
	}
	return f, nil
}

// Pack fills f from w, [KernelH, KernelW, InC, OutC], on a team of workers.
func (f *PackedFilter) Pack(team *blas.Team, w []float32) error {
	if f.plan == nil {
		return errNoFilter
	}
	if err := f.plan.check("w", w, f.plan.filter); err != nil {
		return err
	}
	switch {
	case f.plan.algorithm == Direct:
		if f.data == nil {
			f.data = make([]float32, f.size)
		}
		f.plan.sweep(f.pass).panels.pack(f.data, w)
	case f.pass == ForwardPass:
		f.packed.Pack(team, f.plan.filters(w))
	default:
		f.packed.Pack(team, f.plan.filters(w).T())
	}
	f.filled = true
	return nil
}

var errNoFilter = errors.New("conv: a PackedFilter that NewPackedFilter didn't make")

// Bytes returns the size of the packed data.
func (f *PackedFilter) Bytes() int {
	if f.packed != nil {
		return f.packed.Bytes()
	}
	return 4 * f.size
}

// matrix returns the packed matrix, or nil if nothing is packed.
func (f *PackedFilter) matrix() *blas.PackedB[float32] {
	if f == nil {
		return nil
	}
	return f.packed
}

// fits says why f can't be used in a pass by p.
func (f *PackedFilter) fits(p *plan, pass Pass) error {
	if f.plan == nil {
		return errNoFilter
	}
	if f.pass != pass {
		return fmt.Errorf("conv: the filter is packed for another pass")
	}
	if f.plan == p || f.plan.geometry == p.geometry && f.plan.algorithm == p.algorithm && f.plan.isa == p.isa {
		if !f.filled {
			return fmt.Errorf("conv: the packed filter for %v, %v was never filled by Pack", p.geometry, p.algorithm)
		}
		return nil
	}
	return fmt.Errorf("conv: the filter is packed for %v, %v on %v, want %v, %v on %v",
		f.plan.geometry, f.plan.algorithm, f.plan.isa, p.geometry, p.algorithm, p.isa)
}

func (p *plan) sweep(pass Pass) *sweep {
	if pass == BackwardDataPass {
		return p.backwards
	}
	return p.forwards
}

package conv

import (
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/blas"
)

// Purpose is what a filter is packed for.
type Purpose uint8

const (
	ForForward      Purpose = iota // for Forward
	ForBackwardData                // for BackwardData
)

// PackedFilter is a filter in the form that the kernels of Forward, or of BackwardData, read
// fastest, for a geometry of any Batch. It is bound to the instruction set that was active when it
// was made. Any number of passes may read it at once.
type PackedFilter struct {
	plan    *plan
	purpose Purpose
	size    int                    // of data
	data    []float32              // Direct's panels; nil before the first Pack
	packed  *blas.PackedB[float32] // of other algorithms
	filled  bool                   // by Pack
}

// NewPackedFilter returns a PackedFilter for a purpose and a geometry, whose Batch doesn't matter.
// Pack fills it; until then Forward and BackwardData refuse it.
func NewPackedFilter(g Geometry, purpose Purpose, algorithm Algorithm) (*PackedFilter, error) {
	g.Batch = 1
	p, err := planOf(g, algorithm)
	if err != nil {
		return nil, err
	}
	f := &PackedFilter{plan: p, purpose: purpose}
	rows, columns := p.filter/g.OutC, g.OutC
	switch {
	case p.algorithm == Direct:
		f.size = p.sweep(purpose).panels.size()
	case purpose == ForForward:
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
		f.plan.sweep(f.purpose).panels.pack(f.data, w)
	case f.purpose == ForForward:
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
func (f *PackedFilter) fits(p *plan, purpose Purpose) error {
	if f.plan == nil {
		return errNoFilter
	}
	if f.purpose != purpose {
		return fmt.Errorf("conv: the filter is packed %v, want %v", f.purpose, purpose)
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

func (p *plan) sweep(purpose Purpose) *sweep {
	if purpose == ForBackwardData {
		return p.backwards
	}
	return p.forwards
}

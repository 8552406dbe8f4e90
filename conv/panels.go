package conv

import (
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
)

// panels is how a sweep's filter lies in memory: in panels of as many channels of
// the target as the kernels take at once, and in each, a row for every tap and
// channel of the source. A filter whose channels all fit one panel may be in that
// form already.
type panels struct {
	geometry   Geometry
	transposed bool  // the source is the output
	order      []int // of the taps in a row of the filter
	place      []int // of each tap in it
	depth      int   // channels of the source
	row        int   // floats of a row of a panel
	count      int
	inPlace    bool // the filter needs no packing
}

func newPanels(g Geometry, order []int, transposed bool) panels {
	nr := gemm.Active[float32]().NR
	p := panels{geometry: g, transposed: transposed, order: order, place: make([]int, len(order)), row: nr}
	for i, t := range order {
		p.place[t] = i
	}
	p.depth, p.count = g.InC, num.CeilDiv(g.OutC, nr)
	if transposed {
		p.depth, p.count = g.OutC, num.CeilDiv(g.InC, nr)
		if g.InC <= fewChannels {
			p.row = g.InC
		}
	} else if g.OutC <= nr {
		p.row, p.inPlace = g.OutC, true
	}
	return p
}

// stride is the floats of a panel.
func (p *panels) stride() int { return p.geometry.KernelH * p.geometry.KernelW * p.depth * p.row }

func (p *panels) size() int { return p.count * p.stride() }

// at returns where the panel that has a channel of the target begins, at that
// channel.
func (p *panels) at(channel int) int { return channel/p.row*p.stride() + channel%p.row }

// tap returns where a tap of the filter begins in a panel.
func (p *panels) tap(u, v int) int {
	return (u*p.geometry.KernelW + p.place[v]) * p.depth * p.row
}

// adjoin reports whether the taps of a row that r sees lie one behind the other,
// in the source as in a panel.
func (p *panels) adjoin(r run) bool {
	for i, t := range r.taps {
		if p.place[t] != p.place[r.taps[0]]+i {
			return false
		}
	}
	return len(r.taps) == 1 || len(r.taps) > 1 && r.gap == 1
}

// pack fills the panels from a filter.
func (p *panels) pack(dst, w []float32) {
	g := &p.geometry
	if p.inPlace {
		copy(dst, w)
		return
	}
	t := gemm.Active[float32]()
	if !p.transposed {
		gemm.PackPanels(t, gemm.ViewOf(&w[0], g.OutC, 1), g.KernelH*g.KernelW*g.InC, g.OutC, dst, p.stride())
		return
	}
	size := g.InC * g.OutC
	for u := range g.KernelH {
		for v := range g.KernelW {
			tap := gemm.ViewOf(&w[(u*g.KernelW+v)*size], 1, g.OutC) // OutC x InC
			if g.InC <= fewChannels {
				gemm.Transpose(t, tap, g.OutC, g.InC, dst[p.tap(u, v):], p.row)
				continue
			}
			gemm.PackPanels(t, tap, g.OutC, g.InC, dst[p.tap(u, v):], p.stride())
		}
	}
}

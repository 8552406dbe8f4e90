package sam

import (
	"slices"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/simd"
)

// region is a run of parameters that are perturbed alike.
type region struct {
	num.Span
	scaling scaling
}

// scaling is the operator T of Ascent on a region's parameters.
type scaling uint8

const (
	one       scaling = iota
	zero              // they are not perturbed
	magnitude         // |w| + eta
)

// regions cuts all parameters into regions, by what they are to the ascent and by the
// groups that exclude some from it.
func (a Ascent) regions(ops []program.OpInfo, groups []optim.Range) (list []region) {
	for _, o := range ops {
		from := o.Offset
		for _, p := range o.Traits.Params {
			t := one
			switch {
			case a.NormOnly && p.Role != op.Norm:
				t = zero
			case a.Adaptive && p.Role == op.Weight:
				t = magnitude
			}
			to := from + p.Shape.Size()
			for _, g := range groups {
				if r := (region{num.Range(max(from, g.From), min(to, g.To)), t}); r.Len() > 0 {
					if g.Unperturbed || g.Frozen {
						r.scaling = zero
					}
					list = join(list, r)
				}
			}
			from = to
		}
	}
	return list
}

// join appends r, or extends the last region if that is perturbed alike.
func join(list []region, r region) []region {
	if n := len(list); n > 0 && list[n-1].scaling == r.scaling {
		list[n-1].To = r.To
		return list
	}
	return append(list, r)
}

// within returns the regions of a run of parameters, counted from its first.
func within(list []region, run num.Span) (part []region) {
	for _, r := range list {
		if s := r.of(run.From, run.To); s.Len() > 0 {
			part = append(part, region{num.Range(s.From-run.From, s.To-run.From), r.scaling})
		}
	}
	return part
}

// of is the region's part of a run of parameters.
func (r region) of(from, to int) num.Span { return num.Range(max(r.From, from), min(r.To, to)) }

// perturbs reports whether any of the regions is perturbed.
func perturbs(list []region) bool {
	return slices.ContainsFunc(list, func(r region) bool { return r.scaling != zero })
}

// firstNonFiniteIn returns the index of the first element in a region that is perturbed
// which isn't finite, or 0.
func firstNonFiniteIn(list []region, x []float32) int {
	for _, r := range list {
		if r.scaling == zero {
			continue
		}
		if i := num.FirstNonFinite(r.Of(x)); i >= 0 {
			return r.From + i
		}
	}
	return 0
}

// squares returns ||T g||^2.
func (t scaling) squares(eta float32, g, w []float32) float64 {
	switch t {
	case one:
		return simd.SumSquares(g)
	case magnitude:
		return simd.ScaledSquares(eta, g, w)
	}
	return 0
}

// climb sets dst to w + c*T^2*g.
func (t scaling) climb(dst []float32, c, eta float32, g, w []float32) {
	switch t {
	case one:
		simd.AxpyTo(dst, c, g, w)
	case zero:
		copy(dst, w)
	case magnitude:
		simd.ScaledAxpyTo(dst, c, eta, g, w)
	}
}

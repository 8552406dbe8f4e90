package conv

import "fmt"

// Algorithm is a way to convolve.
type Algorithm uint8

const (
	// Auto lets Geometry.Algorithm choose.
	Auto Algorithm = iota // auto
	// Direct multiplies and adds where input and filter lie: a tile of output
	// pixels times output channels is computed in registers, tap by tap, by the
	// kernel that computes a tile of a matrix product, with strides that step from
	// pixel to pixel. Taps in the padding are left out.
	Direct // direct
	// Pointwise is one matrix product: a 1x1 kernel, no padding, no stride.
	Pointwise // pointwise
	// Patches gathers the inputs of some output pixels into a matrix, as Im2col does, and
	// multiplies it by the filter, block by block in the cache. It is the simplest algorithm, and
	// fits any geometry.
	Patches // patches
)

// Algorithm returns the algorithm that suits g, by the geometry alone.
func (g Geometry) Algorithm() Algorithm {
	if Pointwise.fits(g.filled()) == nil {
		return Pointwise
	}
	return Direct
}

// fits returns an error that says why a can't compute g, or nil. The zeros of g are filled in.
func (a Algorithm) fits(g Geometry) error {
	switch {
	case a > Patches:
		return fmt.Errorf("conv: there is no %v", a)
	case a != Pointwise:
		return nil
	case g.KernelH != 1 || g.KernelW != 1 || g.StrideH != 1 || g.StrideW != 1 || g.PadTop+g.PadBottom+g.PadLeft+g.PadRight != 0:
		return fmt.Errorf("conv: %v is not pointwise: want a 1x1 kernel, stride 1 and no padding", g)
	}
	return nil
}

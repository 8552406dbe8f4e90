package conv

import (
	"fmt"

	"github.com/steppe-ml/steppe/blas"
)

// Options say what a pass does besides convolving, and by which algorithm. With the zero value it
// only convolves, by the algorithm that suits the geometry.
type Options struct {
	// Bias, one element for each output channel or nil, is added by Forward.
	// BackwardFilter sets it to the gradient of the bias: the sums of dy over all
	// pixels.
	Bias []float32
	// Sums has two elements for each output channel, or is nil. Forward sets the first half to each
	// channel's sum over the pixels of y, and the second half to each channel's sum of squares.
	// Batch normalization needs them, and here y is still in the cache. Their bits depend on those
	// of y and on the geometry.
	Sums []float64
	// ReLU makes Forward replace negative values by 0, after everything else.
	ReLU bool
	// Accumulate adds the result to the destination. Otherwise the destination is overwritten and
	// not read.
	Accumulate bool
	// Filter is w, packed beforehand for this pass. The pass then doesn't read w, which may be nil.
	Filter *PackedFilter
	// Algorithm is the algorithm to use; Auto stands for Geometry.Algorithm.
	Algorithm Algorithm
}

// Forward sets y to the convolution of x with w. A nil team is the caller alone.
//
// The bits of an image's output depend on the image, on w, on the geometry but for
// its Batch, on the algorithm and on the instruction set, and on nothing else.
func Forward(team *blas.Team, g Geometry, y, x, w []float32, opt Options) error {
	p, err := planOf(g, opt.Algorithm)
	switch {
	case err != nil:
		return err
	case opt.Bias != nil && len(opt.Bias) != g.OutC:
		return fmt.Errorf("conv: bias of %d floats for %d output channels", len(opt.Bias), g.OutC)
	case opt.Sums != nil && len(opt.Sums) != 2*g.OutC:
		return fmt.Errorf("conv: %d sums for %d output channels, want two for each", len(opt.Sums), g.OutC)
	case opt.Filter != nil:
		err = opt.Filter.fits(p, ForForward)
	default:
		err = p.check("w", w, p.filter)
	}
	if err = first(err, p.check("y", y, g.Batch*p.out), p.check("x", x, g.Batch*p.in)); err != nil {
		return err
	}
	p.forward(team, g.Batch, y, x, w, opt)
	return nil
}

// BackwardData sets dx, the gradient of the input, from dy, the gradient of the output. It uses
// only Accumulate, Filter and Algorithm of the options. The bits of an image's gradient depend on
// the same things as the bits of an output.
func BackwardData(team *blas.Team, g Geometry, dx, dy, w []float32, opt Options) error {
	p, err := planOf(g, opt.Algorithm)
	switch {
	case err != nil:
		return err
	case opt.Filter != nil:
		err = opt.Filter.fits(p, ForBackwardData)
	default:
		err = p.check("w", w, p.filter)
	}
	if err = first(err, p.check("dx", dx, g.Batch*p.in), p.check("dy", dy, g.Batch*p.out)); err != nil {
		return err
	}
	p.backwardData(team, g.Batch, dx, dy, w, opt)
	return nil
}

// BackwardFilter sets dw, the gradient of the filter, from the input x and dy, the
// gradient of the output, summed over the batch. It uses only Bias, Accumulate and Algorithm of the
// options. The geometry alone decides how the sum is cut, so its bits don't depend on the workers.
func BackwardFilter(team *blas.Team, g Geometry, dw, x, dy []float32, opt Options) error {
	p, err := planOf(g, opt.Algorithm)
	switch {
	case err != nil:
		return err
	case opt.Bias != nil && len(opt.Bias) != g.OutC:
		return fmt.Errorf("conv: bias of %d floats for %d output channels", len(opt.Bias), g.OutC)
	}
	if err = first(p.check("dw", dw, p.filter), p.check("x", x, g.Batch*p.in), p.check("dy", dy, g.Batch*p.out)); err != nil {
		return err
	}
	p.backwardFilter(team, g.Batch, dw, x, dy, opt)
	return nil
}

// first returns the first error that isn't nil.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

package conv

import (
	"fmt"

	"github.com/steppe-ml/steppe/blas"
)

// Options say what a pass does besides convolving, and how. The zero value is
// nothing else, and the best way.
type Options struct {
	// Bias, one element for each output channel or nil, is added by Forward.
	// BackwardFilter sets it to the gradient of the bias: the sums of dy over all
	// pixels.
	Bias []float32
	// Sums, two elements for each output channel or nil, is set by Forward to each
	// channel's sum over the pixels of y, and then to each one's sum of squares: what
	// a batch normalization wants, summed while y is in the cache. Its bits depend on
	// those of y and on the geometry.
	Sums []float64
	// ReLU has Forward replace what is negative by 0, after all else.
	ReLU bool
	// Accumulate has a pass add to what it computes. Otherwise that is overwritten,
	// and not read.
	Accumulate bool
	// Filter is w, packed before for the pass. w itself is not read then, and may
	// be nil.
	Filter *PackedFilter
	// Algorithm is the one to use. Auto is what Geometry.Algorithm says.
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

// BackwardData sets dx, the gradient of the input, from dy, that of the output. Of
// Options it knows Accumulate, Filter and Algorithm. The bits of an image's gradient depend on
// what those of an output do.
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
// gradient of the output, summed over the batch; with Accumulate it adds to dw. Of
// Options it knows Bias, Accumulate and Algorithm. The sum is cut by the geometry alone:
// its bits don't depend on the workers.
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

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

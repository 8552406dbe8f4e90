package conv

import (
	"fmt"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// Window is the shape of a pooling. Each pixel of the output y, [Batch, OutH, OutW, C], is the
// largest or the mean of the pixels in a window of SizeH x SizeW of the channels-last input x,
// [Batch, InH, InW, C], channel by channel. Strides of 0 are the size. Pixels of the padding are
// never the largest, and a mean doesn't count them. With ReLU, MaxPool replaces negative values by
// 0, and MaxPoolBackward passes no gradient to them, as if a ReLU came before or after the pooling.
type Window struct {
	Batch, InH, InW, C                   int
	SizeH, SizeW                         int
	StrideH, StrideW                     int
	PadTop, PadBottom, PadLeft, PadRight int
	ReLU                                 bool
}

// Global returns the window that covers a whole image.
func Global(batch, h, w, c int) Window {
	return Window{Batch: batch, InH: h, InW: w, C: c, SizeH: h, SizeW: w}
}

// Validate returns an error that names the field that is wrong, or nil.
func (w Window) Validate() error {
	if err := w.geometry().Validate(); err != nil {
		return err
	}
	if w.PadTop >= w.SizeH || w.PadBottom >= w.SizeH || w.PadLeft >= w.SizeW || w.PadRight >= w.SizeW {
		return fmt.Errorf("conv: a window of %dx%d would see nothing but padding, of %d, %d rows and %d, %d columns",
			w.SizeH, w.SizeW, w.PadTop, w.PadBottom, w.PadLeft, w.PadRight)
	}
	return nil
}

// geometry is the convolution of one channel that goes along the same windows.
func (w Window) geometry() Geometry {
	g := Geometry{
		Batch: w.Batch, InH: w.InH, InW: w.InW, InC: w.C, OutC: w.C, KernelH: w.SizeH, KernelW: w.SizeW,
		StrideH: w.StrideH, StrideW: w.StrideW,
		PadTop: w.PadTop, PadBottom: w.PadBottom, PadLeft: w.PadLeft, PadRight: w.PadRight,
	}
	if g.StrideH == 0 {
		g.StrideH = w.SizeH
	}
	if g.StrideW == 0 {
		g.StrideW = w.SizeW
	}
	return g.filled()
}

// OutH returns the height of the output.
func (w Window) OutH() int { return w.geometry().OutH() }

// OutW returns the width of the output.
func (w Window) OutW() int { return w.geometry().OutW() }

// MaxPool sets y to the largest pixel of each window of x, channel by channel, or to NaN if the
// window has a NaN.
func MaxPool(team *blas.Team, w Window, y, x []float32) error {
	return runPooling(team, w, &pooling{kind: maxForward, y: y, x: x})
}

// MaxPoolBackward sets dx, the gradient of x, from dy, that of y, given MaxPool's x and y. The
// gradient of a pixel of y goes to the first pixel of its window, row by row, that is as large;
// that of a window with NaNs goes to the first NaN.
func MaxPoolBackward(team *blas.Team, w Window, dx, dy, x, y []float32) error {
	return runPooling(team, w, &pooling{kind: maxBackward, y: y, x: x, dx: dx, dy: dy})
}

// AveragePool sets y to the mean of each window of x, channel by channel.
func AveragePool(team *blas.Team, w Window, y, x []float32) error {
	return runPooling(team, w, &pooling{kind: averageForward, y: y, x: x})
}

// AveragePoolBackward sets dx, the gradient of x, from dy, that of y.
func AveragePoolBackward(team *blas.Team, w Window, dx, dy []float32) error {
	return runPooling(team, w, &pooling{kind: averageBackward, dx: dx, dy: dy})
}

// poolPlan is the windows of an image, in regions that see the same of it.
type poolPlan struct {
	window  Window
	in, out int // floats of an image
	regions []poolRegion
	exact   bool // every pixel of the input is in one window
}

type poolRegion struct {
	taps    []int
	rows    axis
	columns axis
	x, y    int // of the first pixel
}

var poolPlans cache[Window, poolPlan]

func poolPlanOf(w Window) (*poolPlan, error) {
	if w.Batch < 1 {
		return nil, fmt.Errorf("conv: Batch is %d, want at least 1", w.Batch)
	}
	w.Batch = 1
	p := poolPlans.find(w)
	if p != nil {
		return p, nil
	}
	if err := w.Validate(); err != nil {
		return nil, err
	}
	g := w.geometry()
	p = &poolPlan{window: w, in: g.InSize(), out: g.OutSize()}
	p.exact = g.StrideH == w.SizeH && g.StrideW == w.SizeW && w.InH%w.SizeH == 0 && w.InW%w.SizeW == 0 &&
		w.PadTop+w.PadBottom+w.PadLeft+w.PadRight == 0
	for _, r := range g.rows().forward() {
		for _, c := range g.columns().forward() {
			box := poolRegion{
				x:       (r.source*w.InW + c.source) * w.C,
				y:       (r.target*g.OutW() + c.target) * w.C,
				rows:    axis{r.count, r.move * w.InW * w.C, r.step * g.OutW() * w.C},
				columns: axis{c.count, c.move * w.C, c.step * w.C},
			}
			for i := range r.taps {
				for j := range c.taps {
					box.taps = append(box.taps, (i*w.InW+j)*w.C)
				}
			}
			p.regions = append(p.regions, box)
		}
	}
	poolPlans.add(w, p)
	return p, nil
}

// pooling is a team's job: a pooling, one task an image.
type pooling struct {
	*poolPlan
	kind         poolKind
	x, y, dx, dy []float32
}

type poolKind uint8

const (
	maxForward poolKind = iota
	maxBackward
	averageForward
	averageBackward
)

var poolings parallel.Pool[pooling]

func runPooling(team *blas.Team, w Window, what *pooling) error {
	plan, err := poolPlanOf(w)
	if err != nil {
		return err
	}
	for _, operand := range []struct {
		name string
		data []float32
		size int
		used bool
	}{
		{"y", what.y, plan.out, what.kind != averageBackward},
		{"x", what.x, plan.in, what.kind != averageBackward},
		{"dy", what.dy, plan.out, what.kind == maxBackward || what.kind == averageBackward},
		{"dx", what.dx, plan.in, what.kind == maxBackward || what.kind == averageBackward},
	} {
		if want := w.Batch * operand.size; operand.used && len(operand.data) != want {
			return fmt.Errorf("conv: %s has %d floats, want %d for a pooling of %dx%d of %dx%dx%dx%d",
				operand.name, len(operand.data), want, w.SizeH, w.SizeW, w.Batch, w.InH, w.InW, w.C)
		}
	}
	p := poolings.Get()
	*p = *what
	p.poolPlan = plan
	team.Run(w.Batch, p)
	*p = pooling{}
	poolings.Put(p)
	return nil
}

// Do pools one image.
func (p *pooling) Do(image, _ int) {
	part := func(x []float32, size int) []float32 {
		if x == nil {
			return nil
		}
		return x[image*size:][:size]
	}
	x, y, dx, dy := part(p.x, p.in), part(p.y, p.out), part(p.dx, p.in), part(p.dy, p.out)
	t, channels := kernels(), p.window.C
	spread := t.maxPoolSpread
	if !p.exact || p.kind == averageBackward {
		clear(dx)
		spread = t.maxPoolBackward
	}
	floor, least := minusInf, nan // no comparison with NaN holds
	if p.window.ReLU {
		floor, least = 0, 0
	}
	for i := range p.regions {
		r := &p.regions[i]
		pixels, tap, taps, pixel := r.columns.n, &r.taps[0], len(r.taps), r.columns.source
		scale := 1 / float32(taps)
		for row := range r.rows.n {
			in, out := r.x+row*r.rows.source, r.y+row*r.rows.target
			switch p.kind {
			case maxForward:
				t.maxPool(pixels, channels, tap, taps, &x[in], pixel, &y[out], floor)
			case maxBackward:
				spread(pixels, channels, tap, taps, &dx[in], &x[in], pixel, &y[out], &dy[out], least)
			case averageForward:
				t.sumPool(pixels, channels, tap, taps, &x[in], pixel, &y[out], scale)
			case averageBackward:
				t.sumPoolBackward(pixels, channels, tap, taps, &dx[in], pixel, &dy[out], scale)
			}
		}
	}
}

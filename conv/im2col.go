package conv

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// Im2col sets patches to a matrix [Batch*OutH*OutW, KernelH*KernelW*InC]. Each row has the pixels
// of the input x in one output pixel's window, with zeros for the padding. The convolution is this
// matrix times the filter, and the filter's gradient is its transpose times the output's gradient.
// The fast algorithms never form the whole matrix.
func Im2col(g Geometry, patches, x []float32) error {
	p, err := planOf(g, Patches)
	if err == nil {
		err = first(p.check("x", x, g.Batch*p.in), p.check("patches", patches, g.Batch*p.pixels*p.patch()))
	}
	if err != nil {
		return err
	}
	for b := range g.Batch {
		p.gather(patches[b*p.pixels*p.patch():], x[b*p.in:][:p.in], 0, p.pixels)
	}
	return nil
}

// Col2im is the transpose of Im2col. It sets each element of x, which has the input's shape, to the
// sum of the elements of patches that Im2col copies it to.
func Col2im(g Geometry, x, patches []float32) error {
	p, err := planOf(g, Patches)
	if err == nil {
		err = first(p.check("x", x, g.Batch*p.in), p.check("patches", patches, g.Batch*p.pixels*p.patch()))
	}
	if err != nil {
		return err
	}
	clear(x)
	for b := range g.Batch {
		p.scatter(x[b*p.in:][:p.in], patches[b*p.pixels*p.patch():], 0, p.pixels)
	}
	return nil
}

// patch is the number of floats in an output pixel's window.
func (p *plan) patch() int { return p.filter / p.geometry.OutC }

// taps visits the taps of output pixels from to end of an image: where the pixel of
// the input lies, or -1 in the padding, and where its channels go among patches.
func (p *plan) taps(from, end int, visit func(input, patch int)) {
	g := &p.geometry
	at := 0
	for pixel := from; pixel < end; pixel++ {
		for u := range g.KernelH {
			row := pixel/g.OutW()*g.StrideH - g.PadTop + u*g.DilationH
			for v := range g.KernelW {
				column := pixel%g.OutW()*g.StrideW - g.PadLeft + v*g.DilationW
				if row >= 0 && row < g.InH && column >= 0 && column < g.InW {
					visit((row*g.InW+column)*g.InC, at)
				} else {
					visit(-1, at)
				}
				at += g.InC
			}
		}
	}
}

// gather copies the patches of some pixels of one image.
func (p *plan) gather(patches, x []float32, from, end int) {
	channels := p.geometry.InC
	p.taps(from, end, func(input, patch int) {
		to := patches[patch:][:channels]
		if input < 0 {
			clear(to)
		} else {
			copy(to, x[input:])
		}
	})
}

// scatter adds the patches of some pixels to one image.
func (p *plan) scatter(x, patches []float32, from, end int) {
	channels := p.geometry.InC
	p.taps(from, end, func(input, patch int) {
		if input < 0 {
			return
		}
		to := x[input:][:channels]
		for c, v := range patches[patch:][:channels] {
			to[c] += v
		}
	})
}

// patchesJob is a pass by Patches. A task is an image or, of the filter's gradient,
// which is one sum, all of them. It goes along an image by blocks of pixels, whose
// patches stay in the cache.
type patchesJob struct {
	*plan
	purpose          patchesPurpose
	y, x, w          []float32 // or their gradients
	bias             []float32
	relu, accumulate bool
	packed           *blas.PackedB[float32]
	images           int

	patches [][]float32 // a worker's; kept for the next job
}

type patchesPurpose uint8

const (
	patchesForward patchesPurpose = iota
	patchesBackwardData
	patchesBackwardFilter
)

var patchesJobs parallel.Pool[patchesJob]

func (p *plan) runPatches(team *blas.Team, purpose patchesPurpose, batch int, y, x, w []float32, opt Options) {
	j := patchesJobs.Get()
	j.plan, j.purpose, j.images, j.y, j.x, j.w = p, purpose, batch, y, x, w
	j.bias, j.relu, j.accumulate, j.packed = opt.Bias, opt.ReLU, opt.Accumulate, opt.Filter.matrix()
	for len(j.patches) < team.Workers() {
		j.patches = append(j.patches, nil)
	}
	if purpose == patchesBackwardFilter {
		j.Do(0, 0)
	} else {
		team.Run(batch, j)
	}
	*j = patchesJob{patches: j.patches}
	patchesJobs.Put(j)
}

// patchFloats is about the floats of a block of patches: half an L2 cache. bench/tune measures it.
var patchFloats = 1 << 17

// Do computes one task.
func (j *patchesJob) Do(task, worker int) {
	block := max(1, patchFloats/j.patch())
	j.patches[worker] = gemm.Grow(j.patches[worker], min(block, j.pixels)*j.patch())
	if j.purpose != patchesBackwardFilter {
		j.image(task, block, worker)
		return
	}
	for i := range j.images {
		j.image(i, block, worker)
	}
}

// image does the pass's work for one image.
func (j *patchesJob) image(i, block, worker int) {
	channels := j.geometry.OutC
	x, y := j.x[i*j.in:][:j.in], j.y[i*j.out:][:j.out]
	if j.purpose == patchesBackwardData && !j.accumulate {
		clear(x)
	}
	for from := 0; from < j.pixels; from += block {
		end := min(from+block, j.pixels)
		patches := matrix(j.patches[worker][:(end-from)*j.patch()], j.patch())
		out := matrix(y[from*channels:end*channels], channels)
		if j.purpose != patchesBackwardData {
			j.gather(patches.Data, x, from, end)
		}
		switch j.purpose {
		case patchesForward:
			blas.MatMul(nil, out, patches, j.filters(j.w), blas.Options[float32]{Bias: j.bias, ReLU: j.relu, Accumulate: j.accumulate, PackedB: j.packed})
		case patchesBackwardData:
			blas.MatMul(nil, patches, out, j.filters(j.w).T(), blas.Options[float32]{PackedB: j.packed})
			j.scatter(x, patches.Data, from, end)
		case patchesBackwardFilter:
			blas.MatMul(nil, j.filters(j.w), patches.T(), out, blas.Options[float32]{Accumulate: j.accumulate || i+from > 0})
		}
	}
}

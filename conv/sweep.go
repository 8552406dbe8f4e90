package conv

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// sweep is the plan for computing a convolution's target from its source directly, without copying
// either: the output from the input, or the input's gradient from the output's gradient. The target
// is cut into regions whose pixels see the same taps.
type sweep struct {
	regions                  []region
	turns                    bool // some regions have turned tiles
	source                   side
	rows, channels           int // of the target
	sourceImage, targetImage int // floats
	block                    int // rows of the target that are best computed together
	panels                   panels
}

// region is a box of pixels of the target that see the same taps of the filter.
type region struct {
	taps           [][2]int // where each begins, in the source and in a panel
	k              int      // floats of the source that follow each other from there on
	source, target int      // of the first pixel, in an image
	rows, columns  axis
	first, step    int // rows of the target: the first, and how far it is to the next
	planar         planar
}

// axis is one dimension of a box of pixels: how many there are, and how far
// it is from one to the next.
type axis struct{ n, source, target int }

// side is the images on one side of a convolution.
type side struct{ h, w, channels int }

func (s side) size() int { return s.h * s.w * s.channels }

func forwardSweep(g Geometry) *sweep {
	in, out := side{g.InH, g.InW, g.InC}, side{g.OutH(), g.OutW(), g.OutC}
	order := make([]int, g.KernelW)
	for v := range order {
		order[v] = v
	}
	return newSweep(in, out, g.rows().forward(), g.columns().forward(), newPanels(g, order, false))
}

func backwardSweep(g Geometry) *sweep {
	in, out := side{g.InH, g.InW, g.InC}, side{g.OutH(), g.OutW(), g.OutC}
	return newSweep(out, in, g.rows().backward(), g.columns().backward(), newPanels(g, g.columns().backwardOrder(), true))
}

// newSweep returns the sweep over regions of each run of rows with each of
// columns.
func newSweep(source, target side, rows, columns []run, p panels) *sweep {
	s := &sweep{
		rows: target.h, channels: target.channels, panels: p, source: source,
		sourceImage: source.size(), targetImage: target.size(),
	}
	s.block = rowsOfBlock(s.rows, s.sourceImage+s.targetImage)
	depth := source.channels
	for _, r := range rows {
		for _, c := range columns {
			box := region{
				k:       depth,
				source:  (r.source*source.w + c.source) * depth,
				target:  (r.target*target.w + c.target) * target.channels,
				rows:    axis{r.count, r.move * source.w * depth, r.step * target.w * target.channels},
				columns: axis{c.count, c.move * depth, c.step * target.channels},
				first:   r.target, step: r.step,
				planar: newPlanar(source, target, r, c, &p),
			}
			merged := c.taps
			if p.adjoin(c) { // the taps of a row are as good as one
				merged = merged[:1]
				box.k = len(c.taps) * depth
			}
			for i, u := range r.taps {
				for j, v := range merged {
					box.taps = append(box.taps, [2]int{(i*r.gap*source.w + j*c.gap) * depth, p.tap(u, v)})
				}
			}
			if len(box.taps) == 0 { // all of them see padding alone, and need no place
				box.source, box.rows.source, box.columns.source = 0, 0, 0
			}
			s.turns = s.turns || len(box.planar.taps) > 0
			s.regions = append(s.regions, box)
		}
	}
	return s
}

// blockBytes is about what is read and written for a block of rows, so that it
// stays in the L2 cache while panel after panel of the filter meets it. bench/tune measures it.
var blockBytes = 1 << 18

// rowsOfBlock is how many of an image's rows are about blockBytes, if all are so many
// floats.
func rowsOfBlock(rows, floats int) int { return num.CeilDiv(rows, num.CeilDiv(4*floats, blockBytes)) }

// between returns the part of r in rows from to end of the target.
func (r *region) between(from, end int) region {
	i0 := min(r.rows.n, num.CeilDiv(max(0, from-r.first), r.step))
	i1 := min(r.rows.n, num.CeilDiv(max(0, end-r.first), r.step))
	part := *r
	part.rows.n = max(0, i1-i0)
	part.source += i0 * r.rows.source
	part.planar.row += i0 * r.planar.move
	part.target += i0 * r.rows.target
	return part
}

// sweepJob is a sweep of some images, shared out among workers.
type sweepJob struct {
	*sweep
	target, from, filter *float32
	bias                 *float32 // nil for none
	relu, accumulate     bool
	images               int
	group, block         int      // images, and rows of each, that are a task
	sums                 *sumsJob // done task by task; nil for none

	packed []float32 // kept for the next job
	planes []planes  // a worker's; kept
}

var sweepJobs parallel.Pool[sweepJob]

func (s *sweep) run(team *blas.Team, images int, target, source, w []float32, opt Options, u *units) {
	j := sweepJobs.Get()
	j.sweep, j.images, j.relu, j.accumulate = s, images, opt.ReLU, opt.Accumulate
	j.target, j.from = &target[0], &source[0]
	if opt.Bias != nil {
		j.bias = &opt.Bias[0]
	}
	switch {
	case opt.Filter != nil && len(opt.Filter.data) > 0:
		j.filter = &opt.Filter.data[0]
	case s.panels.inPlace:
		j.filter = &w[0]
	default:
		j.packed = gemm.Grow(j.packed, s.panels.size())
		s.panels.pack(j.packed, w)
		j.filter = &j.packed[0]
	}
	for s.turns && len(j.planes) < team.Workers() {
		j.planes = append(j.planes, planes{})
	}
	j.divide(team)
	var sums *sumsJob
	if opt.Sums != nil {
		sums = newSumsJob(u, target, images)
		if j.block == u.block { // otherwise a task is less than a unit
			j.sums = sums
		}
	}
	team.Run(num.CeilDiv(j.images, j.group)*num.CeilDiv(j.rows, j.block), j)
	if sums != nil {
		if j.sums == nil {
			team.Run(images*u.blocks(), sums)
		}
		copy(opt.Sums, sums.total())
		sums.release()
	}
	*j = sweepJob{packed: j.packed, planes: j.planes}
	sweepJobs.Put(j)
}

// divide decides what a task is: some images or, if images are large or workers would be idle, some
// rows of one image. The choice changes only the time.
func (j *sweepJob) divide(team *blas.Team) {
	j.block = j.sweep.block
	j.group = 1
	if j.block == j.rows {
		j.group = max(1, blockBytes/(4*(j.sourceImage+j.targetImage)))
	}
	workers := team.Workers()
	if workers == 1 {
		return
	}
	j.group = min(j.group, num.CeilDiv(j.images, 2*workers))
	if tasks := num.CeilDiv(j.images, j.group); tasks < workers {
		j.block = min(j.block, num.CeilDiv(j.rows, num.CeilDiv(2*workers, tasks)))
	}
}

// Do computes one task.
func (j *sweepJob) Do(task, worker int) {
	blocks := num.CeilDiv(j.rows, j.block)
	image, row := task/blocks*j.group, task%blocks*j.block
	images := axis{min(j.group, j.images-image), j.sourceImage, j.targetImage}
	source, target := image*j.sourceImage, image*j.targetImage
	t := gemm.Active[float32]()
	for c := 0; c < j.channels; {
		tile, columns := t.TapsFor(j.channels - c)
		p := pixels{
			tile: tile, channels: columns,
			panel: gemm.At(j.filter, j.panels.at(c)), panelRow: j.panels.row,
			bias: j.bias, relu: j.relu, accumulate: j.accumulate,
			target: j.target, source: j.from,
		}
		if p.bias != nil {
			p.bias = gemm.At(p.bias, c)
		}
		for i := range j.regions {
			r := j.regions[i].between(row, row+j.block)
			if r.rows.n > 0 && len(r.planar.taps) == 0 {
				p.taps, p.k = r.taps, r.k
				p.box(r.columns, r.rows, images, target+r.target+c, source+r.source)
			}
		}
		c += columns
	}
	for i := range images.n {
		if j.turns {
			j.planar(&j.planes[worker], image+i, row)
		}
	}
	if j.sums != nil {
		for i := range images.n {
			j.sums.Do((image+i)*blocks+row/j.block, 0)
		}
	}
}

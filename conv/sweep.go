package conv

import "github.com/steppe-ml/steppe/internal/parallel"

// sweep is how a convolution's target is computed from its source directly, with no
// copy of either: the output from the input, or the input's gradient from the
// output's. The target is cut into regions, whose pixels see the same taps.
type sweep struct {
	regions                  []region
	channels                 int // of the target
	sourceImage, targetImage int // floats
	panelRow                 int // floats of a row of the filter's panels
	panelStride              int // floats of a panel
}

// region is a box of pixels of the target that see the same taps of the filter.
type region struct {
	taps           [][2]int // where each begins, in the source and in a panel
	k              int      // floats of the source that follow each other from there on
	source, target int      // of the first pixel, in an image
	rows, columns  axis
}

// axis is one dimension of a box of pixels: how many there are, and how far
// it is from one to the next.
type axis struct{ n, source, target int }

// newSweep returns the sweep over regions of each run of rows with each of
// columns. order is in what order the filter's panels have the taps of a row.
func newSweep(rows, columns []run, order []int, sourceH, sourceW, depth, targetH, targetW, channels, kernelH, panelRow int) *sweep {
	place := make([]int, len(order))
	for i, t := range order {
		place[t] = i
	}
	s := &sweep{
		channels: channels, panelRow: panelRow, panelStride: kernelH * len(order) * depth * panelRow,
		sourceImage: sourceH * sourceW * depth, targetImage: targetH * targetW * channels,
	}
	for _, r := range rows {
		for _, c := range columns {
			box := region{
				k:       depth,
				source:  (r.source*sourceW + c.source) * depth,
				target:  (r.target*targetW + c.target) * channels,
				rows:    axis{r.count, r.move * sourceW * depth, r.step * targetW * channels},
				columns: axis{c.count, c.move * depth, c.step * channels},
			}
			merged := c.taps // the taps of a row that are one
			if adjoining(c, place) {
				merged = merged[:1]
				box.k = len(c.taps) * depth
			}
			for i, u := range r.taps {
				for j, v := range merged {
					box.taps = append(box.taps, [2]int{
						(i*r.gap*sourceW + j*c.gap) * depth,
						(u*len(order) + place[v]) * depth * panelRow,
					})
				}
			}
			s.regions = append(s.regions, box)
		}
	}
	return s
}

// adjoining reports whether the taps of a row lie one behind the other, in the
// source as in a panel: then they are as good as one.
func adjoining(columns run, place []int) bool {
	for i, t := range columns.taps {
		if place[t] != place[columns.taps[0]]+i {
			return false
		}
	}
	return len(columns.taps) > 0 && (columns.gap == 1 || len(columns.taps) == 1)
}

// operands is what a sweep works on.
type operands struct {
	target, source, panels *float32
	bias                   *float32 // nil for none
	relu                   bool
}

// images computes n images from number first on.
func (s *sweep) images(o *operands, first, n int) {
	t := kernels()
	source, target := at(o.source, first*s.sourceImage), at(o.target, first*s.targetImage)
	for j := 0; j < s.channels; {
		tile, columns := t.forColumns(s.channels - j)
		p := pixels{
			tile: tile, n: columns, panelRow: s.panelRow,
			panel: at(o.panels, j/s.panelRow*s.panelStride+j%s.panelRow),
			relu:  o.relu,
		}
		if o.bias != nil {
			p.bias = at(o.bias, j)
		}
		for i := range s.regions {
			r := &s.regions[i]
			p.taps, p.k = r.taps, r.k
			p.box([3]axis{r.columns, r.rows, {n, s.sourceImage, s.targetImage}}, at(target, r.target+j), at(source, r.source))
		}
		j += columns
	}
}

// pixels computes boxes of pixels, for the channels of one panel.
type pixels struct {
	tile        []tileKernel
	n           int // channels
	taps        [][2]int
	k           int
	panel, bias *float32
	panelRow    int
	relu        bool
}

// callWork is the multiply-adds that one call into assembly may take: some tens of
// microseconds.
const callWork = 1 << 21

// box computes a box of pixels: one axis is cut into tiles, one into the lines of
// calls, and one is gone along here.
func (p *pixels) box(axes [3]axis, target, source *float32) {
	across, down, along := axes[0], axes[1], axes[2]
	for _, i := range []int{1, 2} {
		if p.fullness(axes[i].n) > p.fullness(across.n) {
			across, down, along = axes[i], axes[(i+1)%3], axes[(i+2)%3]
		}
	}
	if along.n > down.n {
		down, along = along, down
	}
	tiles := ceilDiv(across.n, len(p.tile))
	height, taller := across.n/tiles, across.n%tiles
	for range along.n {
		if taller > 0 {
			p.lines(height+1, taller, across, down, target, source)
		}
		if rest := tiles - taller; rest > 0 {
			done := taller * (height + 1)
			p.lines(height, rest, across, down, at(target, done*across.target), at(source, done*across.source))
		}
		target, source = at(target, along.target), at(source, along.source)
	}
}

// fullness is what part of the FMA units' time the tiles of n pixels use: an FMA
// takes 4 cycles and 2 begin in each, so 8 vectors must be under way.
func (p *pixels) fullness(n int) int {
	return min(n/ceilDiv(n, len(p.tile)), 6)
}

// lines computes tiles of a height, line below line.
func (p *pixels) lines(height, tiles int, across, down axis, target, source *float32) {
	var taps *[2]int
	if len(p.taps) > 0 {
		taps = &p.taps[0]
	}
	next := down.source
	if tiles > 1 {
		next = height * across.source
	}
	ask := height*across.source/16 + 1
	if across.source > 2*p.k {
		ask = 0
	}
	work := max(1, height*p.n*p.k*len(p.taps))
	atOnce := max(1, callWork/(work*tiles))
	for i := 0; i < down.n; i += atOnce {
		p.tile[height-1](min(atOnce, down.n-i), tiles, p.n, taps, len(p.taps), p.k,
			at(source, i*down.source), across.source, 1, height*across.source, down.source, next, ask,
			p.panel, p.panelRow, at(target, i*down.target), across.target, down.target,
			false, p.bias, p.relu)
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// sweepJob is a sweep shared out among workers.
type sweepJob struct {
	*sweep
	operands
	batch, group int // images, and how many of them are a task
}

func (j *sweepJob) run(team *parallel.Team) { team.Run(ceilDiv(j.batch, j.group), j) }

// Do computes one group of images.
func (j *sweepJob) Do(task, _ int) {
	first := task * j.group
	j.images(&j.operands, first, min(j.group, j.batch-first))
}

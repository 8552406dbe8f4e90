package conv

import (
	"unsafe"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/simd"
)

// gradient is the plan for computing a filter's gradient directly. For each row of taps, and each
// run of output columns that see the same taps, the gradient is a matrix product over output
// pixels: the transposed input times the output's gradient. Kernels read them in place, or copies
// of chunks of them (chunk.go).
//
// Pixels are summed in chunks, in ascending order: kernels sum a chunk in registers and then add it
// to the gradient.
type gradient struct {
	pieces       []piece
	groups       []int // where each group of pieces ends; groups have nothing in common
	in, out      plane
	outRows      int
	images, rows int // of a chunk: so many images, or so many rows of one
	parts        int // sums of chunks that are kept apart until the end
	size         int // floats of the gradient
	packing
}

// plane is how output pixels lie in a side of the convolution: floats from one to
// the next, from row to row, and from image to image.
type plane struct{ pixel, row, image int }

// piece is a part of the gradient: some taps of one row of the filter, times some
// output channels, over the columns that see them.
type piece struct {
	m, n                       int // of the gradient: taps times input channels, and output channels
	to                         int // where it begins there
	in, out                    int // where its first pixel lies if row 0 of the output is the first
	inRow, inColumn, outColumn int // of that pixel
	from, panel                int // the first of the input's channels, and the panel of the output's
	first, end                 int // rows of the output that see this row of taps
	columns                    int
}

// bench/tune measures these, and enoughChannels and mostAhead below.
var (
	// chunkPixels is about the number of products that are summed in a register, as long as their
	// operands fit chunkFloats, a part of the L2 cache.
	chunkPixels, chunkFloats = 512, 1 << 16
	// pieceRows is about the rows of a piece: some tiles for one call.
	pieceRows = 96
	// With fewGroups or fewer, workers would have to wait for each other, and a sum takes little
	// memory: then up to maxParts sums are kept.
	fewGroups = 6
)

const maxParts = 4

func newGradient(g Geometry) *gradient {
	gr := &gradient{
		in:      plane{g.StrideW * g.InC, g.StrideH * g.InW * g.InC, g.InSize()},
		out:     plane{g.OutC, g.OutW() * g.OutC, g.OutSize()},
		outRows: g.OutH(), size: g.FilterSize(),
	}
	pixels := g.OutH() * g.OutW()
	chunk := max(1, min(chunkPixels, chunkFloats/(g.InC*g.StrideH*g.StrideW+g.OutC)))
	gr.images, gr.rows = max(1, chunk/pixels), gr.outRows
	if gr.images == 1 {
		gr.rows = num.CeilDiv(gr.outRows, num.CeilDiv(pixels, 2*chunk))
	}
	for channel := 0; channel < g.OutC; channel += gemm.Active[float32]().NR {
		for u := range g.KernelH {
			for _, run := range gr.runs(g) {
				adjoining := len(run.taps)
				if run.gap != 1 {
					adjoining = 1
				}
				for t := 0; t < len(run.taps); t += adjoining {
					gr.add(g, u, channel, run, t, adjoining)
				}
			}
			gr.groups = append(gr.groups, len(gr.pieces))
		}
	}
	gr.packing = newPacking(g)
	gr.parts = 1
	if len(gr.groups) < fewGroups {
		gr.parts = maxParts
	}
	return gr
}

// runs returns the columns of the output with the taps that they see: column by column,
// or, where a tap alone has channels enough for tiles, tap by tap. So there are no runs
// of the few columns at the edges, whose pixels lie a row apart.
func (gr *gradient) runs(g Geometry) (runs []run) {
	columns := g.columns()
	if g.InC < enoughChannels {
		return columns.forward()
	}
	for t := range columns.kernel {
		first := num.CeilDiv(max(0, columns.pad-t*columns.dilation), columns.stride)
		end := min(columns.out, num.CeilDiv(max(0, columns.in+columns.pad-t*columns.dilation), columns.stride))
		if first < end {
			source := first*columns.stride - columns.pad + t*columns.dilation
			runs = append(runs, run{target: first, step: 1, count: end - first, taps: []int{t}, source: source, move: columns.stride, gap: 1})
		}
	}
	return runs
}

// enoughChannels of the input fill tiles.
var enoughChannels = 12

// add adds the pieces for some adjoining taps of row u of the filter, from tap
// number t of a run on, and for a panel of output channels.
func (gr *gradient) add(g Geometry, u, channel int, r run, t, adjoining int) {
	p := piece{columns: r.count, n: min(gemm.Active[float32]().NR, g.OutC-channel)}
	at := u*g.DilationH - g.PadTop // the row of the input that row 0 of the output sees
	p.first = min(gr.outRows, num.CeilDiv(max(0, -at), g.StrideH))
	p.end = max(p.first, min(gr.outRows, num.CeilDiv(max(0, g.InH-at), g.StrideH)))
	rows := adjoining * g.InC
	cuts := num.CeilDiv(rows, pieceRows)
	for cut := range cuts {
		i0, i1 := parallel.Cut(rows, 1, cuts, cut)
		p.m = i1 - i0
		p.to = ((u*g.KernelW+r.taps[t])*g.InC+i0)*g.OutC + channel
		p.inRow, p.inColumn, p.outColumn = at, r.source+t*r.gap, r.target
		p.from, p.panel = i0, channel/gemm.Active[float32]().NR
		p.in = (p.inRow*g.InW+p.inColumn)*g.InC + i0
		p.out = r.target*g.OutC + channel
		gr.pieces = append(gr.pieces, p)
	}
}

// blocks is how many blocks of rows an image is cut into.
func (gr *gradient) blocks() int { return num.CeilDiv(gr.outRows, gr.rows) }

// gradientJob is a team's job: the gradient over some images.
type gradientJob struct {
	*gradient
	dw, x, dy []float32
	bias      []float32 // its gradient; nil if not wanted
	batch     int
	parts     int
	bundles   int // tasks that each part's groups are shared out to

	sums   []float32    // of the parts but the first; kept for the next job
	biases []float64    // by part: two by channel; kept
	lists  [][4]tapList // a worker's, of one tap and more, for tiles of either height; kept
	packed []chunk      // a worker's; kept
}

var gradientJobs parallel.Pool[gradientJob]

func (gr *gradient) run(team *blas.Team, images int, dw, x, dy []float32, opt Options) {
	j := gradientJobs.Get()
	j.gradient, j.dw, j.x, j.dy, j.bias, j.batch = gr, dw, x, dy, opt.Bias, images
	j.parts = min(gr.parts, j.chunks())
	j.bundles = 1
	if j.parts == 1 {
		j.bundles = min(team.Workers(), len(gr.groups))
	}
	for len(j.lists) < team.Workers() {
		j.lists, j.packed = append(j.lists, [4]tapList{}), append(j.packed, chunk{})
	}
	if !opt.Accumulate {
		clear(dw)
	}
	channels := gr.out.pixel
	if n := 2 * channels * j.parts; len(j.biases) < n {
		j.biases = make([]float64, n)
	}
	clear(j.biases)
	if others := (j.parts - 1) * gr.size; others > 0 {
		j.sums = gemm.Grow(j.sums, others)
		clear(j.sums[:others])
	}
	team.Run(j.parts*j.bundles, j)
	for part := range j.parts - 1 {
		simd.Add(dw, dw, j.sums[part*gr.size:][:gr.size])
	}
	if opt.Bias != nil {
		total := j.biases[:channels]
		for part := range j.parts - 1 {
			for i, s := range j.biases[2*channels*(part+1):][:channels] {
				total[i] += s
			}
		}
		setBias(opt.Bias, total, opt.Accumulate)
	}
	*j = gradientJob{sums: j.sums, biases: j.biases, lists: j.lists, packed: j.packed}
	gradientJobs.Put(j)
}

func (j *gradientJob) chunks() int { return num.CeilDiv(j.batch, j.images) * j.blocks() }

// Do sums one part of the chunks for one bundle of groups.
func (j *gradientJob) Do(task, worker int) {
	part, bundle := task/j.bundles, task%j.bundles
	dw := j.dw
	if part > 0 {
		dw = j.sums[(part-1)*j.size:][:j.size]
	}
	c0, c1 := parallel.Cut(j.chunks(), 1, j.parts, part)
	g0, g1 := parallel.Cut(len(j.groups), 1, j.bundles, bundle)
	p0, p1 := 0, j.groups[g1-1]
	if g0 > 0 {
		p0 = j.groups[g0-1]
	}
	for c := c0; c < c1; c++ {
		image, row := c/j.blocks()*j.images, c%j.blocks()*j.rows
		if j.bias != nil && bundle == 0 {
			j.addBias(j.biases[2*part*j.out.pixel:], image, row)
		}
		var ahead lookahead
		if c+1 < c1 {
			ahead = j.lookahead(c + 1)
		}
		if p0 == p1 { // all taps see padding alone
			continue
		}
		packed := &j.packed[worker]
		packed.fill(j, image, row, j.pieces[p0].panel, j.pieces[p1-1].panel+1)
		for i := p0; i < p1; i++ {
			j.sum(&j.pieces[i], packed, dw, &ahead, worker)
		}
	}
}

// lookahead is the next chunk's part of dy, which kernels prefetch while they compute this chunk. A
// chunk's first piece would read dy faster than memory beyond the L2 cache delivers it; the other
// pieces find it in the cache.
type lookahead struct {
	from        *float32
	lines, done int // cache lines, and those that have been asked for
}

func (j *gradientJob) lookahead(c int) lookahead {
	image, row := c/j.blocks()*j.images, c%j.blocks()*j.rows
	images, rows := min(j.images, j.batch-image), min(j.rows, j.outRows-row)
	return lookahead{from: &j.dy[image*j.out.image+row*j.out.row], lines: images * rows * j.out.row / lineFloats}
}

// next returns what a call is to ask for, whose taps are so many floats apart: the
// place of the first line counted from a, and the lines for each tap.
func (l *lookahead) next(a *float32, taps, apart int) (from, lines int) {
	lines = apart / lineFloats
	if l.done >= l.lines || taps < 2 || lines < 1 || lines > mostAhead {
		return 0, 0
	}
	from = int(uintptr(unsafe.Pointer(l.from))-uintptr(unsafe.Pointer(a)))/4 + l.done*lineFloats
	l.done += lines * taps
	return from, lines
}

// mostAhead is the most lines to prefetch at a tap. A core can wait for some 20 lines at once. A
// row of a stem's input has this many; larger inputs take longer to multiply, and need no more.
var mostAhead = 8

// addBias adds the sums of the chunk's part of dy, which is about to be read anyway.
func (j *gradientJob) addBias(to []float64, image, row int) {
	first, n := image*j.out.image+row*j.out.row, min(j.rows, j.outRows-row)*j.out.row
	if j.images > 1 {
		n = min(j.images, j.batch-image) * j.out.image
	}
	c := j.out.pixel
	simd.ChannelSums(j.dy[first:][:n], to[:c:c], to[c:2*c:2*c])
}

// setBias sets the gradient of a bias to sums, or adds them.
func setBias(bias []float32, sums []float64, accumulate bool) {
	for i, s := range sums {
		if accumulate {
			s += float64(bias[i])
		}
		bias[i] = float32(s)
	}
}

// sum adds what a chunk makes of a piece.
func (j *gradientJob) sum(p *piece, c *chunk, dw []float32, ahead *lookahead, worker int) {
	first, end := max(c.row, p.first), min(c.row+j.rows, p.end)
	if end <= first {
		return
	}
	o := orderOf(p.columns, end-first, j.in, j.out)
	tile, _ := gemm.Active[float32]().TapsFor(p.n)
	if j.packing.input {
		tile = tile[:j.tallest]
	}
	tiles, height, taller := gemm.CutRows(p.m, len(tile))
	dy, out := c.gradientOf(j, p, first)
	done := taller * (height + 1)
	for i, part := range [2]struct{ from, tiles, height int }{{0, taller, height + 1}, {done, tiles - taller, height}} {
		if part.tiles == 0 {
			continue
		}
		x, in, aTile := c.inputOf(j, p, first, part.from, part.height)
		s := o.along(in, out, c.images)
		which := 0
		if s.taps == 1 { // this is quickly made, and mustn't replace a long list
			which = 1
		}
		if j.packing.input {
			which += 2 * i
		}
		list := j.lists[worker][which].list(s)
		next, lines := ahead.next(x, len(list), s.aTap)
		tile[part.height-1](1, part.tiles, p.n, &list[0], len(list), s.k, x, 1, s.aCol, aTile, 0, next, lines,
			dy, s.bRow, gemm.At(&dw[0], p.to+part.from*j.out.pixel), j.out.pixel, 0, true, nil, false)
	}
}

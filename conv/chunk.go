package conv

import (
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// packing says which operands of a filter's gradient are copied, chunk by chunk, into the order in
// which kernels read them. In place, a tile and a panel are a few channels of each pixel. Pixels of
// many channels fall into few sets of the L1 cache, so kernels would read both from the L2 cache
// for each tile again.
type packing struct {
	input, output                 bool // what is copied
	tallest                       int  // rows of a tile, if the input is copied
	inChannels, inWidth, inHeight int
	strideH, padTop, reach        int // of the rows of the input that a row of the output sees
	width                         int // of the output
}

// An operand is copied if so many products, at least, read it: tiles of the gradient for the
// output's, taps and panels for the input.
const leastUses = 4

func newPacking(g Geometry) packing {
	t := gemm.Active[float32]()
	p := packing{
		inChannels: g.InC, inWidth: g.InW, inHeight: g.InH,
		strideH: g.StrideH, padTop: g.PadTop, reach: reach(g.KernelH, g.DilationH), width: g.OutW(),
	}
	kernels, _ := t.TapsFor(g.OutC)
	last, _ := t.TapsFor((g.OutC-1)%t.NR + 1)
	p.tallest = len(kernels)
	taps := g.KernelH * g.KernelW
	// Pixels of a cache line or less don't fight. All panels must have tiles of the same rows,
	// which CopyChannels must know.
	p.input = t.CopyChannels != nil && g.InC >= enoughChannels && g.InC*g.StrideW > lineFloats && len(last) >= p.tallest &&
		shortestTile(g.InC, p.tallest) >= 4 && taps*num.CeilDiv(g.OutC, t.NR) >= leastUses
	p.output = t.CopyChannels != nil && g.OutC > t.NR && taps*num.CeilDiv(g.InC, p.tallest) >= leastUses
	return p
}

// shortestTile returns the least rows of the tiles that channels are cut into.
func shortestTile(channels, tallest int) int {
	shortest := tallest
	cuts := num.CeilDiv(channels, pieceRows)
	for cut := range cuts {
		i, end := parallel.Cut(channels, 1, cuts, cut)
		_, height, _ := gemm.CutRows(end-i, tallest)
		shortest = min(shortest, height)
	}
	return shortest
}

// chunk is some pixels of the output that are summed at once, with copies of what packing says.
type chunk struct {
	image, row, images int       // the first image, its first row, and how many images
	pixels             int       // of the output
	x, dy              []float32 // the copies; kept for the next chunk

	// Of the copied input: the first row of an image and how many there are, how many of them are
	// a stride apart, and the pixels from one image to the next.
	first, rows, phase, imagePixels int
}

// fill makes c the chunk that begins at a row of an image. Of dy it copies panels panel to end.
func (c *chunk) fill(j *gradientJob, image, row, panel, end int) {
	c.image, c.row, c.images = image, row, min(j.images, j.batch-image)
	rows := min(j.rows, j.outRows-row)
	c.pixels = c.images * rows * j.width
	if j.packing.output {
		c.packOutput(j, panel, end)
	}
	if j.packing.input {
		c.first, c.rows = 0, j.inHeight
		if c.images == 1 {
			c.first = max(0, row*j.strideH-j.padTop)
			c.rows = max(0, min(j.inHeight, (row+rows-1)*j.strideH-j.padTop+j.reach)-c.first)
		}
		c.packInput(j)
	}
}

// packOutput copies the output's gradient, panel by panel.
func (c *chunk) packOutput(j *gradientJob, panel, end int) {
	t := gemm.Active[float32]()
	size := c.pixels * t.NR
	c.dy = gemm.Grow(c.dy, num.CeilDiv(j.out.pixel, t.NR)*size)
	from := panel * t.NR
	dy := gemm.ViewOf(&j.dy[c.image*j.out.image+c.row*j.out.row+from], j.out.pixel, 1)
	gemm.PackPanels(t, dy, c.pixels, min(j.out.pixel, end*t.NR)-from, c.dy[panel*size:], size)
}

// packInput copies the channels of each tile to a place of their own, pixel by pixel. Rows that are
// a stride apart follow each other there.
func (c *chunk) packInput(j *gradientJob) {
	width, channels := j.inWidth, j.inChannels
	c.phase = num.CeilDiv(c.rows, j.strideH)
	c.imagePixels = j.strideH * c.phase * width
	pixels := c.images * c.imagePixels
	c.x = gemm.Grow(c.x, channels*pixels)
	copyChannels := gemm.Active[float32]().CopyChannels
	block := max(1, copyFloats/channels)
	cuts := num.CeilDiv(channels, pieceRows)
	for row := range c.images * c.rows {
		image, r := row/c.rows, row%c.rows
		from := ((c.image+image)*j.inHeight + c.first + r) * width
		to := image*c.imagePixels + (r%j.strideH*c.phase+r/j.strideH)*width
		for p := 0; p < width; p += block {
			n := min(block, width-p)
			for cut := range cuts {
				i, end := parallel.Cut(channels, 1, cuts, cut)
				tiles, height, taller := gemm.CutRows(end-i, j.tallest)
				x := gemm.At(&j.x[0], (from+p)*channels+i)
				if taller > 0 {
					h := height + 1
					copyChannels(n, taller, h, x, channels, block*channels, &c.x[i*pixels+(to+p)*h], pixels*h)
				}
				i += taller * (height + 1)
				x = gemm.At(x, taller*(height+1))
				copyChannels(n, tiles-taller, height, x, channels, block*channels, &c.x[i*pixels+(to+p)*height], pixels*height)
			}
		}
	}
}

// copyFloats is about the floats of the pixels that are copied tile by tile: a quarter of the L1
// cache.
const copyFloats = 2048

// inputOf returns where the kernels find the input of tiles of a height, for a piece's channels
// from number from on: its first pixel, if the output's rows begin at first, how its pixels lie,
// and how far it is from tile to tile.
func (c *chunk) inputOf(j *gradientJob, p *piece, first, from, height int) (x *float32, in plane, next int) {
	if !j.packing.input {
		return gemm.At(&j.x[0], c.image*j.in.image+first*j.in.row+p.in+from), j.in, height
	}
	row := p.inRow + first*j.strideH - c.first
	pixel := (row%j.strideH*c.phase+row/j.strideH)*j.inWidth + p.inColumn
	next = c.images * c.imagePixels
	in = plane{j.in.pixel / j.inChannels * height, j.inWidth * height, c.imagePixels * height}
	return gemm.At(&c.x[0], (p.from+from)*next+pixel*height), in, next * height
}

// gradientOf returns where the kernels find the output's gradient at a piece's first pixel of row
// first, and how its pixels lie.
func (c *chunk) gradientOf(j *gradientJob, p *piece, first int) (dy *float32, out plane) {
	if !j.packing.output {
		return gemm.At(&j.dy[0], c.image*j.out.image+first*j.out.row+p.out), j.out
	}
	nr := gemm.Active[float32]().NR
	pixel := (first-c.row)*j.width + p.outColumn
	out = plane{nr, j.width * nr, j.outRows * j.width * nr}
	return gemm.At(&c.dy[0], (p.panel*c.pixels+pixel)*nr), out
}

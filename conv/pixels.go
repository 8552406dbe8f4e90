package conv

import (
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
)

// pixels computes boxes of pixels of a target, for the channels of one panel.
type pixels struct {
	tile        []gemm.TapKernel[float32]
	channels    int
	taps        [][2]int
	k           int
	panel, bias *float32
	panelRow    int
	accumulate  bool
	relu        bool

	target, source *float32 // that places are counted from: pointers are made of them where there is a pixel
}

// box computes a box of pixels, the first of which is at places target and source: one of its axes
// is cut into tiles, one into the lines of calls, and one is gone along here.
func (p *pixels) box(columns, rows, images axis, target, source int) {
	across, down, along := columns, rows, images
	if p.fullness(rows.n) > p.fullness(across.n) {
		across, down, along = rows, columns, images
	}
	if p.fullness(images.n) > p.fullness(across.n) {
		across, down, along = images, rows, columns
	}
	if along.n > down.n {
		down, along = along, down
	}
	tiles, height, taller := gemm.CutRows(across.n, len(p.tile))
	for range along.n {
		p.lines(height+1, taller, across, down, target, source)
		done := taller * (height + 1)
		p.lines(height, tiles-taller, across, down, target+done*across.target, source+done*across.source)
		target, source = target+along.target, source+along.source
	}
}

// fullness is how well tiles of n pixels keep the FMA units busy: an FMA takes 4
// cycles and 2 vectors' begin in each, so a tile needs 4 rows of 2 vectors; and
// with some rows more, the filter is read less often.
func (p *pixels) fullness(n int) int { return min(n/num.CeilDiv(n, len(p.tile)), 6) }

// lines computes lines of tiles of a height.
func (p *pixels) lines(height, tiles int, across, down axis, target, source int) {
	if tiles == 0 {
		return
	}
	var tap *[2]int
	if len(p.taps) > 0 {
		tap = &p.taps[0]
	}
	// The next line's pixels are asked for in this one, if they lie together.
	ask := 0
	if across.source <= 2*p.k {
		ask = num.CeilDiv(height*across.source, lineFloats)
	}
	atOnce := max(1, callWork/max(1, height*tiles*p.channels*p.k*len(p.taps)))
	for i := 0; i < down.n; i += atOnce {
		p.tile[height-1](min(atOnce, down.n-i), tiles, p.channels, tap, len(p.taps), p.k,
			gemm.At(p.source, source+i*down.source), across.source, 1, height*across.source, down.source, down.source, ask,
			p.panel, p.panelRow, gemm.At(p.target, target+i*down.target), across.target, down.target,
			p.accumulate, p.bias, p.relu)
	}
}

// callWork is the multiply-adds that one call into assembly may take: some tens of
// microseconds.
const callWork = 1 << 21

// lineFloats is the floats of a cache line.
const lineFloats = 16

package conv

import (
	"unsafe"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
)

// A target of few channels, such as the three of a stem's input, would fill few lanes of a vector.
// Its tiles are turned instead: the columns of a tile are neighboring pixels, and its rows the
// channels. Kernels then read the source's pixels of one channel side by side, so rows of the
// source are transposed to planes first, [row, channel, column]. Each element is the same sum as
// before, and regions of few columns, at the edges, keep their usual tiles.
const (
	fewChannels   = 4 // of the target
	leastColumns  = 8 // of a region
	leastChannels = 8 // of the source
)

// planar is how the turned tiles of a region are computed. It has no taps if the region has none.
type planar struct {
	taps         [][2]int // where each begins in a panel, and in the planes
	row, column  int      // of the source: those that the first pixel's first tap sees
	move, height int      // rows of the source: to the next pixel, and that a pixel sees
}

// planeRow is the floats from a channel to the next in planes of so many columns: an odd number of
// cache lines, so that channels don't fight for the same ones.
func planeRow(columns int) int { return (num.CeilDiv(columns, lineFloats) | 1) * lineFloats }

// newPlanar returns how the turned tiles of the region of some rows and columns are computed.
func newPlanar(source, target side, rows, columns run, p *panels) (pl planar) {
	if target.channels > fewChannels || source.channels < leastChannels || columns.move != 1 || columns.count < leastColumns ||
		len(rows.taps)*len(columns.taps) == 0 {
		return planar{}
	}
	pl = planar{row: rows.source, column: columns.source, move: rows.move, height: (len(rows.taps)-1)*rows.gap + 1}
	for i, u := range rows.taps {
		for j, v := range columns.taps {
			pl.taps = append(pl.taps, [2]int{p.tap(u, v), i*rows.gap*source.channels*planeRow(source.w) + j*columns.gap})
		}
	}
	return pl
}

// planes is a worker's memory for turned tiles; kept for the next job.
type planes struct {
	source []float32 // rows of an image, as planes
	tile   []float32 // of sums
}

// planar computes the regions that have turned tiles, in a block of rows of an image.
func (j *sweepJob) planar(m *planes, image, row int) {
	first, end := j.source.h, 0
	for i := range j.regions {
		if r := j.regions[i].between(row, row+j.block); len(r.planar.taps) > 0 && r.rows.n > 0 {
			first = min(first, r.planar.row)
			end = max(end, r.planar.row+(r.rows.n-1)*r.planar.move+r.planar.height)
		}
	}
	if first >= end {
		return
	}
	m.fill(j, image, first, end)
	for i := range j.regions {
		r := j.regions[i].between(row, row+j.block)
		if len(r.planar.taps) == 0 {
			continue
		}
		for y := range r.rows.n {
			from := (r.planar.row+y*r.planar.move-first)*j.source.channels*planeRow(j.source.w) + r.planar.column
			j.turned(m, &r, from, image*j.targetImage+r.target+y*r.rows.target)
		}
	}
}

// fill transposes rows first to end of an image.
func (m *planes) fill(j *sweepJob, image, first, end int) {
	t, s := gemm.Active[float32](), &j.source
	size := s.channels * planeRow(s.w)
	m.source = gemm.Grow(m.source, (end-first)*size)
	for row := first; row < end; row++ {
		pixels := gemm.ViewOf(gemm.At(j.from, image*j.sourceImage+row*s.w*s.channels), 1, s.channels) // [channel, pixel]
		gemm.Transpose(t, pixels, s.channels, s.w, m.source[(row-first)*size:], planeRow(s.w))
	}
}

// turned computes a row of a region by turned tiles. The first pixel is at place target, and its
// first tap at place source of the planes.
func (j *sweepJob) turned(m *planes, r *region, source, target int) {
	t := gemm.Active[float32]()
	m.tile = gemm.Grow(m.tile, fewChannels*t.NR)
	for done := 0; done < r.columns.n; {
		tile, n := t.TapsFor(r.columns.n - done)
		tile[j.channels-1](1, 1, n, &r.planar.taps[0], len(r.planar.taps), j.source.channels, j.filter, 1, j.panels.row, 0, 0, 0, 0,
			&m.source[source+done], planeRow(j.source.w), &m.tile[0], n, 0, false, nil, false)
		to := unsafe.Slice(gemm.At(j.target, target+done*r.columns.target), (n-1)*r.columns.target+j.channels)
		j.spread(to, m.tile[:j.channels*n], r.columns.target)
		done += n
	}
}

// spread writes a turned tile of sums, channel by channel, to pixels that are step floats apart.
func (j *sweepJob) spread(to, sums []float32, step int) {
	n := len(sums) / j.channels
	if j.channels == 3 && !j.accumulate && j.bias == nil && !j.relu { // a stem's gradient
		r, g, b := sums[:n], sums[n:][:n], sums[2*n:][:n]
		for i := range r {
			pixel := to[i*step:][:3]
			pixel[0], pixel[1], pixel[2] = r[i], g[i], b[i]
		}
		return
	}
	for i, sum := range sums {
		c := i / n
		at := &to[i%n*step+c]
		if j.accumulate {
			sum += *at
		}
		if j.bias != nil {
			sum += *gemm.At(j.bias, c)
		}
		if j.relu && sum < 0 {
			sum = 0
		}
		*at = sum
	}
}

package conv

import (
	"unsafe"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/simd"
)

// units is how sums over the pixels of an output are cut: by images, and large ones
// by blocks of rows. Each unit is summed by itself, and units are added up in order.
// Nothing but the geometry decides, so no bit depends on the workers.
type units struct{ channels, rowFloats, rows, block int }

func (u *units) blocks() int { return num.CeilDiv(u.rows, u.block) }

// sumsJob sums channels, and their squares, unit by unit.
type sumsJob struct {
	*units
	y    *float32
	sums []float64 // by unit: two by channel; kept for the next job
}

var sumsJobs parallel.Pool[sumsJob]

// newSumsJob returns a job for y, of so many images.
func newSumsJob(u *units, y []float32, images int) *sumsJob {
	j := sumsJobs.Get()
	j.units, j.y = u, &y[0]
	n := 2 * u.channels * images * u.blocks()
	if cap(j.sums) < n {
		j.sums = make([]float64, n)
	}
	j.sums = j.sums[:n]
	clear(j.sums)
	return j
}

// Do sums one unit.
func (j *sumsJob) Do(unit, _ int) {
	image, row := unit/j.blocks(), unit%j.blocks()*j.block
	rows := min(j.block, j.rows-row)
	y := unsafe.Slice(gemm.At(j.y, (image*j.rows+row)*j.rowFloats), rows*j.rowFloats)
	c := j.channels
	sums := j.sums[2*c*unit:]
	simd.ChannelSums(y, sums[:c:c], sums[c:2*c:2*c])
}

// total adds up the units' sums, in the first's, and returns them.
func (j *sumsJob) total() []float64 {
	n := 2 * j.channels
	for from := n; from < len(j.sums); from += n {
		for i, s := range j.sums[from:][:n] {
			j.sums[i] += s
		}
	}
	return j.sums[:n]
}

func (j *sumsJob) release() {
	*j = sumsJob{sums: j.sums}
	sumsJobs.Put(j)
}

// sumChannels returns a job that has done all units of y.
func (u *units) sumChannels(team *blas.Team, images int, y []float32) *sumsJob {
	j := newSumsJob(u, y, images)
	team.Run(images*u.blocks(), j)
	return j
}

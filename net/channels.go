package net

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// channelRows is the samples of a tensor as rows of channels, the last dimension,
// cut into units: the pieces that workers take, whose sums are added up in order. A
// unit is an image, or a part of a large one, or some flat samples: nothing but the
// shape decides.
type channelRows struct {
	channels int
	groups   int // images, or groups of flat samples
	group    int // rows of one; the last may have fewer
	rows     int // of all
	parts    int // of a group
}

const (
	unitFloats  = 1 << 15 // about, of a part of an image
	flatSamples = 64
)

func rowsOfChannels(t op.Tensor) channelRows {
	channels := t.Shape[len(t.Shape)-1]
	sample := t.Shape.Size() / channels
	r := channelRows{channels: channels, groups: t.N, group: sample, rows: t.N * sample, parts: 1}
	if sample > 1 {
		r.parts = (sample*channels + unitFloats - 1) / unitFloats
	} else {
		r.group, r.groups = flatSamples, (t.N+flatSamples-1)/flatSamples
	}
	return r
}

func (r channelRows) units() int { return r.groups * r.parts }

// of returns unit u's part of a tensor's data; nil of nil.
func (r channelRows) of(x []float32, u int) []float32 {
	if x == nil {
		return nil
	}
	first := u / r.parts * r.group
	from, to := parallel.Cut(min(r.group, r.rows-first), 1, r.parts, u%r.parts)
	return x[(first+from)*r.channels : (first+to)*r.channels]
}

// row returns the first row of unit u.
func (r channelRows) row(u int) int {
	first := u / r.parts * r.group
	from, _ := parallel.Cut(min(r.group, r.rows-first), 1, r.parts, u%r.parts)
	return first + from
}

// channelJob is work on rows of channels, unit by unit.
type channelJob struct {
	channelRows
	do func(j *channelJob, u int) // no closure

	dst, x, z, d         []float32
	center, scale, shift []float32
	q, r                 []float32
	eps                  float64
	relu                 bool

	sums []float64 // by unit: two by channel; kept for the next job
}

var channelJobs parallel.Pool[channelJob]

// Do does one unit's work.
func (j *channelJob) Do(u, _ int) { j.do(j, u) }

// unitSums returns where unit u's two sums go.
func (j *channelJob) unitSums(u int) (a, b []float64) {
	c := j.channels
	return j.sums[2*c*u:][:c:c], j.sums[2*c*u+c:][:c:c]
}

// buffer returns n float64 of the job's.
func (j *channelJob) buffer(n int) []float64 {
	if cap(j.sums) < n {
		j.sums = make([]float64, n)
	}
	j.sums = j.sums[:n]
	return j.sums
}

// sum runs the job, which adds to each unit's sums, and returns their totals, which
// stay until the job's next use.
func (j *channelJob) sum(team *blas.Team) (a, b []float64) {
	n := 2 * j.channels * j.units()
	clear(j.buffer(n))
	team.Run(j.units(), j)
	total := j.sums[:2*j.channels]
	for u := 1; u < j.units(); u++ {
		for i, v := range j.sums[2*j.channels*u:][:2*j.channels] {
			total[i] += v
		}
	}
	return total[:j.channels], total[j.channels:]
}

func newChannelJob(t op.Tensor, do func(j *channelJob, u int)) *channelJob {
	j := channelJobs.Get()
	j.channelRows, j.do = rowsOfChannels(t), do
	return j
}

func (j *channelJob) release() {
	*j = channelJob{sums: j.sums}
	channelJobs.Put(j)
}

// sumUnit sums a unit's channels, and their squares.
func sumUnit(j *channelJob, u int) {
	sum, squares := j.unitSums(u)
	simd.ChannelSums(j.of(j.x, u), sum, squares)
}

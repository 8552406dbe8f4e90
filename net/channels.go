package net

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// channelRows views the samples of a tensor as rows of channels, the last dimension. Workers take
// them in pieces, whose sums are added up in order. A piece is an image, a part of a large image,
// or some flat samples or rows of a sequence. The shape alone decides how the rows are cut.
type channelRows struct {
	channels int
	groups   int // images, or groups of flat samples or rows
	group    int // rows of a group; the last group may have fewer
	rows     int // of all groups
	parts    int // pieces of a group
}

const (
	pieceFloats = 1 << 15 // of a part of an image, about
	flatSamples = 64      // of a group, or rows of a sequence
)

func rowsOfChannels(t op.Tensor) channelRows {
	channels := t.Shape[len(t.Shape)-1]
	sample := t.Shape.Size() / channels
	r := channelRows{channels: channels, groups: t.N, group: sample, rows: t.N * sample, parts: 1}
	if t.Starts != nil {
		r.rows = t.Rows()
		r.group, r.groups = flatSamples, num.CeilDiv(r.rows, flatSamples)
	} else if sample > 1 {
		r.parts = num.CeilDiv(sample*channels, pieceFloats)
	} else {
		r.group, r.groups = flatSamples, num.CeilDiv(t.N, flatSamples)
	}
	return r
}

func (r channelRows) pieces() int { return r.groups * r.parts }

// of returns piece u of a tensor's data, and nil if x is nil.
func (r channelRows) of(x []float32, u int) []float32 {
	if x == nil {
		return nil
	}
	first := u / r.parts * r.group
	from, to := parallel.Cut(min(r.group, r.rows-first), 1, r.parts, u%r.parts)
	return x[(first+from)*r.channels : (first+to)*r.channels]
}

// row returns the first row of piece u.
func (r channelRows) row(u int) int {
	first := u / r.parts * r.group
	from, _ := parallel.Cut(min(r.group, r.rows-first), 1, r.parts, u%r.parts)
	return first + from
}

// channelJob is a team's job on rows of channels, piece by piece.
type channelJob struct {
	channelRows
	do func(j *channelJob, u int) // not a closure, which would be allocated

	dst, x, z, d         []float32
	center, scale, shift []float32
	q, r                 []float32
	epsilon              float64
	relu                 bool

	sums []float64 // by piece: two sums a channel; the memory is kept for the next job
}

var channelJobs parallel.Pool[channelJob]

// Do works on one piece.
func (j *channelJob) Do(u, _ int) { j.do(j, u) }

// pieceSums returns the two sums of piece u, by channel.
func (j *channelJob) pieceSums(u int) (a, b []float64) {
	c := j.channels
	return j.sums[2*c*u:][:c:c], j.sums[2*c*u+c:][:c:c]
}

// buffer returns room for n sums.
func (j *channelJob) buffer(n int) []float64 {
	j.sums = room(j.sums, n)
	return j.sums
}

// sum runs a job that adds to the sums of each piece, and returns their totals by channel. They are
// valid until the job's next use.
func (j *channelJob) sum(team *blas.Team) (a, b []float64) {
	n := 2 * j.channels * j.pieces()
	clear(j.buffer(n))
	team.Run(j.pieces(), j)
	total := j.sums[:2*j.channels]
	for u := 1; u < j.pieces(); u++ {
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

// sumPiece sums a piece's channels, and their squares.
func sumPiece(j *channelJob, u int) {
	sum, squares := j.pieceSums(u)
	simd.ChannelSums(j.of(j.x, u), sum, squares)
}

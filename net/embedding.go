package net

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// Embedding turns text into rows of numbers: a sample of at most L tokens, whose ids are less than
// Vocabulary, into a sequence [L, Width]. A token's row is that of its id in a table, plus that of
// its place in the sample, plus that of its segment. It must be the first layer.
//
// Its parameters are the table "weight" [Vocabulary, Width], "positions" [L, Width] if they are
// learned, and "segments" [Segments, Width].
type Embedding struct {
	Vocabulary int         // number of token ids
	Width      int         // of a row
	Positions  Positions   // what is added by a token's place
	Segments   int         // 2: Batch.Segments add a row each; 0: they are ignored
	Tied       bool        // a TiedOutput behind it uses the table, too
	Init       Initializer // of the parameters; nil is TruncatedNormal(0.02)
}

// Build implements Layer.
func (l Embedding) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	switch {
	case len(s) != 1:
		return 0, fmt.Errorf("samples of shape %v, want one dimension: the most tokens that one may have", s)
	case l.Vocabulary < 1:
		return 0, fmt.Errorf("Vocabulary is %d, want at least 1", l.Vocabulary)
	case l.Width < 1:
		return 0, fmt.Errorf("Width is %d, want at least 1", l.Width)
	case l.Positions < NoPositions || l.Positions > SinusoidalPositions:
		return 0, fmt.Errorf("Positions is %v, want NoPositions, LearnedPositions or SinusoidalPositions", l.Positions)
	case l.Segments != 0 && l.Segments != 2:
		return 0, fmt.Errorf("Segments is %d, want 0 or 2", l.Segments)
	}
	t := tables{
		vocabulary: l.Vocabulary, length: s[0], width: l.Width,
		positions: l.Positions, segments: l.Segments, init: l.Init,
	}
	if l.Positions == SinusoidalPositions {
		t.sinusoids = sinusoids(s[0], l.Width)
	}
	out := Shape{s[0], l.Width}
	if l.Tied {
		return b.Add(tiedEmbedding{embeddingOp{t}}, out, in)
	}
	return b.Add(embedding{embeddingOp{t}}, out, in)
}

// tables are what is added up to rows, by a row's token, place and segment.
type tables struct {
	vocabulary int // 0: rows aren't of tokens, but those of the input
	length     int // the most rows of a sample
	width      int
	positions  Positions
	segments   int
	sinusoids  []float32 // constant positions [length, width]; nil if they are none
	init       Initializer
}

// params lists the tables that are parameters.
func (t tables) params() (list []op.Param) {
	init := t.init.or(TruncatedNormal(0.02)).fans(1, t.width)
	add := func(name string, rows int) {
		if rows > 0 {
			list = append(list, op.Param{Name: name, Shape: Shape{rows, t.width}, Role: Weight, Init: init})
		}
	}
	add("weight", t.vocabulary)
	add("positions", t.learned())
	add("segments", t.segments)
	return list
}

// learned returns the number of rows of learned positions.
func (t tables) learned() int {
	if t.positions == LearnedPositions {
		return t.length
	}
	return 0
}

// split cuts parameters, or their gradient, into the tables.
func (t tables) split(p []float32) (tokens, positions, segments []float32) {
	i := t.vocabulary * t.width
	j := i + t.learned()*t.width
	return p[:i], p[i:j], p[j:]
}

// forward sets out to the sums of the tables' rows for the samples of in.
func (t tables) forward(c *op.Call, p []float32, in, out op.Tensor) {
	j := newSampleJob(embedSample)
	j.tables, j.params, j.x, j.y, j.accumulate = t, p, in, out, c.Accumulate
	j.run(c.Team, out)
}

// embedSample computes the rows of sample i.
func embedSample(j *sampleJob, i int) {
	t, run := &j.tables, j.y.Run(i)
	tokens, positions, segments := t.split(j.params)
	if t.sinusoids != nil {
		positions = t.sinusoids
	}
	for place := range run.N {
		row := run.First + place
		to, from := rowAt(j.y.Data, row, t.width), []float32(nil)
		if t.vocabulary > 0 {
			from = rowAt(tokens, int(j.x.Tokens[row]), t.width)
		} else {
			from = rowAt(j.x.Data, row, t.width)
		}
		switch {
		case j.accumulate:
			simd.Add(to, to, from)
			if len(positions) > 0 {
				simd.Add(to, to, rowAt(positions, place, t.width))
			}
		case len(positions) > 0:
			simd.Add(to, from, rowAt(positions, place, t.width))
		default:
			copy(to, from)
		}
		if t.segments > 0 {
			simd.Add(to, to, rowAt(segments, segmentOf(j.x, row), t.width))
		}
	}
}

// rowAt returns row i of rows of a width.
func rowAt(rows []float32, i, width int) []float32 { return rows[i*width:][:width] }

// segmentOf returns the segment of a row of the model's input.
func segmentOf(in op.Tensor, row int) int {
	if in.Segments == nil {
		return 0
	}
	return int(in.Segments[row])
}

// gradient adds the rows of dout, in order, to those of the tables' gradient that they come from.
// Workers share the columns.
func (t tables) gradient(c *op.Call, in, dout op.Tensor, g []float32) {
	if len(g) == 0 {
		return
	}
	if !c.Accumulate {
		op.Elementwise(c.Team, setTo0, g, g, nil)
	}
	j := scatterJobs.Get()
	j.tables, j.in, j.d, j.g = t, in, dout, g
	c.Team.Run(num.CeilDiv(t.width, columnsOfTask), j)
	*j = scatterJob{}
	scatterJobs.Put(j)
}

func setTo0(dst, _, _ []float32) { clear(dst) }

// columnsOfTask is how many columns of rows a task takes.
const columnsOfTask = 64

// columns returns the columns of a task, as the first and how many.
func (t tables) columns(task int) (first, n int) {
	first = task * columnsOfTask
	return first, min(columnsOfTask, t.width-first)
}

// scatterJob is a team's job: the gradient of tables, by columns.
type scatterJob struct {
	tables tables
	in, d  op.Tensor
	g      []float32
}

var scatterJobs parallel.Pool[scatterJob]

// Do adds up some columns.
func (j *scatterJob) Do(task, _ int) {
	t := &j.tables
	first, n := t.columns(task)
	tokens, positions, segments := t.split(j.g)
	for i := range j.d.N {
		run := j.d.Run(i)
		for place := range run.N {
			row := run.First + place
			d := j.d.Data[row*t.width+first:][:n]
			if t.vocabulary > 0 {
				to := tokens[int(j.in.Tokens[row])*t.width+first:][:n]
				simd.Add(to, to, d)
			}
			if len(positions) > 0 {
				to := positions[place*t.width+first:][:n]
				simd.Add(to, to, d)
			}
			if t.segments > 0 {
				to := segments[segmentOf(j.in, row)*t.width+first:][:n]
				simd.Add(to, to, d)
			}
		}
	}
}

// embeddingOp is what both ops of Embedding are.
type embeddingOp struct{ tables }

func (o embeddingOp) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	o.forward(c, p, in[0], out)
}

// Backward has nothing to do: token ids have no gradient.
func (embeddingOp) Backward(*op.Call, []float32, []op.Tensor, op.Tensor, op.Tensor, []op.Tensor) {}

func (o embeddingOp) Gradient(c *op.Call, in []op.Tensor, _, dout op.Tensor, g []float32) {
	o.gradient(c, in[0], dout, g)
}

func (o embeddingOp) traits() op.Traits {
	return op.Traits{Params: o.params(), Vocabulary: o.vocabulary, FreesOut: true, InForGradient: true}
}

// embedding is the op whose table is its own. It is Factorable, and its gradient is deferred, so
// that the table's is written once a step.
type embedding struct{ embeddingOp }

func (o embedding) Traits() op.Traits {
	t := o.traits()
	t.Deferred = true
	return t
}

// tiedEmbedding is the op whose table another op uses, too.
type tiedEmbedding struct{ embeddingOp }

func (o tiedEmbedding) Traits() op.Traits { return o.traits() }

package flatness

import (
	"context"
	"sync"

	"github.com/steppe-ml/steppe/internal/memory"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
)

// evaluation computes the loss of all samples and its gradient, tile by tile: a tile is some
// samples of a batch that go through the model together. In mode Batch it is the batch.
//
// A worker takes a tile through the model alone. Then it waits for the tiles before, and adds the
// tile's gradient, of float32, to the sum, of float64. So the sum doesn't depend on the number of
// workers. If there are few tiles, all workers share each.
//
// An evaluation around a point finds the pieces in which ReLUs and the like are there, tile by tile,
// and computes within them at other points, where the loss is a smooth function then. It keeps the
// pieces of all tiles from call to call if there is memory for them.
type evaluation struct {
	program *program.Program
	ops     []program.OpInfo
	batches []net.Batch
	tiles   []tile
	mode    Mode
	scale   float64          // of the loss's terms
	around  *point           // where pieces are those of; nil for each point's own
	pieces  []program.Pieces // by tile; nil if they haven't been found yet, or aren't kept
	keeps   bool

	team    *parallel.Team
	shares  bool // a tile is all workers'
	workers []*worker

	// The call under way.
	ctx      context.Context
	gradient bool
	points   []point
	loss     float64   // at the first point
	sum      []float64 // the gradient at the first point, less that at the second if there is one
	single   []float32 // sum, rounded

	mutex sync.Mutex
	next  sync.Cond // the turn has changed
	turn  int       // the tile whose results are added next
}

// point is where the loss is computed.
type point struct{ values, state []float32 }

// tile is some consecutive samples of a batch.
type tile struct {
	batch int
	program.Shard
}

// worker is the memory of one worker.
type worker struct {
	eval   *evaluation
	work   *program.Workspace
	pieces program.Pieces // of the tile under way; nil for each point's own
	own    program.Pieces // memory for them if they aren't kept
	pass   program.Pass
	shards [1]program.Shard
	losses [1]float64
	g      [2][]float32 // by point
	at     int          // the point under way
}

// newEvaluation returns an evaluation of the sum of a program's loss's terms, times scale. around is
// where pieces are found, nil if they aren't.
func newEvaluation(p *program.Program, batches []net.Batch, workers int, mode Mode, scale float64, around *point) *evaluation {
	e := &evaluation{program: p, ops: p.Ops(), batches: batches, mode: mode, scale: scale, around: around}
	e.next.L = &e.mutex
	most, size := 0, tileSamples(p)
	for i, b := range batches {
		step := size
		if mode == Batch {
			step = b.N
		}
		for first := 0; first < b.N; first += step {
			n := min(step, b.N-first)
			e.tiles = append(e.tiles, tile{i, program.Shard{First: first, N: n}})
			most = max(most, n)
		}
	}
	e.team = parallel.NewTeam(workers)
	e.shares = sharesTiles(len(e.tiles), workers)
	if e.shares {
		workers = 1
	}
	for range min(workers, len(e.tiles)) {
		w := &worker{eval: e, work: p.NewWorkspace(workspaceSize(p, most), nil)}
		e.workers = append(e.workers, w)
	}
	if around != nil {
		e.planPieces(most)
	}
	return e
}

// planPieces decides whether pieces are kept: if they take at most a quarter of the memory that is
// available. Otherwise each worker has memory for those of its tile, of at most so many samples.
func (e *evaluation) planPieces(most int) {
	samples := 0
	for _, t := range e.tiles {
		samples += t.N
	}
	e.pieces = make([]program.Pieces, len(e.tiles))
	if e.keeps = uint64(num.Times(samples, e.program.PiecesBytes())) <= memory.Available()/4; e.keeps {
		return
	}
	for _, w := range e.workers {
		w.own = e.program.NewPieces(most)
	}
}

// sharesTiles reports whether workers had better share each tile than take tiles alone: then some
// would have nothing to do at the end for long.
func sharesTiles(tiles, workers int) bool {
	rounds := num.CeilDiv(tiles, workers)
	return 4*rounds*workers > 5*tiles
}

// The samples, or rows of text, that go through the model together: enough for products at full
// speed, if they fit into tileBytes.
const (
	tileLimit = 128
	tileRows  = 512
	tileBytes = 256 << 20
)

// tileSamples returns how many samples go through a program together. It depends on the program
// alone, since it decides how float32 sums are rounded.
func tileSamples(p *program.Program) int {
	n := tileLimit
	if p.Vocabulary() > 0 {
		n = max(1, tileRows/p.InputShape()[0])
	}
	for n > 1 && p.PlanWorkspace(workspaceSize(p, n), nil).Bytes() > tileBytes {
		n /= 2
	}
	return n
}

func workspaceSize(p *program.Program, samples int) program.Size {
	return program.Size{Samples: samples, Shards: 1, Shard: samples, Backward: true, Factored: make([]bool, len(p.Ops()))}
}

// run takes all samples through the model at one point, or at two. It returns the loss at the first
// one. With gradient it sets e.sum.
func (e *evaluation) run(ctx context.Context, gradient bool, points ...point) (loss float64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n := e.program.NumParams()
	if gradient {
		if e.sum == nil {
			e.sum, e.single = make([]float64, n), make([]float32, n)
		}
		clear(e.sum)
		for _, w := range e.workers {
			for i := range points {
				if w.g[i] == nil {
					w.g[i] = make([]float32, n)
				}
			}
		}
	}
	e.ctx, e.gradient, e.points, e.loss, e.turn = ctx, gradient, points, 0, 0
	defer func() { e.ctx, e.points = nil, nil }()
	if e.shares {
		for t := range e.tiles {
			e.Do(t, 0)
		}
	} else {
		e.team.Run(len(e.tiles), e)
	}
	return e.loss, ctx.Err()
}

// sum32 returns the gradient that run has summed, rounded to float32.
func (e *evaluation) sum32() []float32 {
	for i, v := range e.sum {
		e.single[i] = float32(v)
	}
	return e.single
}

// Do takes one tile through the model, and adds its results when it is its turn.
func (e *evaluation) Do(t, of int) {
	w := e.workers[of]
	loss := 0.0
	defer func() { e.add(t, w, loss) }()
	if e.ctx.Err() == nil {
		loss = w.run(t)
	}
}

// run takes a tile through the model at each point, and returns the loss at the first.
func (w *worker) run(t int) (loss float64) {
	e := w.eval
	if e.around != nil {
		w.findPieces(t)
	}
	for i, p := range e.points {
		w.begin(e.tiles[t], p)
		w.at, w.pass.Within = i, e.around != nil
		w.work.Forward(&w.pass)
		if i == 0 {
			loss = w.losses[0]
		}
		if e.gradient {
			w.work.Backward(&w.pass)
		}
	}
	w.pass = program.Pass{}
	w.work.Release()
	return loss
}

// findPieces sets w.pieces to those of a tile.
func (w *worker) findPieces(t int) {
	e := w.eval
	if w.pieces = e.pieces[t]; w.pieces != nil {
		return
	}
	if w.pieces = w.own; e.keeps {
		w.pieces = e.program.NewPieces(e.tiles[t].N)
	}
	w.begin(e.tiles[t], *e.around)
	w.work.Infer(&w.pass)
	if e.keeps {
		e.pieces[t] = w.pieces
	}
}

// begin prepares the pass of a tile at a point.
func (w *worker) begin(t tile, p point) {
	e := w.eval
	w.shards[0] = t.Shard
	w.pass = program.Pass{
		Batch: e.batches[t.batch], Shards: w.shards[:], Scale: e.scale,
		Params: p.values, State: p.state, Train: true, Running: e.mode == Running, Still: true,
		Pieces: w.pieces, Losses: w.losses[:], Gradients: w,
	}
	if e.shares {
		w.pass.Team = e.team
	}
}

// Of implements program.Gradients.
func (w *worker) Of(i, _ int) (g []float32, add bool) {
	o := w.eval.ops[i] // the owner of its parameters
	return w.g[w.at][o.Offset:][:o.Params], false
}

// add adds the results of a tile after those of the tiles before it.
func (e *evaluation) add(t int, w *worker, loss float64) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for e.turn != t {
		e.next.Wait()
	}
	e.loss += loss * e.scale
	switch {
	case !e.gradient || e.ctx.Err() != nil:
	case len(e.points) == 2:
		down := w.g[1]
		for i, v := range w.g[0] {
			e.sum[i] += float64(v) - float64(down[i])
		}
	default:
		for i, v := range w.g[0] {
			e.sum[i] += float64(v)
		}
	}
	e.turn++
	e.next.Broadcast()
}

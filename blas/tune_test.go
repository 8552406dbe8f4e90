package blas

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/tuning"
)

// TestTune measures knobs for the command bench/tune, which reads the figures
// from its standard output.
func TestTune(t *testing.T) {
	text := os.Getenv(tuning.EnvVar)
	if text == "" {
		t.Skip("go run ./bench/tune runs it")
	}
	var job tuning.Job
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	switch job.Dtype {
	case tuning.F32:
		tune[float32](t, job)
	case tuning.F64:
		tune[float64](t, job)
	default:
		t.Fatalf("no type %q", job.Dtype)
	}
}

func tune[T Float](t *testing.T, job tuning.Job) {
	setTable(t, func(*gemm.Table[T]) {}) // to have it back
	base := *gemm.Active[T]()
	workers := max(2, DefaultWorkers()) // with one there were nothing to compare
	out := json.NewEncoder(os.Stdout)
	for _, k := range knobs(&base, workers) {
		if !slices.Contains(job.Knobs, k.name) {
			continue
		}
		for _, s := range k.series {
			var team *Team
			if s.team {
				team = NewTeam(workers)
			}
			for _, p := range s.chosen(job.Quick) {
				figures, tables := k.candidates(&s, p, &base)
				for i, speeds := range measure(team, p, tables, job) {
					figures.Candidates[i].Speeds = speeds
				}
				require.NoError(t, out.Encode(figures))
			}
		}
	}
	require.NoError(t, job.Run(routineKnobs[T](), nil, os.Stdout))
}

// candidates returns the ways to compute a product, without their speeds, and
// the tables that bring them about.
func (k *knob[T]) candidates(s *series, p point, base *gemm.Table[T]) (tuning.Point, []gemm.Table[T]) {
	figures := tuning.Point{Knob: k.name, Value: *k.field(base), Series: s.name, Work: p.String(), Shapes: "m x n x k", Unit: "GFLOP/s"}
	if k.name == "KC" {
		figures.Bits = "all products"
	}
	var tables []gemm.Table[T]
	add := func(name string, isTable bool, change func(*gemm.Table[T])) {
		t := *base
		change(&t)
		tables = append(tables, t)
		figures.Candidates = append(figures.Candidates, tuning.Candidate{Name: name, Table: isTable})
	}
	if s.values == nil {
		figures.Axis, figures.X = k.axis, k.x(p)
		below := k.isBelow(base, figures.X)
		add(k.below.name, below, k.below.force)
		add(k.above.name, !below, k.above.force)
	}
	for _, v := range s.values {
		add(fmt.Sprint(v), v == figures.Value, func(t *gemm.Table[T]) { *k.field(t) = v })
	}
	return figures, tables
}

// measure returns the speeds of a product under each of the tables, round by round, in GFLOP/s.
func measure[T Float](team *Team, p point, tables []gemm.Table[T], job tuning.Job) [][]float64 {
	all := newOperands[T](p)
	flops := 2 * float64(p.work()) * float64(max(1, p.count))
	return job.Measure(len(tables), flops, func(table, first, times int) time.Duration {
		*gemm.Active[T]() = tables[table]
		return tuning.Timed(p.rested, first, times, func(i int) { all[i%len(all)].multiply(team, p) })
	})
}

// operands is what a product needs.
type operands[T Float] struct {
	c, a, b Mat[T]
	opt     Options[T]
}

func (o *operands[T]) multiply(team *Team, p point) {
	if p.dots {
		xgemm(NoTrans, Trans, p.m, p.n, p.k, 1, o.a.Data, p.k, o.b.Data, p.k, 0, o.c.Data, p.n)
		return
	}
	MatMul(team, o.c, o.a, o.b, o.opt)
}

// newOperands returns three sets that take turns, as the layers of a network
// do, so that a small product doesn't have all of it in L1. Each matrix begins
// a cache line, at another place of a page.
func newOperands[T Float](p point) (all [3]operands[T]) {
	r := rand.New(rand.NewPCG(1, 1))
	skip := 0
	matrix := func(rows, cols int, trans bool) Mat[T] {
		skip += 5 * gemm.Lanes[T]()
		size := rows * cols * max(1, p.count)
		data := gemm.Aligned[T](skip + size)[skip:]
		for i := range data {
			data[i] = T(r.IntN(9) - 4)
		}
		return layout(data, rows, cols, trans, 0)
	}
	for i := range all {
		o := &all[i]
		o.a, o.b, o.c = matrix(p.m, p.k, p.transA), matrix(p.k, p.n, false), matrix(p.m, p.n, false)
		if p.count > 0 {
			o.opt.Batch = Batch{Count: p.count, A: p.m * p.k, B: p.k * p.n, C: p.m * p.n}
		}
	}
	return all
}

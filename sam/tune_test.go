package sam

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/tuning"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/simd"
)

// TestTune measures what the cost model's constants stand for, for the command bench/tune, which
// reads the figures from its standard output.
func TestTune(t *testing.T) {
	text := os.Getenv(tuning.EnvVar)
	if text == "" {
		t.Skip("go run ./bench/tune runs it")
	}
	var job tuning.Job
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	require.NoError(t, tuneCosts(job, os.Stdout))
}

// decidesForms is whose bits another value of a constant would change: the constants decide which
// ops' perturbations are formed, and which factored.
const decidesForms = "mSAM's steps"

func tuneCosts(job tuning.Job, w io.Writer) error {
	out := json.NewEncoder(w)
	for _, c := range []struct {
		name    string
		bits    string
		measure func(tuning.Job) tuning.Point
	}{
		{"FlopsPerByte", decidesForms, measureFlopsPerByte}, {"FormedBytes", decidesForms, measureFormedBytes},
		{"HandOver", "", measureHandOver}, {"Busy", "", measureBusy}, {"BusyFormed", "", measureBusyFormed},
	} {
		if slices.Contains(job.Knobs, c.name) {
			p := c.measure(job)
			p.Knob, p.Bits, p.Constant = c.name, c.bits, true
			if err := out.Encode(p); err != nil {
				return err
			}
		}
	}
	knobs, apply := costKnobs(job.Quick)
	return job.Run(knobs, apply, w)
}

// measureFlopsPerByte measures the operations of a product in the time in which a byte comes from
// memory, or goes there.
func measureFlopsPerByte(job tuning.Job) tuning.Point {
	product, memory := newProduct(256, 512, job.Quick), newMemory(job.Quick)
	speeds := measured(job, product.multiply, memory.update)
	flops, bytes := scaled(speeds[0], product.flops()), scaled(speeds[1], memory.bytes())
	return tuning.Point{
		Value: int(costs.flopsPerByte), Unit: "operations a byte", Shapes: "figures",
		Series: fmt.Sprintf("%v, and a vector added to another in memory, on one core", product),
		Candidates: []tuning.Candidate{
			{Name: "operations a byte", Speeds: quotients(flops, bytes)}, {Name: "product, GFLOP/s", Speeds: flops}, {Name: "memory, GB/s", Speeds: bytes},
		},
	}
}

// measureHandOver measures the operations that one core does in the time that sharing costs: that of
// a job of one product for each worker, beyond that of one product. Jobs follow each other, so the
// workers are awake.
func measureHandOver(job tuning.Job) tuning.Point {
	workers := max(2, blas.DefaultWorkers())
	team, all := blas.NewTeam(workers), shares{}
	for range workers {
		all = append(all, newProduct(32, 256, job.Quick))
	}
	speeds := measured(job, all[0].multiply, func(int) { team.Run(workers, all) })
	var operations, alone, shared []float64
	for round := range speeds[0] {
		one, both := 1/speeds[0][round], 1/speeds[1][round] // nanoseconds
		operations = append(operations, (both-one)*all[0].flops()/one)
		alone, shared = append(alone, one/1e3), append(shared, both/1e3)
	}
	void := ""
	if busy := 0.75 * float64(workers); stats.Median(shared) > busy*stats.Median(alone) {
		void = fmt.Sprintf("other programs had the cores of the %d workers", workers)
	}
	return tuning.Point{
		Value: int(costs.handOver), Void: void, Unit: "operations", Shapes: "figures",
		Series: fmt.Sprintf("%v, and one for each of %d workers", all[0], workers),
		Candidates: []tuning.Candidate{
			{Name: "operations", Speeds: operations}, {Name: "one product, us", Speeds: alone}, {Name: "one each, us", Speeds: shared},
		},
	}
}

// measureBusy measures the percentage of a step's time in which all workers have something to do, if
// they share every call of an op: the time of one worker over that of all of them together.
func measureBusy(job tuning.Job) tuning.Point {
	width := 512
	if job.Quick {
		width = 8
	}
	p := busy(job, perceptron(width), 32, 1)
	p.Value, p.Series = int(costs.busy), fmt.Sprintf("a perceptron of %d features, batch 32, %s", width, p.Series)
	return p
}

// measureBusyFormed measures the same of a network whose ops are called shard by shard.
func measureBusyFormed(job tuning.Job) tuning.Point {
	channels := 32
	if job.Quick {
		channels = 2
	}
	p := busy(job, convolutional(channels), 32, 4)
	p.Value, p.Series = int(costs.busyFormed), fmt.Sprintf("convolutions of %d channels, 4 shards of 8 images, %s", channels, p.Series)
	return p
}

func busy(job tuning.Job, model *net.Model, batch, shards int) tuning.Point {
	workers := max(2, blas.DefaultWorkers())
	speeds := measured(job,
		stepOf(model, batch, shards, 1, force{perturb: factored}), stepOf(model, batch, shards, workers, force{perturb: factored, together: true}))
	var percent, alone, shared []float64
	for round := range speeds[0] {
		one, all := 1/speeds[0][round], 1/speeds[1][round] // nanoseconds
		percent = append(percent, 100*one/(all*float64(workers)))
		alone, shared = append(alone, one/1e6), append(shared, all/1e6)
	}
	return tuning.Point{
		Unit: "percent", Shapes: "figures", Series: fmt.Sprintf("%d workers", workers),
		Candidates: []tuning.Candidate{
			{Name: "percent", Speeds: percent}, {Name: "one worker, ms", Speeds: alone}, {Name: "all, ms", Speeds: shared},
		},
	}
}

// shares is a job in which each worker has a product.
type shares []product

func (s shares) Do(task, _ int) { s[task].multiply(0) }

// measured returns how often works are done in a nanosecond, round by round.
func measured(job tuning.Job, works ...func(i int)) [][]float64 {
	return job.Measure(len(works), 1, func(candidate, first, times int) time.Duration {
		return tuning.Timed(false, first, times, works[candidate])
	})
}

// measureFormedBytes measures what each shard adds to the time of a step with formed perturbations,
// in bytes of memory traffic for each parameter: a step with 16 shards against one with 2, of the
// same samples.
func measureFormedBytes(job tuning.Job) tuning.Point {
	const batch, few, many = 64, 2, 16
	width := 512
	if job.Quick {
		width = 8
	}
	model, memory := perceptron(width), newMemory(job.Quick)
	speeds := measured(job, stepOf(model, batch, few, 1, force{perturb: formed}), stepOf(model, batch, many, 1, force{perturb: formed}), memory.update)
	bandwidth := scaled(speeds[2], memory.bytes())
	var bytes, fewMs, manyMs []float64
	for round := range bandwidth {
		first, second := 1/(1e9*speeds[0][round]), 1/(1e9*speeds[1][round]) // seconds of a step
		bytes = append(bytes, (second-first)/(many-few)/float64(model.NumParams())*1e9*bandwidth[round])
		fewMs, manyMs = append(fewMs, 1e3*first), append(manyMs, 1e3*second)
	}
	return tuning.Point{
		Value: int(costs.formedBytes), Unit: "bytes a parameter", Shapes: "figures",
		Series: fmt.Sprintf("a perceptron of %d features, batch %d, all perturbations formed, on one core", width, batch),
		Candidates: []tuning.Candidate{
			{Name: "bytes a parameter", Speeds: bytes}, {Name: fmt.Sprintf("%d shards, ms", few), Speeds: fewMs},
			{Name: fmt.Sprintf("%d shards, ms", many), Speeds: manyMs}, {Name: "memory, GB/s", Speeds: bandwidth},
		},
	}
}

// costKnobs returns the knobs that choose between ways to compute a step, and a function that puts
// their values into the cost model.
func costKnobs(quick bool) (knobs []tuning.Knob, apply func()) {
	width, batch := 512, 256
	if quick {
		width, batch = 8, 32
	}
	model := perceptron(width)
	factoredUpTo, reuse := factoredSamples(model), int(costs.reuse)
	side := autoPerturb // of the candidate whose optimizer is being made

	var sizes []tuning.Work
	for n := 1; n <= batch/2; n *= 2 {
		sizes = append(sizes, tuning.Work{
			Name: fmt.Sprintf("batch %d, %d shards", batch, batch/n), X: n, Amount: samFlops(model, batch),
			Prepare: func() func() func(int) {
				return func() func(int) { return stepOf(model, batch, batch/n, 1, force{perturb: side}) }
			},
		})
	}
	var steps []tuning.Work
	for _, shards := range []int{2, 4, 16, batch} {
		steps = append(steps, tuning.Work{
			Name: fmt.Sprintf("batch %d, %d shards", batch, shards), Amount: samFlops(model, batch),
			Prepare: func() func() func(int) {
				return func() func(int) { return stepOf(model, batch, shards, 1, force{}) }
			},
		})
	}
	shapes, unit := "perceptron", "GFLOP/s of SAM's operations"
	return []tuning.Knob{
		{
			Name: "Factored", Field: &factoredUpTo, Bits: decidesForms, Shapes: shapes, Unit: unit, Axis: "samples a shard",
			Below:   tuning.Side{Name: "factored", Set: func() { side = factored }},
			Above:   tuning.Side{Name: "formed", Set: func() { side = formed }},
			IsBelow: func(w tuning.Work) bool { return w.X <= factoredUpTo },
			Series:  []tuning.Series{{Name: fmt.Sprintf("layers of %d features; no constant, but what the others decide", width), Works: sizes}},
		},
		{
			Name: "Reuse", Field: &reuse, Shapes: shapes, Unit: unit,
			Series: []tuning.Series{{Name: "steps on one core, which it cuts into tiles", Works: steps, Values: tuning.Around(reuse, 1)}},
		},
	}, func() { costs.reuse = int64(reuse) }
}

// product is a matrix product.
type product struct{ c, a, b blas.Mat[float32] }

// newProduct returns a product of m x n by n x n.
func newProduct(m, n int, quick bool) product {
	if quick {
		m, n = 16, 16
	}
	matrix := func(rows int) blas.Mat[float32] { return blas.RowMajor(ones(rows*n), rows, n) }
	return product{matrix(m), matrix(m), matrix(n)}
}

func (p product) multiply(int) { blas.MatMul(nil, p.c, p.a, p.b, blas.Options[float32]{}) }

func (p product) flops() float64 {
	return 2 * float64(p.c.Rows) * float64(p.b.Rows) * float64(p.b.Cols)
}

func (p product) String() string {
	return fmt.Sprintf("a product of %dx%dx%d", p.c.Rows, p.b.Cols, p.b.Rows)
}

// memory is two vectors, which no cache holds: one is added to the other.
type memory struct{ x, y []float32 }

func newMemory(quick bool) memory {
	floats := 32 << 20
	if quick {
		floats = 1 << 10
	}
	return memory{ones(floats), ones(floats)}
}

func (m memory) update(int) { simd.Axpy(1, m.x, m.y) }

// bytes are those that an update reads and writes.
func (m memory) bytes() float64 { return 12 * float64(len(m.x)) }

// ones returns a vector of ones. One that was never written may lie in a single page of zeros, which
// a cache holds.
func ones(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = 1
	}
	return x
}

// perceptron has layers of one width.
func perceptron(width int) *net.Model {
	model, err := net.Compile(net.Shape{width}, net.Dense{Out: width}, net.ReLU{}, net.Dense{Out: width}, net.ReLU{}, net.Dense{Out: 10})
	if err != nil {
		panic(err)
	}
	return model
}

// convolutional has convolutions of one width.
func convolutional(channels int) *net.Model {
	conv := net.Conv2D{Out: channels, Kernel: 3, Padding: net.Same}
	model, err := net.Compile(net.Shape{14, 14, channels}, conv, net.ReLU{}, conv, net.ReLU{}, conv, net.Flatten{}, net.Dense{Out: 10})
	if err != nil {
		panic(err)
	}
	return model
}

// stepOf returns a step as forced, or as planned.
func stepOf(model *net.Model, batch, shards, workers int, f force) func(int) {
	const sets = 3
	data := dataset.Synthetic(model.InputShape(), 10, sets*batch, 1)
	opt := optimizerOf(model, batch, shards, workers, f)
	return func(i int) {
		if _, err := opt.Step(data.Range(i%sets*batch, batch)); err != nil {
			panic(err)
		}
	}
}

func optimizerOf(model *net.Model, batch, shards, workers int, f force) *Optimizer {
	opt, err := New(model, model.Init(1), Config{
		Rho: 0.05, Shards: shards, Batch: batch, Workers: workers, Base: optim.SGD{LR: 1e-4, Momentum: 0.9}, force: f,
	})
	if err != nil {
		panic(err)
	}
	return opt
}

// samFlops returns the operations of a step by SAM.
func samFlops(model *net.Model, batch int) float64 {
	return float64(optimizerOf(model, batch, 1, 1, force{}).Plan().Flops)
}

// factoredSamples returns the largest shard for which the plan chooses a factored perturbation of
// the hidden layer; 0 if there is none. It chooses one for all smaller shards.
func factoredSamples(model *net.Model) int {
	const most = 1024
	return sort.Search(most, func(n int) bool {
		plan := optimizerOf(model, 2*(n+1), 2, 1, force{}).plan
		hidden := slices.IndexFunc(plan.ops, func(op program.OpInfo) bool { return op.Factorable != nil && !op.FirstInput })
		return plan.perturb[hidden] != program.Factored
	})
}

func scaled(x []float64, by float64) (y []float64) {
	for _, v := range x {
		y = append(y, v*by)
	}
	return y
}

func quotients(a, b []float64) (q []float64) {
	for i := range a {
		q = append(q, a[i]/b[i])
	}
	return q
}

func TestCostKnobs(t *testing.T) {
	before := costs
	knobs, apply := costKnobs(true)
	assert.NoError(t, tuning.Validate(knobs))
	names := []string{"FlopsPerByte", "FormedBytes", "HandOver", "Busy", "BusyFormed"}
	for _, k := range knobs {
		names = append(names, k.Name)
	}
	assert.Equal(t, tuning.Groups[3].Knobs, names)
	apply()
	assert.Equal(t, before, costs)
	*knobs[1].Field = 3
	apply()
	assert.EqualValues(t, 3, costs.reuse)
	costs = before
}

// The plan's crossing is where its cost model says that forming becomes cheaper, and moves with the
// constants.
func TestFactoredSamples(t *testing.T) {
	before := costs
	defer func() { costs = before }()
	model := perceptron(32)
	now := factoredSamples(model)
	assert.Positive(t, now)
	costs.formedBytes *= 2
	assert.Greater(t, factoredSamples(model), now)
	costs.formedBytes = 0
	assert.Less(t, factoredSamples(model), now)
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/simd"
)

// Report has all figures, and the machine and settings that they were measured with.
type Report struct {
	Date      time.Time     `json:"date"`
	Machine   string        `json:"machine"`
	System    string        `json:"system"`
	Revision  string        `json:"revision"` // of our code
	Kind      protocol.Kind `json:"kind"`
	Dtype     string        `json:"dtype"`
	Entry     string        `json:"entry"`   // which of our functions products called
	Workers   int           `json:"workers"` // of peers that don't fix their own number
	Rounds    int           `json:"rounds"`
	Budget    time.Duration `json:"budget"` // nanoseconds
	Load      [2]string     `json:"load"`   // average over a minute, at the start and at the end
	Peers     []Participant `json:"peers"`
	LeftOut   []string      `json:"leftOut,omitempty"` // peers that could not be built or started
	Ceiling   stats.Spread  `json:"ceiling"`           // GFLOP/s of one core, of all rounds
	Disturbed float64       `json:"disturbed"`         // fraction of windows in which the kernel took a core away
	Rows      []*Row        `json:"rows"`
	Means     []Mean        `json:"means"`

	windows, disturbed int
	aims               map[string]float64 // least geometric means, by suite
}

// Participant is a peer that was measured.
type Participant struct {
	Name string `json:"name"`
	protocol.Hello
	own, aside bool
	workers    int // of a peer that fixes their number
}

// Row is the figures of one piece of work.
type Row struct {
	Suite string `json:"suite"`
	protocol.Work
	Cells   map[string]*Cell `json:"cells"`   // by peer
	Ceiling []float64        `json:"ceiling"` // GFLOP/s of one core, by round

	Best       string       `json:"best,omitempty"`       // rival with the highest median speed
	VsBest     stats.Spread `json:"vsBest"`               // our speed over the best rival's
	AVX2VsBest float64      `json:"avx2VsBest,omitempty"` // the same for our AVX2 kernels, median
	OfCeiling  float64      `json:"ofCeiling"`            // our speed over the ceiling of all workers, median
	Misses     []string     `json:"misses,omitempty"`     // floors that the row is below

	Training *TrainingFigures `json:"training,omitempty"` // of a step

	bytes float64 // of an element
}

// Cell is the figures of one peer in a row.
type Cell struct {
	Seconds []float64 `json:"seconds,omitempty"` // time of the work, by round
	Cannot  string    `json:"cannot,omitempty"`  // why the peer can't do the work
	Wrong   string    `json:"wrong,omitempty"`   // why its result is wrong
	Beaten  bool      `json:"beaten,omitempty"`  // the peer was too slow at a step to get further rounds

	GFLOPS float64      `json:"gflops,omitempty"` // median; GB/s for routines of levels 1 and 2
	Behind stats.Spread `json:"behind"`           // our speed over its speed

	reply protocol.Reply // of the last round
}

// Mean has the geometric means of a suite, each over the rows that have the figure.
type Mean struct {
	Suite      string             `json:"suite"`
	VsBest     float64            `json:"vsBest"`
	AVX2VsBest float64            `json:"avx2VsBest,omitempty"`
	Behind     map[string]float64 `json:"behind"`        // by peer
	Aim        float64            `json:"aim,omitempty"` // of VsBest
	Missed     int                `json:"missed"`        // rows that are below a floor
	Shapes     int                `json:"shapes"`
}

func newReport(opt options, processes []*process) *Report {
	cpu := simd.Processor()
	r := &Report{
		Date:     time.Now(),
		Machine:  fmt.Sprintf("%s, %d cores, %d KiB L1d, %d KiB L2, %d MiB L3", cpu.Name, cpu.PhysicalCores, cpu.L1D>>10, cpu.L2>>10, cpu.L3>>20),
		System:   fmt.Sprintf("%s/%s, %s", runtime.GOOS, runtime.GOARCH, runtime.Version()),
		Revision: "unknown",
		Kind:     opt.kind, Dtype: opt.dtype, Entry: opt.entry, Workers: opt.workers, Rounds: opt.rounds, Budget: opt.budget,
		Load: [2]string{load(), ""},
		aims: map[string]float64{},
	}
	if said, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		r.Revision = strings.TrimSpace(string(said))
	}
	for _, p := range processes {
		r.Peers = append(r.Peers, Participant{p.name, p.Hello, p.own, p.aside, p.workers})
	}
	for _, s := range opt.suites {
		r.aims[s.name] = s.mean
	}
	return r
}

// load returns the machine's load over the last minute, where it is known.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(text))[0]
}

// measure measures all rows, and stops where ctx is done.
func (r *Report) measure(ctx context.Context, opt options, processes []*process, dir string, progress io.Writer) error {
	total, done := 0, 0
	for _, s := range opt.suites {
		total += len(s.work)
	}
	for _, s := range opt.suites {
		for _, group := range together(s.work) {
			rows, err := r.measureRows(ctx, opt, processes, group, cmp.Or(opt.limit, s.limit))
			for _, row := range rows {
				row.Suite = s.name
				row.bytes = map[string]float64{protocol.Float32: 4, protocol.Float64: 8}[opt.dtype]
				row.summarize(r.Peers, opt.workers)
				if row.Training != nil && !opt.any(perturbs) {
					err = errors.Join(err, row.measureMemory(ctx, opt, dir, progress))
				}
			}
			if ctx.Err() != nil {
				return fmt.Errorf("interrupted after %d of %d rows", done, total)
			}
			if err != nil {
				return err
			}
			for _, row := range rows {
				r.Rows = append(r.Rows, row)
				done++
				fmt.Fprintf(progress, "%d/%d  %v\n", done, total, row)
			}
		}
	}
	return nil
}

// measureRows runs the rounds of a group of rows. A round measures each row once, so that two rows
// can be compared round by round. A limit other than 0 is the time for each row: once it is over,
// no further round begins.
func (r *Report) measureRows(ctx context.Context, opt options, processes []*process, group []protocol.Work, limit time.Duration) ([]*Row, error) {
	const leastRounds = 3
	var rows []*Row
	for _, work := range group {
		row := &Row{Work: work, Cells: map[string]*Cell{}}
		for _, p := range processes {
			row.Cells[p.name] = &Cell{}
		}
		rows = append(rows, row)
	}
	order := rand.New(rand.NewPCG(1, uint64(len(r.Rows))))
	for start, round := time.Now(), 0; round < opt.rounds; round++ {
		if limit > 0 && round >= leastRounds && time.Since(start) > limit*time.Duration(len(rows)) {
			break
		}
		for _, row := range rows {
			if err := r.measureRound(opt, processes, row, order); err != nil {
				return nil, err
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	return rows, nil
}

// measureRound measures each peer once, in random order, so that no peer always follows the same
// one. Steps take long, so it drops PyTorch's slower variants from further rounds.
func (r *Report) measureRound(opt options, processes []*process, row *Row, order *rand.Rand) error {
	var rivals []string
	for _, i := range order.Perm(len(processes)) {
		p := processes[i]
		if !p.own {
			rivals = append(rivals, p.name)
		}
		cell := row.Cells[p.name]
		if cell.Cannot != "" || cell.Wrong != "" || cell.Beaten {
			continue
		}
		reply, err := p.ask(opt.job(row.Work))
		if err != nil {
			return err
		}
		if reply.Cannot != "" || reply.Error != "" {
			*cell = Cell{Cannot: reply.Cannot, Wrong: reply.Error}
			continue
		}
		cell.Seconds = append(cell.Seconds, reply.Seconds)
		cell.reply = reply
		r.windows += reply.Windows
		r.disturbed += reply.Disturbed
	}
	row.Ceiling = append(row.Ceiling, ceiling(opt.dtype, simd.FMACeiling())/1e9)
	if opt.kind == protocol.KindSteps {
		row.drop(rivals, len(row.Ceiling))
	}
	return nil
}

// ceiling returns the FMA ceiling of an element type, given that of float32. A vector holds half as
// many float64. Plain Go has no vectors, so there the two are equal.
func ceiling(dtype string, ofFloat32 float64) float64 {
	supported := simd.Supported()
	if dtype == protocol.Float64 && supported[len(supported)-1] != simd.Generic {
		return ofFloat32 / 2
	}
	return ofFloat32
}

// boundByMemory says whether a row is a routine of level 1 or 2.
func (row *Row) boundByMemory() bool { return row.Routine != nil && row.Routine.Level() < 3 }

// amount returns the numerator of a row's speed: floating-point operations, or the least bytes that
// a routine of level 1 or 2 moves.
func (row *Row) amount() float64 {
	if row.boundByMemory() {
		return row.Routine.Moves() * row.bytes
	}
	return row.Flops()
}

// summarize computes the figures of a row from its times.
func (row *Row) summarize(peers []Participant, workers int) {
	switch row.Kind() {
	case protocol.KindSteps:
		row.summarizeTraining(peers)
		return
	case protocol.KindDecompositions:
		row.summarizeDecomposition(peers, workers)
		return
	}
	own := row.Cells[ours].Seconds
	for _, p := range peers {
		cell := row.Cells[p.Name]
		if len(cell.Seconds) == 0 {
			continue
		}
		cell.GFLOPS = row.amount() / stats.Median(cell.Seconds) / 1e9
		if len(own) > 0 {
			cell.Behind = stats.SpreadOf(stats.Ratios(cell.Seconds, own))
		}
		if !p.own && !p.aside && (row.Best == "" || cell.GFLOPS > row.Cells[row.Best].GFLOPS) {
			row.Best = p.Name
		}
	}
	if len(own) == 0 {
		row.Misses = []string{"wrong"}
		return
	}

	var fractions []float64
	for i, seconds := range own {
		fractions = append(fractions, row.Flops()/seconds/1e9/(row.Ceiling[i]*float64(workers)))
	}
	if !row.boundByMemory() {
		row.OfCeiling = stats.Median(fractions)
	}
	floor := floorsOf(row.Work, workers)
	if row.Best != "" {
		best := row.Cells[row.Best]
		row.VsBest = best.Behind
		if avx2, ok := row.Cells[oursAVX2]; ok && len(avx2.Seconds) > 0 {
			row.AVX2VsBest = stats.Median(stats.Ratios(best.Seconds, avx2.Seconds))
		}
		if row.VsBest.Median < floor.best {
			row.Misses = append(row.Misses, fmt.Sprintf("%.2f of best", floor.best))
		}
	}
	if row.OfCeiling < floor.ceiling {
		row.Misses = append(row.Misses, fmt.Sprintf("%.2f of ceiling", floor.ceiling))
	}
	// Equal speeds give a ratio near 1. Several workers count as slower if the median is below 0.99
	// and three rounds of four are below 1.
	if alone, ok := row.Cells[oursOne]; ok && floor.alone && len(alone.Seconds) > 0 && alone.Behind.Median < 0.99 && alone.Behind.Q3 < 1 {
		row.Misses = append(row.Misses, "our one core")
	}
}

// String is a line of progress.
func (row *Row) String() string {
	if row.Training != nil {
		return fmt.Sprintf("%-22v %v", row.Work, row.Training)
	}
	if row.Decomposition != nil {
		return row.decompositionProgress()
	}
	unit := "GFLOP/s"
	if row.boundByMemory() {
		unit = "GB/s"
	}
	line := fmt.Sprintf("%-14v %6.1f %s", row.Work, row.Cells[ours].GFLOPS, unit)
	if row.Best != "" {
		line += fmt.Sprintf(", %.2f of %s", row.VsBest.Median, row.Best)
	}
	return line
}

// end computes what depends on all rows.
func (r *Report) end() {
	r.Load[1] = load()
	r.Disturbed = float64(r.disturbed) / float64(max(1, r.windows))
	var ceilings []float64
	var suites []string
	for _, row := range r.Rows {
		ceilings = append(ceilings, row.Ceiling...)
		if !slices.Contains(suites, row.Suite) {
			suites = append(suites, row.Suite)
		}
	}
	r.Ceiling = stats.SpreadOf(ceilings)
	switch r.Kind { // times of different work have no mean
	case protocol.KindSteps:
		r.compareWithSAM()
		return
	case protocol.KindDecompositions:
		return
	}
	for _, suite := range suites {
		r.Means = append(r.Means, r.mean(suite))
	}
}

func (r *Report) mean(suite string) Mean {
	m := Mean{Suite: suite, Behind: map[string]float64{}, Aim: r.aims[suite]}
	var vsBest, avx2 []float64
	behind := map[string][]float64{}
	for _, row := range r.Rows {
		if row.Suite != suite {
			continue
		}
		m.Shapes++
		if len(row.Misses) > 0 {
			m.Missed++
		}
		if row.VsBest.Median > 0 {
			vsBest = append(vsBest, row.VsBest.Median)
		}
		if row.AVX2VsBest > 0 {
			avx2 = append(avx2, row.AVX2VsBest)
		}
		for name, cell := range row.Cells {
			if cell.Behind.Median > 0 {
				behind[name] = append(behind[name], cell.Behind.Median)
			}
		}
	}
	// A mean of nothing is 0 rather than NaN, which JSON can't hold.
	if len(vsBest) > 0 {
		m.VsBest = stats.GeometricMean(vsBest)
	}
	if len(avx2) > 0 {
		m.AVX2VsBest = stats.GeometricMean(avx2)
	}
	for name, ratios := range behind {
		m.Behind[name] = stats.GeometricMean(ratios)
	}
	return m
}

// wrong lists the cells that failed, and why.
func (r *Report) wrong() (all []string) {
	for _, row := range r.Rows {
		for _, name := range slices.Sorted(maps.Keys(row.Cells)) {
			if why := row.Cells[name].Wrong; why != "" {
				all = append(all, fmt.Sprintf("%s at %v: %s", name, row.Work, why))
			}
		}
	}
	return all
}

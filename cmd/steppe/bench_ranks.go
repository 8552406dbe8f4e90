package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/simd"
)

// What bench does with --mpi: it times steps that several ranks share, with exact and with fast
// sums, and finds out where the time goes.

// scalings are the values of --scaling.
var scalings = []string{"strong", "weak"}

// rankRounds are the rounds without --rounds.
const rankRounds = 15

// RanksReport is the result of bench --mpi. Its JSON is a contract, as Report's is.
type RanksReport struct {
	Version int        `json:"version"`
	Machine Machine    `json:"machine"` // of rank 0
	Library string     `json:"library"` // that connects the ranks; "" if it has no name
	Ranks   int        `json:"ranks"`
	Scaling string     `json:"scaling"`
	Rows    []RanksRow `json:"rows"`
}

// RanksRow has the times of a method's step. Step is that of rank 0, as it is in training. The
// others are of steps that begin each exchange with a barrier, so that waiting for other ranks and
// exchanging with them can be told apart: medians over the rounds, of the ranks' mean or largest.
type RanksRow struct {
	Model    string  `json:"model"`
	Data     string  `json:"data"`
	Method   string  `json:"method"`
	Shards   int     `json:"shards"`
	Ascent   string  `json:"ascent,omitempty"` // its precision, if it isn't float32
	Batch    int     `json:"batch"`
	Workers  int     `json:"workers"` // of a rank
	Sums     string  `json:"sums"`    // exact or fast
	Rounds   int     `json:"rounds"`
	Step     Seconds `json:"step_seconds"`
	Compute  float64 `json:"compute_seconds"` // of the rank that computes longest
	Exchange float64 `json:"exchange_seconds"`
	Wait     float64 `json:"wait_seconds"`
	Calls    int     `json:"calls"` // of the communicator in a step
	Bytes    int     `json:"bytes"` // that the rank which sends most gives to others in a step; a sum counts once
	// VsFast is the median of the rounds' ratios to the step with fast sums.
	VsFast *float64 `json:"vs_fast"`
	// Overlap is the median of the rounds' ratios of the step with --overlap to this one.
	Overlap *float64 `json:"overlap"`
}

// clocked is a communicator that measures its calls, if on is set.
type clocked struct {
	sam.Communicator
	on bool
	calls
}

// calls are what a step has asked of the communicator.
type calls struct {
	wait, exchange time.Duration
	count, floats  int
}

// timed waits for the other ranks, and then calls.
func (c *clocked) timed(floats int, call func() error) error {
	if !c.on {
		return call()
	}
	begin := time.Now()
	if err := c.Barrier(); err != nil {
		return err
	}
	met := time.Now()
	err := call()
	c.wait, c.exchange = c.wait+met.Sub(begin), c.exchange+time.Since(met)
	c.count, c.floats = c.count+1, c.floats+floats
	return err
}

func (c *clocked) Exchange(send, receive [][]float32) error {
	sent := 0
	for rank, x := range send {
		if rank != c.Rank() {
			sent += len(x)
		}
	}
	return c.timed(sent, func() error { return c.Communicator.Exchange(send, receive) })
}

func (c *clocked) Sum(x []float32) error {
	return c.timed(len(x), func() error { return c.Communicator.Sum(x) })
}

// rankContender is a method with a way to add up, on this rank.
type rankContender struct {
	*contender
	sums  string
	clock *clocked
	parts []calls // of a clocked step, by round
	took  []float64

	overlapped *contender // the same with overlap; nil for one rank
}

// measured is what a rank has measured of a contender, as it tells the others: by round.
type measured struct {
	Compute, Exchange, Wait []float64
	Calls, Floats           int
}

func (b *bench) runRanks(ctx context.Context, c sam.Communicator, stdout, stderr io.Writer) error {
	if err := b.validateRanks(); err != nil {
		return err
	}
	facts := append(programFacts(), agree.Fact{Name: "what is measured", Value: fmt.Sprint(b.models, b.batches, b.methods, b.shards, b.rounds, b.rho, b.ascents, b.seed, b.scaling, b.units, b.source)})
	if err := agree.Facts(c, nil, facts); err != nil {
		return err
	}
	share, err := workersOf(c)
	if err != nil {
		return err
	}
	if !b.given("workers") {
		b.workers = share
	}
	if err := waiting(stderr, "reading data, compiling models", func() error { return b.prepareRanks(c) }); err != nil {
		return err
	}
	b.stderr, b.report = stderr, newReport(simd.FMACeiling())
	report := &RanksReport{Version: 1, Machine: b.report.Machine, Ranks: c.Size(), Scaling: b.scaling, Rows: []RanksRow{}}
	if named, ok := c.(interface{ Library() string }); ok {
		report.Library = named.Library()
	}
	defer b.outputs.discard()
	if leads(c) {
		err = b.outputs.create()
	}
	if err := agree.Error(c, err); err != nil {
		return err
	}
	out := b.outputs.tables(stdout, stderr)
	if !isQuiet(stderr) {
		b.printMachine(out)
		fmt.Fprintf(out, "%s, %s scaling\n", plural(c.Size(), "rank"), b.scaling)
	}
	for _, t := range b.trials {
		rows, err := b.timeRanks(ctx, c, t)
		if err := agree.Error(c, err); err != nil {
			return err
		}
		report.Rows = append(report.Rows, rows...)
		b.printTitle(out, t)
		printRanks(out, t, rows, b.markdown)
	}
	if leads(c) {
		err = b.outputs.write(report, stdout)
	}
	return err
}

// validateRanks returns an error if the flags make no sense.
func (b *bench) validateRanks() error {
	if !slices.Contains(scalings, b.scaling) {
		return fmt.Errorf("--scaling is %q, want strong or weak", b.scaling)
	}
	if b.costs.path != "" {
		return fmt.Errorf("--plot with --mpi: there is no chart of what ranks cost")
	}
	return b.validate()
}

// prepareRanks makes the trials: with weak scaling, of as many batches and shards as there are
// ranks.
func (b *bench) prepareRanks(c sam.Communicator) error {
	if len(b.batches) == 0 {
		b.usualBatch = true
	}
	if b.scaling == "weak" {
		b.times = c.Size()
	}
	return b.prepare()
}

// timeRanks times all methods of a trial, with exact and with fast sums.
func (b *bench) timeRanks(ctx context.Context, c sam.Communicator, t *trial) ([]RanksRow, error) {
	var all []*rankContender
	var steps []sam.Config
	for _, of := range t.contenders {
		for _, sums := range runs.RankSums {
			one := *of
			clock := &clocked{Communicator: c}
			one.cfg.Communicator, one.cfg.Fast, one.cfg.Units = clock, sums.Fast, b.units
			r := &rankContender{contender: &one, sums: sums.Name, clock: clock}
			if c.Size() > 1 {
				overlapped := one
				overlapped.cfg.Overlap = true
				r.overlapped = &overlapped
			}
			all = append(all, r)
			for _, one := range r.both() {
				steps = append(steps, one.cfg)
			}
		}
	}
	err := t.most.checkStep(t.model, []*dataset.Set{t.train, t.test}, steps...)
	for _, r := range all {
		for _, one := range r.both() {
			if err == nil {
				one.opt, err = sam.New(t.model, t.model.Init(t.seed), one.cfg)
			}
		}
	}
	if err := agree.Error(c, err); err != nil {
		return nil, fmt.Errorf("%s: %w", t.modelName, err)
	}
	rounds := max(b.rounds, 1)
	if b.rounds == 0 {
		rounds = rankRounds
	}
	live := newProgress(b.stderr, warmups+rounds)
	defer live.clear()
	round := -warmups
	for batch, err := range fullBatches(t.train, t.batch, t.seed) {
		if err == nil {
			err = ctx.Err()
		}
		if err := agree.Error(c, err); err != nil {
			return nil, err
		}
		if round == rounds {
			break
		}
		for _, one := range all {
			if err := one.round(batch, round >= 0); err != nil {
				return nil, err
			}
		}
		round++
		live.set(warmups+round, func() string { return fmt.Sprintf("%s, batch %d, round %d", t.modelName, t.batch, max(0, round)) })
	}
	return b.ranksRows(c, t, all)
}

// round makes a step that brings the contender's memory into the caches, one that is timed, and one
// whose calls are. Then it times a step with overlap in the same way, if there are other ranks.
func (r *rankContender) round(batch net.Batch, counts bool) error {
	seconds, err := r.timed(r.contender, batch)
	if err != nil {
		return err
	}
	r.clock.on, r.clock.calls = true, calls{}
	clocked, err := r.step(batch)
	r.clock.on = false
	if err != nil {
		return err
	}
	if counts {
		r.seconds, r.took, r.parts = append(r.seconds, seconds), append(r.took, clocked), append(r.parts, r.clock.calls)
	}
	if r.overlapped == nil {
		return nil
	}
	seconds, err = r.timed(r.overlapped, batch)
	if counts {
		r.overlapped.seconds = append(r.overlapped.seconds, seconds)
	}
	return err
}

// both returns the contender, and the same with overlap.
func (r *rankContender) both() []*contender {
	if r.overlapped == nil {
		return []*contender{r.contender}
	}
	return []*contender{r.contender, r.overlapped}
}

// timed makes two steps, the second of which all ranks begin at once, and returns what it took.
func (r *rankContender) timed(c *contender, batch net.Batch) (seconds float64, err error) {
	if _, err := c.step(batch); err != nil {
		return 0, err
	}
	if err := r.clock.Barrier(); err != nil {
		return 0, &agree.Lost{Err: err}
	}
	return c.step(batch)
}

// measured returns what this rank has measured.
func (r *rankContender) measured() (m measured) {
	for i, part := range r.parts {
		wait, exchange := part.wait.Seconds(), part.exchange.Seconds()
		m.Wait, m.Exchange = append(m.Wait, wait), append(m.Exchange, exchange)
		m.Compute = append(m.Compute, r.took[i]-wait-exchange)
		m.Calls, m.Floats = part.count, part.floats
	}
	return m
}

// ranksRows puts together what all ranks have measured.
func (b *bench) ranksRows(c sam.Communicator, t *trial, all []*rankContender) (rows []RanksRow, err error) {
	for i, one := range all {
		text, err := json.Marshal(one.measured())
		told, err := agree.Tell(c, err, text)
		if err != nil {
			return nil, err
		}
		ranks := make([]measured, len(told))
		for rank := range told {
			if err := json.Unmarshal(told[rank], &ranks[rank]); err != nil {
				return nil, err
			}
		}
		row := RanksRow{
			Model: t.modelName, Data: t.dataName(), Method: one.method.Name, Shards: one.shards, Ascent: one.ascent, Batch: t.batch, Workers: t.workers,
			Sums: one.sums, Rounds: len(one.seconds), Calls: ranks[0].Calls,
			Step: Seconds{slices.Min(one.seconds), stats.Median(one.seconds), slices.Max(one.seconds)},
		}
		var compute, exchange, wait []float64
		for round := range one.seconds {
			longest, sumExchange, sumWait := 0.0, 0.0, 0.0
			for _, m := range ranks {
				longest, sumExchange, sumWait = max(longest, m.Compute[round]), sumExchange+m.Exchange[round], sumWait+m.Wait[round]
			}
			compute, exchange, wait = append(compute, longest), append(exchange, sumExchange/float64(len(ranks))), append(wait, sumWait/float64(len(ranks)))
		}
		row.Compute, row.Exchange, row.Wait = stats.Median(compute), stats.Median(exchange), stats.Median(wait)
		for _, m := range ranks {
			row.Bytes = max(row.Bytes, 4*m.Floats)
		}
		if one.overlapped != nil {
			ratio := stats.Median(stats.Ratios(one.overlapped.seconds, one.seconds))
			row.Overlap = &ratio
		}
		if fast := all[i|1]; one != fast { // each exact contender lies before its fast one
			ratio := stats.Median(stats.Ratios(one.seconds, fast.seconds))
			row.VsFast = &ratio
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// printRanks prints the table of a trial.
func printRanks(w io.Writer, t *trial, rows []RanksRow, markdown bool) {
	ratio := func(of *float64) string {
		if of == nil {
			return ""
		}
		return fmt.Sprintf("%.3f", *of)
	}
	ms := func(of func(RanksRow) float64) []string {
		return cells(rows, func(r RanksRow) string { return significant(1e3 * of(r)) })
	}
	label := func(r RanksRow) string {
		for _, c := range t.contenders {
			if c.method.Name == r.Method && c.shards == r.Shards && c.ascent == r.Ascent {
				return c.label()
			}
		}
		return r.Method
	}
	fmt.Fprintln(w, render([]column{
		{"method,\nshards", text.AlignLeft, cells(rows, label)},
		{"sums", text.AlignLeft, cells(rows, func(r RanksRow) string { return r.Sums })},
		{"ms a\nstep", text.AlignRight, ms(func(r RanksRow) float64 { return r.Step.Median })},
		{"x fast", text.AlignRight, cells(rows, func(r RanksRow) string { return ratio(r.VsFast) })},
		{"x with\noverlap", text.AlignRight, cells(rows, func(r RanksRow) string { return ratio(r.Overlap) })},
		{"compute", text.AlignRight, ms(func(r RanksRow) float64 { return r.Compute })},
		{"exchange", text.AlignRight, ms(func(r RanksRow) float64 { return r.Exchange })},
		{"wait", text.AlignRight, ms(func(r RanksRow) float64 { return r.Wait })},
		{"calls", text.AlignRight, cells(rows, func(r RanksRow) string { return strconv.Itoa(r.Calls) })},
		{"sent", text.AlignRight, cells(rows, func(r RanksRow) string { return memory(r.Bytes) })},
		{"examples\na second", text.AlignRight, cells(rows, func(r RanksRow) string { return rate(float64(r.Batch) / r.Step.Median) })},
	}, markdown))
}

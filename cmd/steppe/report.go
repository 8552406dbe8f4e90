package main

import (
	"encoding/json"
	"io"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/simd"
)

// Report is bench's figures. Its JSON is a contract: fields are neither
// renamed nor dropped without another version.
type Report struct {
	Version  int       `json:"version"`
	Machine  Machine   `json:"machine"`
	Rows     []Row     `json:"rows"`     // model by model
	Controls []Control `json:"controls"` // one a model
}

// Machine is where the figures were measured.
type Machine struct {
	CPU     string  `json:"cpu"`
	ISA     string  `json:"isa"`
	Cores   int     `json:"cores"` // physical
	L1D     int     `json:"l1d_bytes"`
	L2      int     `json:"l2_bytes"`
	L3      int     `json:"l3_bytes"`
	Ceiling float64 `json:"ceiling_gflops_per_core"`
}

// Row is the figures of one method. VsSGD and VsSAM are medians of the rounds'
// ratios, with their 95% intervals; they are nil if that method isn't timed, or
// there are too few rounds for an interval.
type Row struct {
	Model             string          `json:"model"`
	Data              string          `json:"data"`
	Method            string          `json:"method"`
	Shards            int             `json:"shards"`
	Batch             int             `json:"batch"`
	Workers           int             `json:"workers"`
	Rounds            int             `json:"rounds"`
	Seconds           Seconds         `json:"seconds"` // of a step
	VsSGD             *float64        `json:"vs_sgd"`
	VsSGDInterval     *stats.Interval `json:"vs_sgd_interval"`
	VsSAM             *float64        `json:"vs_sam"`
	VsSAMInterval     *stats.Interval `json:"vs_sam_interval"`
	ExamplesPerSecond float64         `json:"examples_per_second"`
	GFLOPS            float64         `json:"gflops"`           // executed, by the plan
	CeilingFraction   float64         `json:"ceiling_fraction"` // of all workers' ceiling
	WorkspaceBytes    int             `json:"workspace_bytes"`
	Plan              string          `json:"plan"` // in a few words
}

// Seconds is how a step's time spreads over the rounds.
type Seconds struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// Control is what one optimiser took for the same steps at the end of each round,
// relative to what it took in its turn. But for the machine's noise that is 1.
type Control struct {
	Model    string          `json:"model"`
	Method   string          `json:"method"`
	VsItself *float64        `json:"vs_itself"`
	Interval *stats.Interval `json:"vs_itself_interval"`
	// Noise is how far the control's interval reaches from 1, or a row's from its
	// ratio to the control's method, relative to that: whichever is further.
	Noise *float64 `json:"noise"`
	Noisy bool     `json:"noisy"` // too much so for these ratios
}

// tooNoisy is the noise from which on ratios say little: what they are wanted for
// is differences of this size.
const tooNoisy = 0.05

func newReport(ceiling float64) *Report {
	cpu := simd.Processor()
	return &Report{
		Version: 1,
		Machine: Machine{
			CPU: oneLine(cpu.Name), ISA: simd.Active().String(), Cores: cpu.PhysicalCores,
			L1D: cpu.L1D, L2: cpu.L2, L3: cpu.L3, Ceiling: ceiling / 1e9,
		},
		Rows:     []Row{},
		Controls: []Control{},
	}
}

// add adds the figures of a trial's rounds so far.
func (r *Report) add(t *trial) ([]Row, Control) {
	rows := len(r.Rows)
	for _, c := range t.contenders {
		r.Rows = append(r.Rows, t.row(c, 1e9*r.Machine.Ceiling))
	}
	control := t.control()
	r.Controls = append(r.Controls, control)
	return r.Rows[rows:], control
}

// row makes the figures of one contender, for a core's ceiling in FLOP/s.
func (t *trial) row(c *contender, ceiling float64) Row {
	plan := c.opt.Plan()
	step := Seconds{slices.Min(c.seconds), stats.Median(c.seconds), slices.Max(c.seconds)}
	flops := float64(plan.Flops) / step.Median
	row := Row{
		Model: t.modelName, Data: t.dataName(), Method: c.method.Name,
		Shards: c.shards, Batch: t.batch, Workers: t.workers,
		Rounds: len(c.seconds), Seconds: step,
		ExamplesPerSecond: float64(t.batch) / step.Median,
		GFLOPS:            flops / 1e9,
		CeilingFraction:   flops / (ceiling * float64(t.workers)),
		WorkspaceBytes:    plan.Bytes,
		Plan:              plan.Summary(),
	}
	row.VsSGD, row.VsSGDInterval = c.against(t.find("sgd"))
	row.VsSAM, row.VsSAMInterval = c.against(t.find("sam"))
	return row
}

// against returns the median of the rounds' ratios to another contender's times,
// and its 95% interval.
func (c *contender) against(other *contender) (*float64, *stats.Interval) {
	if other == nil {
		return nil, nil
	}
	ratios := stats.Ratios(c.seconds, other.seconds)
	median := stats.Median(ratios)
	in, ok := stats.MedianInterval(ratios, 0.95)
	if !ok {
		return &median, nil
	}
	return &median, &in
}

// control compares the reference to itself, and makes out how noisy it was.
func (t *trial) control() Control {
	reference := t.reference()
	k := Control{Model: t.modelName, Method: reference.method.Name}
	k.VsItself, k.Interval = t.again.against(reference)
	if k.Interval == nil {
		return k
	}
	noise := max(1-k.Interval.Low, k.Interval.High-1)
	for _, c := range t.contenders {
		ratio, in := c.against(reference)
		noise = max(noise, reach(*ratio, *in) / *ratio)
	}
	k.Noise, k.Noisy = &noise, noise > tooNoisy
	return k
}

// reach is how far an interval goes from a figure, on the side where it goes
// further.
func reach(figure float64, in stats.Interval) float64 {
	return math.Max(figure-in.Low, in.High-figure)
}

// writeJSON writes a report, indented.
func writeJSON(w io.Writer, report any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(report)
}

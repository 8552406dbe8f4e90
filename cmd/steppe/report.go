package main

import (
	"encoding/json"
	"io"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/simd"
)

// Report is the result of bench. Its JSON is a contract: renaming or dropping a field takes a new
// version.
type Report struct {
	Version  int       `json:"version"`
	Machine  Machine   `json:"machine"`
	Rows     []Row     `json:"rows"`     // in the order of the models and their batches
	Controls []Control `json:"controls"` // one for each model and batch
}

// Machine describes the machine that was measured.
type Machine struct {
	CPU     string  `json:"cpu"`
	ISA     string  `json:"isa"`
	Cores   int     `json:"cores"` // physical
	L1D     int     `json:"l1d_bytes"`
	L2      int     `json:"l2_bytes"`
	L3      int     `json:"l3_bytes"`
	Ceiling float64 `json:"ceiling_gflops_per_core"`
}

// Row has the results of one method with a number of shards. VsSGD and VsSAM are medians of the
// rounds' ratios to the times of that method, with 95% intervals. They are nil if that method isn't
// measured, and their intervals also if there are fewer than 6 rounds.
type Row struct {
	Model             string          `json:"model"`
	Data              string          `json:"data"`
	Method            string          `json:"method"`
	Shards            int             `json:"shards"`
	Ascent            string          `json:"ascent,omitempty"` // its precision, if it isn't float32
	Batch             int             `json:"batch"`
	Workers           int             `json:"workers"`
	Rounds            int             `json:"rounds"`
	Seconds           Seconds         `json:"seconds"` // of a step
	VsSGD             *float64        `json:"vs_sgd"`
	VsSGDInterval     *stats.Interval `json:"vs_sgd_interval"`
	VsSAM             *float64        `json:"vs_sam"`
	VsSAMInterval     *stats.Interval `json:"vs_sam_interval"`
	ExamplesPerSecond float64         `json:"examples_per_second"`
	GFLOPS            float64         `json:"gflops"`           // of the operations that the plan executes
	CeilingFraction   float64         `json:"ceiling_fraction"` // GFLOPS relative to the FMA ceiling of all workers' cores
	WorkspaceBytes    int             `json:"workspace_bytes"`
	Plan              string          `json:"plan"` // summary of the plan
}

// Seconds is the distribution of a step's times over the rounds.
type Seconds struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// Control compares one optimizer with itself: the times of its second steps, at the end of each
// round, relative to those of its first. Without noise the ratio is 1.
type Control struct {
	Model    string          `json:"model"`
	Batch    int             `json:"batch"`
	Method   string          `json:"method"`
	VsItself *float64        `json:"vs_itself"`
	Interval *stats.Interval `json:"vs_itself_interval"`
	// Noise is the largest of two kinds of distances: from 1 to the farther end of Interval, and for
	// each row, from its ratio to this method to the farther end of the ratio's interval, relative
	// to the ratio.
	Noise *float64 `json:"noise"`
	Noisy bool     `json:"noisy"` // Noise is so large that the ratios say little
}

// tooNoisy is the limit of Control.Noise: the methods differ by about as much.
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

// add adds the results of a trial's rounds so far, and returns them.
func (r *Report) add(t *trial) ([]Row, Control) {
	rows := len(r.Rows)
	for _, c := range t.contenders {
		r.Rows = append(r.Rows, t.row(c, 1e9*r.Machine.Ceiling))
	}
	control := t.control()
	r.Controls = append(r.Controls, control)
	return r.Rows[rows:], control
}

// row returns the results of one contender. ceiling is the FMA ceiling of a core in FLOP/s.
func (t *trial) row(c *contender, ceiling float64) Row {
	plan := c.opt.Plan()
	step := Seconds{slices.Min(c.seconds), stats.Median(c.seconds), slices.Max(c.seconds)}
	flops := float64(plan.Flops) / step.Median
	row := Row{
		Model: t.modelName, Data: t.dataName(), Method: c.method.Name,
		Shards: c.shards, Ascent: c.ascent, Batch: t.batch, Workers: t.workers,
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

// against returns the median of the rounds' ratios to another contender's times and its 95%
// interval. Both are nil without another contender, and the interval with fewer than 6 rounds.
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

// control compares the reference with itself and computes the noise.
func (t *trial) control() Control {
	reference := t.reference()
	k := Control{Model: t.modelName, Batch: t.batch, Method: reference.method.Name}
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

// noisy counts the trials that were too noisy.
func (r *Report) noisy() (n int) {
	for _, k := range r.Controls {
		if k.Noisy {
			n++
		}
	}
	return n
}

// reach returns the distance from a value to the farther end of its interval.
func reach(value float64, in stats.Interval) float64 {
	return math.Max(value-in.Low, in.High-value)
}

// writeJSON writes results as indented JSON.
func writeJSON(w io.Writer, results any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(results)
}

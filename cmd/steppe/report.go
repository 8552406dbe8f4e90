package main

import (
	"encoding/json"
	"io"
	"slices"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/simd"
)

// Report is bench's figures. Its JSON is a contract: fields are neither
// renamed nor dropped without another version.
type Report struct {
	Version int     `json:"version"`
	Machine Machine `json:"machine"`
	Rows    []Row   `json:"rows"`
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

// Row is the figures of one method.
type Row struct {
	Model             string  `json:"model"`
	Data              string  `json:"data"`
	Method            string  `json:"method"`
	Shards            int     `json:"shards"`
	Batch             int     `json:"batch"`
	Workers           int     `json:"workers"`
	Rounds            int     `json:"rounds"`
	Seconds           Seconds `json:"seconds"` // of a step
	VsSGD             float64 `json:"vs_sgd"`  // median of the rounds' ratios
	VsSAM             float64 `json:"vs_sam"`
	ExamplesPerSecond float64 `json:"examples_per_second"`
	GFLOPS            float64 `json:"gflops"`           // executed, by the plan
	CeilingFraction   float64 `json:"ceiling_fraction"` // of all workers' ceiling
	WorkspaceBytes    int     `json:"workspace_bytes"`
	Plan              string  `json:"plan"` // in a few words
}

// Seconds is how a step's time spreads over the rounds.
type Seconds struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// report makes the figures of the rounds so far; without one it has no rows.
func (b *bench) report() *Report {
	cpu := simd.Processor()
	r := &Report{
		Version: 1,
		Machine: Machine{
			CPU: oneLine(cpu.Name), ISA: simd.Active().String(), Cores: cpu.PhysicalCores,
			L1D: cpu.L1D, L2: cpu.L2, L3: cpu.L3, Ceiling: b.ceiling / 1e9,
		},
	}
	sgd, sam := b.reference("sgd"), b.reference("sam")
	for _, c := range b.contenders {
		if len(c.seconds) == 0 {
			break
		}
		plan := c.opt.Plan()
		step := Seconds{slices.Min(c.seconds), stats.Median(c.seconds), slices.Max(c.seconds)}
		flops := float64(plan.Flops) / step.Median
		r.Rows = append(r.Rows, Row{
			Model: b.modelName, Data: b.dataName(), Method: c.method.Name,
			Shards: c.shards, Batch: b.batch, Workers: b.workers,
			Rounds: len(c.seconds), Seconds: step,
			VsSGD:             stats.Median(stats.Ratios(c.seconds, sgd.seconds)),
			VsSAM:             stats.Median(stats.Ratios(c.seconds, sam.seconds)),
			ExamplesPerSecond: float64(b.batch) / step.Median,
			GFLOPS:            flops / 1e9,
			CeilingFraction:   flops / (b.ceiling * float64(b.workers)),
			WorkspaceBytes:    plan.Bytes,
			Plan:              plan.Summary(),
		})
	}
	return r
}

// write writes r as JSON.
func (r *Report) write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

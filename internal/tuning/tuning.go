// Package tuning is the messages between the command bench/tune and the measurements that it runs.
// These are a test of package blas: they change the tables of internal/gemm, and measure products
// through the functions that users call.
package tuning

// EnvVar is the environment variable that has the Job, as JSON.
const EnvVar = "STEPPE_TUNE"

// Types of elements.
const (
	F32 = "f32"
	F64 = "f64"
)

// Knobs are the sizes and thresholds that can be measured, by their names in gemm.Table.
var Knobs = []string{
	"KC", "MC", "NC", "PackBlock",
	"DirectUpTo", "PackRows", "PackRowsAligned", "PackStride", "PackAligned", "CopyA", "CopyFighting",
	"DotsUpTo", "AloneBelow", "WakeBelow", "PartWork",
}

// Job is what to measure.
type Job struct {
	Dtype  string
	Knobs  []string
	Rounds int
	Quick  bool // a few small products, which say nothing but that all works
}

// Point is the figures of one product under each candidate: one line of JSON.
type Point struct {
	Knob   string
	Value  int    // in the table
	Series string // what the products have in common

	// Axis is what a threshold is compared with, and X is that of this product.
	// There are two candidates then: what is done below the threshold, and above.
	// Without an axis the candidates are values of the knob.
	Axis string
	X    int

	Product    string
	Candidates []Candidate
}

// Candidate is one way to compute the product.
type Candidate struct {
	Name   string
	Table  bool      // so the table has it
	Speeds []float64 // GFLOP/s, of each round
}

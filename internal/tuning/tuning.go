// Package tuning is what the command bench/tune and the measurements that it
// runs say to each other. The latter are a test of package blas, since the
// tables that they change are that package's own.
package tuning

// EnvVar is the environment variable that has the Job, as JSON.
const EnvVar = "STEPPE_TUNE"

// Types of elements.
const (
	F32 = "f32"
	F64 = "f64"
)

// Knobs are the names of what can be measured: the sizes and thresholds in the
// tables of package blas.
var Knobs = []string{
	"kc", "mc", "nc",
	"directUpTo", "packRows", "packRowsAligned", "packStride", "packAligned", "copyA", "copyFighting",
	"dotsUpTo", "aloneBelow", "wakeBelow", "partWork",
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

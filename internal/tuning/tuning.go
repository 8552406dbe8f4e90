// Package tuning is what the command bench/tune and the measurements that it runs have in common.
// The measurements are tests named TestTune of the packages whose numbers they measure: tests can
// change those numbers, and compute through the functions that users call.
package tuning

import (
	"slices"
)

// EnvVar is the environment variable that has the Job, as JSON.
const EnvVar = "STEPPE_TUNE"

// Types of elements.
const (
	F32 = "f32"
	F64 = "f64"
)

// Group is the knobs that the TestTune of one package measures.
type Group struct {
	Name    string
	Package string // within the module
	F32     bool   // there is no other type of elements
	About   string
	Knobs   []string
}

// Groups are all sizes and thresholds that can be measured. Those of package blas have the names of
// their fields in gemm.Table, the others those of variables.
var Groups = []Group{
	{Name: "gemm", Package: "blas", About: "matrix products", Knobs: []string{
		"KC", "MC", "NC", "PackBlock",
		"DirectUpTo", "PackRows", "PackRowsAligned", "PackStride", "PackAligned", "CopyA", "CopyFighting", "CopyRows",
		"DotsUpTo", "AloneBelow", "WakeBelow", "PartWork",
	}},
	{Name: "level23", Package: "blas", About: "levels 2 and 3 of the BLAS", Knobs: []string{
		"SharedBytes", "WakingBytes", "PartBytes", "MultiplyFrom", "MultiplyUpTo", "TurnUpTo", "TurnElements",
	}},
	{Name: "conv", Package: "conv", About: "convolutions", F32: true, Knobs: []string{
		"BlockBytes", "PatchFloats", "ChunkPixels", "ChunkFloats", "PieceRows", "FewGroups", "EnoughChannels", "MostAhead",
	}},
	{Name: "sam", Package: "sam", About: "the cost model of steps", F32: true, Knobs: []string{
		"FlopsPerByte", "FormedBytes", "HandOver", "Busy", "BusyFormed", "Factored", "Reuse",
	}},
}

// Knobs returns the names of the knobs for a type of elements.
func Knobs(dtype string) (names []string) {
	for _, g := range Groups {
		if dtype == F32 || !g.F32 {
			names = append(names, g.Knobs...)
		}
	}
	return names
}

// Packages returns the packages that measure some of the named knobs, each once.
func Packages(knobs []string) (packages []string) {
	for _, g := range Groups {
		named := slices.ContainsFunc(g.Knobs, func(name string) bool { return slices.Contains(knobs, name) })
		if named && !slices.Contains(packages, g.Package) {
			packages = append(packages, g.Package)
		}
	}
	return packages
}

// Job is what to measure.
type Job struct {
	Dtype  string
	Knobs  []string
	Rounds int
	Quick  bool // a few small products, which say nothing but that all works
}

// Point is the figures of one piece of work under each candidate: one line of JSON.
type Point struct {
	Knob   string
	Value  int    // that is in use
	Bits   string `json:",omitempty"` // whose bits another value would change; "" for none
	Series string // what the pieces of work have in common
	Work   string // the piece of work
	Shapes string // how pieces of work are written
	Unit   string // of speeds

	// Axis is what a threshold is compared with, and X is that of this piece of work.
	// There are two candidates then: what is done below the threshold, and above.
	// Without an axis the candidates are values of the knob.
	Axis string `json:",omitempty"`
	X    int    `json:",omitempty"`

	// Constant is set if the knob stands for something that was measured itself, in Unit. Its
	// figures are the first candidate's; the others are what it was computed from.
	Constant bool   `json:",omitempty"`
	Void     string `json:",omitempty"` // why the figures say nothing; "" if they do

	Candidates []Candidate
}

// Candidate is one way to do the work.
type Candidate struct {
	Name   string
	Table  bool      `json:",omitempty"` // so it is done now
	Speeds []float64 // of each round
}

// Package protocol is what the parent and its children say to each other, one
// JSON object a line. A child says Hello; then it answers each Job on its
// standard input with a Reply on its standard output, and ends with its input.
package protocol

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Hello is a child's first line.
type Hello struct {
	// Version is what the library says of itself.
	Version string `json:"version"`
	// Loaded are the files of BLAS libraries in the process. A child in pure
	// Go has none, any other one.
	Loaded []string `json:"loaded,omitempty"`
}

// The element types, as Job.Dtype.
const (
	Float32 = "f32"
	Float64 = "f64"
)

// EntryVar is the environment variable that says which of our functions the
// child of our side calls: EntryMatMul, also if it isn't set, or EntryBLAS.
const (
	EntryVar    = "PEERS_ENTRY"
	EntryMatMul = "matmul" // blas.MatMul
	EntryBLAS   = "blas"   // blas.Sgemm and blas.Dgemm
)

// ReordersVar is the environment variable that, set, has oneDNN's convolutions read
// and write filters as ours do, HWIO, in each call.
const ReordersVar = "PEERS_REORDERS"

// Job asks for the time of one piece of work.
type Job struct {
	Dtype string `json:"dtype"` // of products and routines; decompositions are Float64, all else is Float32
	Work
	Workers int           `json:"workers"`
	Budget  time.Duration `json:"budget"` // how long to measure, in nanoseconds
}

// Validate returns what is wrong with a job.
func (j Job) Validate() error {
	switch {
	case j.Dtype != Float32 && j.Dtype != Float64:
		return fmt.Errorf("protocol: dtype %q, want %q or %q", j.Dtype, Float32, Float64)
	case j.Dtype != Float64 && j.Decomposition != nil:
		return fmt.Errorf("protocol: dtype %q, and decompositions have %q only", j.Dtype, Float64)
	case j.Dtype != Float32 && j.Product == nil && j.Routine == nil && j.Decomposition == nil:
		return fmt.Errorf("protocol: dtype %q, and only products, routines and decompositions have another than %q", j.Dtype, Float32)
	case j.Workers < 1:
		return fmt.Errorf("protocol: %d workers", j.Workers)
	case j.Budget <= 0:
		return fmt.Errorf("protocol: a budget of %v", j.Budget)
	}
	return j.Work.Validate()
}

// Reply answers a Job, with a time, or why there is none.
type Reply struct {
	Seconds float64 `json:"seconds,omitempty"` // for the work once
	// Windows is how many stretches of time the figure was chosen from;
	// Disturbed is in how many of them the kernel took a core away.
	Windows   int `json:"windows,omitempty"`
	Disturbed int `json:"disturbed,omitempty"`

	// Of steps: the model's parameters, the loss of the first step, and the memory
	// that a step takes beside them, 0 if it isn't known.
	Parameters int     `json:"parameters,omitempty"`
	Loss       float64 `json:"loss,omitempty"`
	Bytes      int64   `json:"bytes,omitempty"`

	Cannot string `json:"cannot,omitempty"` // the library has no such thing
	Error  string `json:"error,omitempty"`  // it failed, or its result is wrong
}

// Write writes one line.
func Write(w io.Writer, message any) error {
	line, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// Read reads one line into message. At the end of the input it returns io.EOF.
func Read(r *bufio.Reader, message any) error {
	line, err := r.ReadBytes('\n')
	if err == io.EOF && len(line) > 0 {
		return fmt.Errorf("protocol: input ends within the line %q", line)
	} else if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(message); err != nil {
		return fmt.Errorf("protocol: %w in the line %q", err, line)
	}
	return nil
}

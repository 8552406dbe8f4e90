// Package protocol defines the messages between the parent process and its children, one JSON
// object a line. A child writes Hello. Then it answers each Job on its standard input with a Reply
// on its standard output, and exits at the end of its input.
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
	Version string   `json:"version"`          // of the library, in its own words
	Loaded  []string `json:"loaded,omitempty"` // files of the BLAS libraries in the process; none in pure Go
}

// The element types of Job.Dtype.
const (
	Float32 = "f32"
	Float64 = "f64"
)

// EntryVar is the environment variable that says which of our functions our child calls:
// EntryMatMul, which is the default, or EntryBLAS.
const (
	EntryVar    = "PEERS_ENTRY"
	EntryMatMul = "matmul" // blas.MatMul
	EntryBLAS   = "blas"   // blas.Sgemm and blas.Dgemm
)

// ReordersVar is an environment variable. If it is set, each call of oneDNN's convolutions reads
// and writes filters in HWIO, as ours do.
const ReordersVar = "PEERS_REORDERS"

// Job asks for the time of one piece of work.
type Job struct {
	Dtype string `json:"dtype"` // decompositions are Float64; convolutions and steps are Float32
	Work
	Workers int           `json:"workers"`
	Budget  time.Duration `json:"budget"` // time to measure, in nanoseconds
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

// Reply answers a Job: with a time, or with the reason why there is none.
type Reply struct {
	Seconds   float64 `json:"seconds,omitempty"`   // time of the work
	Windows   int     `json:"windows,omitempty"`   // stretches of time that Seconds was chosen from
	Disturbed int     `json:"disturbed,omitempty"` // windows in which the kernel took a core away

	// For steps only.
	Parameters int     `json:"parameters,omitempty"` // of the model
	Loss       float64 `json:"loss,omitempty"`       // after the first steps
	Bytes      int64   `json:"bytes,omitempty"`      // a step's memory beside parameters, optimizer state and batch; 0 if unknown

	Cannot string `json:"cannot,omitempty"` // why the library can't do the work
	Error  string `json:"error,omitempty"`  // how it failed, or how its result is wrong
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

// Read reads one line into message. It returns io.EOF at the end of the input.
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

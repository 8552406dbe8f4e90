package blas

import "github.com/steppe-ml/steppe/internal/parallel"

// Team is a number of workers that compute one product at a time. A nil Team is one worker, the
// caller.
type Team = parallel.Team

// NewTeam returns a team of the given number of workers, of which the caller is one. It needs no
// closing: its goroutines end by themselves between products.
func NewTeam(workers int) *Team { return parallel.NewTeam(workers) }

// DefaultWorkers returns the number of workers to use by default: the number of physical cores that
// the program may use.
func DefaultWorkers() int { return parallel.DefaultWorkers() }

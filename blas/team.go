package blas

import "github.com/steppe-ml/steppe/internal/parallel"

// Team is some workers that compute one product at a time. A nil Team is one
// worker, the caller.
type Team = parallel.Team

// NewTeam returns a team of that many workers, the caller being one of them.
// It needs no closing: between products it is memory only.
func NewTeam(workers int) *Team { return parallel.NewTeam(workers) }

// DefaultWorkers returns the number of workers that pays: the physical cores
// among those that the program may use.
func DefaultWorkers() int { return parallel.DefaultWorkers() }

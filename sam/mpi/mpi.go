// Package mpi connects the ranks of a run by MPI, the library that clusters have for this.
//
// MPI is a C library, so it is part of a program only if the program is built with the tag mpi,
// with a C compiler and cgo:
//
//	go build -tags mpi ./cmd/steppe         # Open MPI   (Debian: libopenmpi-dev, openmpi-bin)
//	go build -tags mpi,mpich ./cmd/steppe   # MPICH      (Debian: libmpich-dev, mpich)
//	CC=mpicc go build -tags mpi,mpicc ./cmd/steppe   # any other, by its compiler
//
// The first two ask pkg-config for "ompi" and "mpich". A program runs with the mpirun of the MPI
// that it was built with:
//
//	mpirun -n 2 steppe train ... --mpi
//
// A rank ends by Close, or by Abort, which ends the others as well. A rank that ends otherwise,
// such as by a signal, makes mpirun end the others and say so.
//
// Ctrl-C and SIGTERM go to mpirun, which hands them to the ranks: MPICH's as what they are, Open
// MPI's as SIGTERM. Open MPI's kills what has not ended soon after.
package mpi

import (
	"github.com/steppe-ml/steppe/sam"
)

// Communicator is a sam.Communicator whose ranks are the processes that mpirun has started.
type Communicator interface {
	sam.Communicator
	// Library is the name and version of the MPI library.
	Library() string
	// Close ends the process's part in MPI, once all ranks have called it. The process goes on, but
	// can't start MPI again.
	Close() error
}

// Start starts MPI, and returns when all ranks have started it. A process can start it once. A
// program that mpirun hasn't started is the only rank.
//
// Without MPI in the program, the error says how to build it.
func Start() (Communicator, error) { return start() }

// BuiltFor returns the name of the MPI that the program was built for; "" if it has none.
func BuiltFor() string { return builtFor }

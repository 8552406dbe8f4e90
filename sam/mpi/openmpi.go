//go:build mpi && cgo && !mpich && !mpicc

package mpi

// #cgo pkg-config: ompi
import "C"

const builtFor = "Open MPI"

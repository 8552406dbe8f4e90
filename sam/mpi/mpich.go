//go:build mpi && cgo && mpich && !mpicc

package mpi

// #cgo pkg-config: mpich
import "C"

const builtFor = "MPICH"

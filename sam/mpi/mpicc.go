//go:build mpi && cgo && mpicc

package mpi

import "C" // the compiler, such as CC=mpicc, knows where MPI is

const builtFor = "the MPI of its C compiler"

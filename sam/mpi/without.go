//go:build !mpi || !cgo

package mpi

import "errors"

const builtFor = ""

func start() (Communicator, error) {
	return nil, errors.New("this program was built without MPI. To have it, install Open MPI " +
		"(Debian: libopenmpi-dev, openmpi-bin), pkg-config and a C compiler, and build with CGO_ENABLED=1 and " +
		"-tags mpi; for MPICH (Debian: libmpich-dev, mpich), build with -tags mpi,mpich")
}

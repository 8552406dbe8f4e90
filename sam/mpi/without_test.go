//go:build !mpi || !cgo

package mpi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithoutMPI(t *testing.T) {
	c, err := Start()
	require.Nil(t, c)
	require.ErrorContains(t, err, "-tags mpi")
	require.ErrorContains(t, err, "libopenmpi-dev")
	require.ErrorContains(t, err, "libmpich-dev")
}

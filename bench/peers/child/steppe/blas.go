package main

import (
	"fmt"
	"runtime"

	"github.com/steppe-ml/steppe/blas"

	"github.com/steppe-ml/steppe/bench/peers/child"
)

// viaBLAS calls blas.Sgemm, blas.Dgemm and the routines of blas.Implementation. They choose their
// number of workers from GOMAXPROCS at the first large product, so Workers has no effect after
// that.
func viaBLAS() child.Library {
	return child.Library{
		Workers: func(workers int) error {
			runtime.GOMAXPROCS(workers)
			if chosen := blas.DefaultWorkers(); chosen != workers {
				return fmt.Errorf("with GOMAXPROCS=%d, Sgemm and Dgemm use %d workers, want %d", workers, chosen, workers)
			}
			return nil
		},
		Run32: child.Gemm(blas.Sgemm),
		Run64: child.Gemm(blas.Dgemm),

		Routine32: child.Routines32(blas.Implementation{}),
		Routine64: child.Routines64(blas.Implementation{}),

		Decompose: func(d *child.Decomposition) (child.Decomposing, error) {
			blas.Use()
			return child.Mat(d)
		},
	}
}

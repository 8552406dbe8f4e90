// Command gonum is the peer gonum, whose BLAS is written in Go with some assembly.
package main

import (
	"runtime"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/steppe-ml/steppe/bench/peers/child"
)

func main() {
	child.Main(child.Library{
		Version: child.ModuleVersion("gonum.org/v1/gonum"),
		Workers: func(workers int) error { runtime.GOMAXPROCS(workers); return nil },
		Run32:   child.Gemm(gonum.Implementation{}.Sgemm),
		Run64:   child.Gemm(gonum.Implementation{}.Dgemm),

		Routine32: child.Routines32(gonum.Implementation{}),
		Routine64: child.Routines64(gonum.Implementation{}),

		Decompose: child.Mat,
	})
}

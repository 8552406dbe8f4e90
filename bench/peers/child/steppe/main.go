// Command steppe is our own side, blas.MatMul. The environment variable
// STEPPE_SIMD lowers the instruction set.
package main

import (
	"fmt"
	"os"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/simd"

	"github.com/steppe-ml/steppe/bench/peers/child"
)

func main() {
	if err := simd.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var team *blas.Team
	child.Main(child.Library{
		Version: fmt.Sprintf("steppe (%v kernels)", simd.Active()),
		Workers: func(workers int) error { team = blas.NewTeam(workers); return nil },
		Run:     func(p *child.Product, first, times int) { run(team, p, first, times) },
	})
}

func run(team *blas.Team, p *child.Product, set, times int) {
	var a, b, c [child.Sets]blas.Mat
	for i := range child.Sets {
		a[i] = view(p.SliceA(i), p.M, p.K, p.TransA)
		b[i] = view(p.SliceB(i), p.K, p.N, p.TransB)
		c[i] = view(p.SliceC(i), p.M, p.N, false)
	}
	for range times {
		blas.MatMul(team, c[set], a[set], b[set], blas.Options{})
		if set++; set == child.Sets {
			set = 0
		}
	}
}

// view returns a matrix of that many rows and columns, which is stored
// transposed or not.
func view(data []float32, rows, cols int, trans bool) blas.Mat {
	if trans {
		return blas.Dense(data, cols, rows).T()
	}
	return blas.Dense(data, rows, cols)
}

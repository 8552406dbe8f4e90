package main

import (
	"github.com/steppe-ml/steppe/blas"

	"github.com/steppe-ml/steppe/bench/peers/child"
)

// viaMatMul calls blas.MatMul and conv's passes on a team of the given number of workers.
func viaMatMul() child.Library {
	var team *blas.Team
	return child.Library{
		Workers:  func(workers int) error { team = blas.NewTeam(workers); return nil },
		Run32:    func(p *child.Product[float32], first, times int) { matMul(team, p, first, times) },
		Run64:    func(p *child.Product[float64], first, times int) { matMul(team, p, first, times) },
		Convolve: func(c *child.Convolution) (child.Convolving, error) { return convolve(team, c) },
		Train:    train,
	}
}

func matMul[T child.Float](team *blas.Team, p *child.Product[T], set, times int) {
	var a, b, c [child.Sets]blas.Mat[T]
	for i := range child.Sets {
		a[i] = view(p.SliceA(i), p.M, p.K, p.TransA)
		b[i] = view(p.SliceB(i), p.K, p.N, p.TransB)
		c[i] = view(p.SliceC(i), p.M, p.N, false)
	}
	for range times {
		blas.MatMul(team, c[set], a[set], b[set], blas.Options[T]{})
		if set++; set == child.Sets {
			set = 0
		}
	}
}

// view returns a rows x cols matrix, which is stored transposed if trans is set.
func view[T child.Float](data []T, rows, cols int, trans bool) blas.Mat[T] {
	if trans {
		return blas.RowMajor(data, cols, rows).T()
	}
	return blas.RowMajor(data, rows, cols)
}

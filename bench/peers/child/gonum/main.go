// Command gonum is the peer gonum, whose BLAS is Go with some assembly.
package main

import (
	"runtime"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/steppe-ml/steppe/bench/peers/child"
)

func main() {
	child.Main(child.Library{
		Version: child.ModuleVersion("gonum.org/v1/gonum"),
		Workers: func(workers int) error { runtime.GOMAXPROCS(workers); return nil },
		Run:     run,
	})
}

func run(p *child.Product, set, times int) {
	tA, tB := blas.NoTrans, blas.NoTrans
	if p.TransA {
		tA = blas.Trans
	}
	if p.TransB {
		tB = blas.Trans
	}
	var a, b, c [child.Sets][]float32
	for i := range child.Sets {
		a[i], b[i], c[i] = p.SliceA(i), p.SliceB(i), p.SliceC(i)
	}
	for range times {
		gonum.Implementation{}.Sgemm(tA, tB, p.M, p.N, p.K, 1, a[set], p.LdA, b[set], p.LdB, 0, c[set], p.LdC)
		if set++; set == child.Sets {
			set = 0
		}
	}
}

// Command vek is the peer github.com/viterin/vek: Go with AVX2 assembly that a C++ compiler
// generated. It multiplies row-major matrices that aren't transposed.
package main

import (
	"runtime"

	"github.com/viterin/vek"
	"github.com/viterin/vek/vek32"

	"github.com/steppe-ml/steppe/bench/peers/child"
	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

func main() {
	child.Main(child.Library{
		Version: child.ModuleVersion("github.com/viterin/vek"),
		// vek divides work by the number of CPUs, whatever GOMAXPROCS is. With one worker its
		// goroutines run one after the other.
		Workers: func(workers int) error { runtime.GOMAXPROCS(workers); return nil },
		Cannot: func(s protocol.Shape) string {
			if s.TransA || s.TransB {
				return "vek's MatMul has no transposes"
			}
			return ""
		},
		Run32: run(vek32.MatMul_Into),
		Run64: run(vek.MatMul_Into),
	})
}

func run[T child.Float](multiply func(c, a, b []T, k int) []T) func(p *child.Product[T], first, times int) {
	return func(p *child.Product[T], set, times int) {
		var a, b, c [child.Sets][]T
		for i := range child.Sets {
			a[i], b[i], c[i] = p.SliceA(i), p.SliceB(i), p.SliceC(i)
		}
		for range times {
			multiply(c[set], a[set], b[set], p.K)
			if set++; set == child.Sets {
				set = 0
			}
		}
	}
}

// Command vector generates kernels of levels 1 and 2 of the BLAS for arm64.
package main

import (
	"flag"
	"strings"

	"github.com/steppe-ml/steppe/asm_gen/neon"
)

func main() {
	float := flag.Int("float", 32, "bits of an element: 32 or 64")
	neon.Program(func(file *neon.File) {
		k := kernels{file, neon.Element(*float / 8)}
		k.axpy()
		k.scal()
		k.dot()
	})
}

// kernels is what writes the kernels for one type of elements.
type kernels struct {
	file *neon.File
	of   neon.Element
}

// begin opens a kernel, whose name begins with s for float32 and d for float64.
func (k kernels) begin(name, signature, doc string, pointers ...string) (f *neon.Func, n neon.R, p []neon.R) {
	name = map[neon.Element]string{neon.Float32: "s", neon.Float64: "d"}[k.of] + name + "NEON"
	signature = strings.NewReplacer("*T", "*"+k.of.Type(), " T", " "+k.of.Type()).Replace(signature)
	f = k.file.Func(name, signature, doc)
	n = f.Load("n", f.R())
	for _, name := range pointers {
		p = append(p, f.Load(name, f.R()))
	}
	return f, n, p
}

func (k kernels) axpy() {
	f, n, p := k.begin("axpy", "func(n int, alpha T, x, y *T)", "adds alpha*x to y.", "x", "y")
	alpha := k.of.V(31)
	f.Broadcast("alpha", alpha)
	f.Loop(k.of, n, p, 4, func(v neon.Vec) {
		x, y := k.of.V(2*v.Index), k.of.V(2*v.Index+1)
		v.Load(p[0], x)
		v.Load(p[1], y)
		v.FMA(x, alpha, y)
		v.Store(y, p[1])
	})
	f.RET()
}

func (k kernels) scal() {
	f, n, p := k.begin("scal", "func(n int, alpha T, x *T)", "multiplies x by alpha.", "x")
	alpha := k.of.V(31)
	f.Broadcast("alpha", alpha)
	f.Loop(k.of, n, p, 4, func(v neon.Vec) {
		x := k.of.V(v.Index)
		v.Load(p[0], x)
		v.VFMUL(alpha.Lane(0), x, x)
		v.Store(x, p[0])
	})
	f.RET()
}

// dot sums in eight accumulators, as package simd's does, and folds them in the same
// order.
func (k kernels) dot() {
	f, n, p := k.begin("dot", "func(n int, x, y *T) T", "returns the sum of x*y.", "x", "y")
	const accumulators = 8
	tail := k.of.V(accumulators)
	f.Zero(tail)
	for i := range accumulators {
		f.Zero(k.of.V(i))
	}
	f.Loop(k.of, n, p, accumulators, func(v neon.Vec) {
		x, y, sum := k.of.V(16+2*v.Index), k.of.V(17+2*v.Index), k.of.V(v.Index)
		if v.Tail {
			sum = tail
		}
		v.Load(p[0], x)
		v.Load(p[1], y)
		v.FMA(x, y, sum)
	})
	for stride := 1; stride < accumulators; stride *= 2 {
		for i := 0; i < accumulators; i += 2 * stride {
			f.VFADD(k.of.V(i+stride), k.of.V(i), k.of.V(i))
		}
	}
	sum := k.of.V(0)
	for lanes := k.of.Lanes(); lanes > 1; lanes /= 2 {
		f.VFADDP(sum, sum, sum)
	}
	f.FADD(tail, sum, sum)
	f.FMOV(sum.F(), f.Arg("ret"))
	f.RET()
}

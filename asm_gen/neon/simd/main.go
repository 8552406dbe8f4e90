// Command simd generates the float32 vector kernels of package simd for arm64.
package main

import "github.com/steppe-ml/steppe/asm_gen/neon"

func main() {
	neon.Program(func(file *neon.File) {
		axpy(file)
		dot(file)
		peak(file)
	})
}

func axpy(file *neon.File) {
	f := file.Func("axpyNEON", "func(alpha float32, x, y []float32)", "adds alpha*x to y.")
	n := f.Load("x_len", f.R())
	p := []neon.R{f.Load("x_base", f.R()), f.Load("y_base", f.R())}
	const alpha = neon.V(31)
	f.Broadcast("alpha", alpha)
	f.Loop(n, p, 4, func(v neon.Vec) {
		x, y := neon.V(2*v.Index), neon.V(2*v.Index+1)
		v.Load(p[0], x)
		v.Load(p[1], y)
		v.FMA(x, alpha, y)
		v.Store(y, p[1])
	})
	f.RET()
}

// dot sums in eight accumulators, which cover the latency of an FMA at three
// loads a cycle. They are folded in a fixed order: neighbours, neighbours of
// those, and so on until one lane is left, to which the tail's sum is added.
func dot(file *neon.File) {
	f := file.Func("dotNEON", "func(x, y []float32) float32", "returns the sum of x*y.")
	n := f.Load("x_len", f.R())
	p := []neon.R{f.Load("x_base", f.R()), f.Load("y_base", f.R())}
	const accumulators, tail = 8, neon.V(8)
	for i := range tail {
		f.Zero(i)
	}
	f.Zero(tail)
	f.Loop(n, p, accumulators, func(v neon.Vec) {
		x, y, sum := neon.V(16+2*v.Index), neon.V(17+2*v.Index), neon.V(v.Index)
		if v.Tail {
			sum = tail
		}
		v.Load(p[0], x)
		v.Load(p[1], y)
		v.FMA(x, y, sum)
	})
	for stride := 1; stride < accumulators; stride *= 2 {
		for i := neon.V(0); i < accumulators; i += neon.V(2 * stride) {
			f.VFADD(i+neon.V(stride), i, i)
		}
	}
	f.VFADDP(0, 0, 0)
	f.VFADDP(0, 0, 0)
	f.FADDS(tail, 0, 0)
	f.FMOVS(neon.V(0).F(), f.Arg("ret"))
	f.RET()
}

// peak multiplies and adds in registers alone, with more accumulators than
// the latency of an FMA times the number of FMA units of any CPU.
func peak(file *neon.File) {
	f := file.Func("peakNEON", "func(iterations int)", "runs 24 vector FMAs of float32 an iteration, independent of each other.")
	n := f.Load("iterations", f.R())
	for i := range neon.V(26) {
		f.Zero(i)
	}
	f.Label("loop")
	for i := range neon.V(24) {
		f.VFMLA(neon.V(24), neon.V(25), i)
	}
	f.SUB(neon.Imm(1), n, n)
	f.CBNZ(n, "loop")
	f.RET()
}

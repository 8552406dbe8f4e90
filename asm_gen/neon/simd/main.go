// Command simd generates the float32 vector kernels of package simd for arm64.
package main

import "github.com/steppe-ml/steppe/asm_gen/neon"

// of is what the kernels' vectors hold.
const of = neon.Float32

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
	alpha := of.V(31)
	f.Broadcast("alpha", alpha)
	f.Loop(of, n, p, 4, func(v neon.Vec) {
		x, y := of.V(2*v.Index), of.V(2*v.Index+1)
		v.Load(p[0], x)
		v.Load(p[1], y)
		v.FMA(x, alpha, y)
		v.Store(y, p[1])
	})
	f.RET()
}

// dot sums in eight accumulators, which cover the latency of an FMA at three
// loads a cycle. They are folded in a fixed order: neighbors, neighbors of
// those, and so on until one lane is left, to which the tail's sum is added.
func dot(file *neon.File) {
	f := file.Func("dotNEON", "func(x, y []float32) float32", "returns the sum of x*y.")
	n := f.Load("x_len", f.R())
	p := []neon.R{f.Load("x_base", f.R()), f.Load("y_base", f.R())}
	const accumulators = 8
	for i := range accumulators {
		f.Zero(of.V(i))
	}
	tail := of.V(accumulators)
	f.Zero(tail)
	f.Loop(of, n, p, accumulators, func(v neon.Vec) {
		x, y, sum := of.V(16+2*v.Index), of.V(17+2*v.Index), of.V(v.Index)
		if v.Tail {
			sum = tail
		}
		v.Load(p[0], x)
		v.Load(p[1], y)
		v.FMA(x, y, sum)
	})
	for stride := 1; stride < accumulators; stride *= 2 {
		for i := 0; i < accumulators; i += 2 * stride {
			f.VFADD(of.V(i+stride), of.V(i), of.V(i))
		}
	}
	sum := of.V(0)
	f.VFADDP(sum, sum, sum)
	f.VFADDP(sum, sum, sum)
	f.FADD(tail, sum, sum)
	f.FMOV(sum.F(), f.Arg("ret"))
	f.RET()
}

// peak multiplies and adds in registers alone, with more accumulators than
// the latency of an FMA times the number of FMA units of any CPU.
func peak(file *neon.File) {
	f := file.Func("peakNEON", "func(iterations int)", "runs 24 vector FMAs of float32 an iteration, independent of each other.")
	n := f.Load("iterations", f.R())
	for i := range 26 {
		f.Zero(of.V(i))
	}
	f.Label("loop")
	for i := range 24 {
		f.VFMLA(of.V(24), of.V(25), of.V(i))
	}
	f.SUB(neon.Imm(1), n, n)
	f.CBNZ(n, "loop")
	f.RET()
}

// Command simd generates the float32 vector kernels of package simd.
package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	isa.Program(func(s isa.Set) {
		if s.Pairs {
			pairKernels(s)
			return
		}
		axpy(s)
		axpyTo(s)
		scale(s)
		binary(s, "add", "sets dst to x + y.", VADDPS)
		binary(s, "mul", "sets dst to x * y.", VMULPS)
		relu(s)
		reluBackward(s)
		momentum(s)
		adamW(s)
		scaledAxpyTo(s)
		dot(s)
		dot64(s)
		squares(s)
		scaledSquares(s)
		maximum(s)
		channelKernels(s)
		mathKernels(s)
		layerNormKernels(s)
		scoresKernels(s)
		rotateHalves(s)
		peak(s)
	})
}

// begin opens the function name for set s, and loads the length of the slice
// n and the bases of slices.
func begin(s isa.Set, name, signature, doc, n string, slices ...string) (reg.Register, []reg.Register) {
	TEXT(name+s.Name, attr.NOSPLIT, signature)
	Doc(name + s.Name + " " + doc)
	length := Load(Param(n).Len(), GP64())
	var bases []reg.Register
	for _, name := range slices {
		bases = append(bases, Load(Param(name).Base(), GP64()))
	}
	return length, bases
}

func axpy(s isa.Set) {
	n, p := begin(s, "axpy", "func(alpha float32, x, y []float32)", "adds alpha*x to y.", "x", "x", "y")
	alpha := s.V(14)
	s.Broadcast("alpha", alpha)
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		x, y := s.V(2*v.Index), s.V(2*v.Index+1)
		v.Load(p[0], x)
		v.Load(p[1], y)
		VFMADD231PS(x, alpha, y)
		v.Store(y, p[1])
	})
	isa.End()
}

func axpyTo(s isa.Set) {
	n, p := begin(s, "axpyTo", "func(dst []float32, alpha float32, x, y []float32)", "sets dst to y + alpha*x.", "dst", "dst", "x", "y")
	alpha := s.V(14)
	s.Broadcast("alpha", alpha)
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		x, y := s.V(2*v.Index), s.V(2*v.Index+1)
		v.Load(p[1], x)
		v.Load(p[2], y)
		VFMADD231PS(x, alpha, y)
		v.Store(y, p[0])
	})
	isa.End()
}

func scale(s isa.Set) {
	n, p := begin(s, "scale", "func(alpha float32, x []float32)", "multiplies x by alpha.", "x", "x")
	alpha := s.V(14)
	s.Broadcast("alpha", alpha)
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		x := s.V(v.Index)
		v.Load(p[0], x)
		VMULPS(alpha, x, x)
		v.Store(x, p[0])
	})
	isa.End()
}

func binary(s isa.Set, name, doc string, op func(...operand.Op)) {
	n, p := begin(s, name, "func(dst, x, y []float32)", doc, "dst", "dst", "x", "y")
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		x, y := s.V(2*v.Index), s.V(2*v.Index+1)
		v.Load(p[1], x)
		v.Load(p[2], y)
		op(x, y, x)
		v.Store(x, p[0])
	})
	isa.End()
}

func relu(s isa.Set) {
	n, p := begin(s, "relu", "func(dst, x []float32)", "sets dst to max(0, x), and to NaN where x is NaN.", "dst", "dst", "x")
	s.Zero(14)
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		x := s.V(v.Index)
		v.Load(p[1], x)
		VMAXPS(x, s.V(14), x) // NaN in x wins: the operand named first does
		v.Store(x, p[0])
	})
	isa.End()
}

func reluBackward(s isa.Set) {
	n, p := begin(s, "reluBackward", "func(dst, dy, y []float32)", "sets dst to dy, and to 0 where y <= 0.", "dst", "dst", "dy", "y")
	s.Zero(14)
	const notLessEqual = operand.U8(6) // true of NaN
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		dy, y := s.V(2*v.Index), s.V(2*v.Index+1)
		v.Load(p[2], y)
		v.Load(p[1], dy)
		if s.Wide() {
			VCMPPS(notLessEqual, s.V(14), y, reg.K2)
			VMOVAPS_Z(dy, reg.K2, dy)
		} else {
			VCMPPS(notLessEqual, s.V(14), y, y)
			VANDPS(dy, y, dy)
		}
		v.Store(dy, p[0])
	})
	isa.End()
}

func momentum(s isa.Set) {
	n, p := begin(s, "momentum", "func(w, v, g []float32, scale, lr, mu, decay, vel, grad float32)",
		"sets d = scale*g + decay*w, v = mu*v + d, w -= lr*(vel*v + grad*d).", "w", "w", "v", "g")
	scale, lr, mu, decay, vel, grad := s.V(9), s.V(10), s.V(11), s.V(12), s.V(13), s.V(14)
	for i, param := range []string{"scale", "lr", "mu", "decay", "vel", "grad"} {
		s.Broadcast(param, s.V(9+i))
	}
	s.Loop(n, p, 2, s.Lanes(), func(v isa.Vec) {
		w, m, d, step := s.V(4*v.Index), s.V(4*v.Index+1), s.V(4*v.Index+2), s.V(4*v.Index+3)
		v.Load(p[0], w)
		v.Load(p[1], m)
		v.Load(p[2], d)
		VMULPS(d, scale, d)
		VFMADD231PS(w, decay, d)
		VFMADD213PS(d, mu, m)
		VMULPS(d, grad, step)
		VFMADD231PS(m, vel, step)
		VFNMADD231PS(step, lr, w)
		v.Store(m, p[1])
		v.Store(w, p[0])
	})
	isa.End()
}

// adamW isn't unrolled: its root and its quotient keep the CPU busy, and AVX2 has
// registers for one vector beside the constants.
func adamW(s isa.Set) {
	n, p := begin(s, "adamW", "func(w, m, v, g []float32, scale, beta1, rest1, beta2, rest2, root, eps, lr, decay float32)",
		"sets d = scale*g, m = beta1*m + rest1*d, v = beta2*v + rest2*d*d, w -= lr*m/(root*sqrt(v) + eps) + decay*w.", "w", "w", "m", "v", "g")
	constant := map[string]reg.Register{}
	for i, param := range []string{"scale", "beta1", "rest1", "beta2", "rest2", "root", "eps", "lr", "decay"} {
		constant[param] = s.V(6 + i)
		s.Broadcast(param, s.V(6+i))
	}
	s.Loop(n, p, 1, s.Lanes(), func(vec isa.Vec) {
		w, m, v, d, q := s.V(0), s.V(1), s.V(2), s.V(3), s.V(4)
		vec.Load(p[0], w)
		vec.Load(p[1], m)
		vec.Load(p[2], v)
		vec.Load(p[3], d)
		VMULPS(d, constant["scale"], d)
		VMULPS(m, constant["beta1"], m)
		VFMADD231PS(d, constant["rest1"], m)
		VMULPS(d, d, d)
		VMULPS(v, constant["beta2"], v)
		VFMADD231PS(d, constant["rest2"], v)
		vec.Store(m, p[1])
		vec.Store(v, p[2])
		VSQRTPS(v, q)
		VFMADD213PS(constant["eps"], constant["root"], q)
		VDIVPS(q, m, q)
		VMULPS(w, constant["decay"], d)
		VFMADD231PS(q, constant["lr"], d)
		VSUBPS(d, w, w)
		vec.Store(w, p[0])
	})
	isa.End()
}

// signs is all bits but the sign's, in every lane.
func signs(s isa.Set) operand.Op { return inMemory(s, 0x7fffffff) }

func scaledAxpyTo(s isa.Set) {
	n, p := begin(s, "scaledAxpyTo", "func(dst []float32, alpha, eta float32, x, y []float32)", "sets dst to y + alpha*(|y|+eta)^2*x.", "dst", "dst", "x", "y")
	alpha, eta, magnitude := s.V(12), s.V(13), s.V(14)
	s.Broadcast("alpha", alpha)
	s.Broadcast("eta", eta)
	VMOVUPS(signs(s), magnitude)
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		x, y, t := s.V(3*v.Index), s.V(3*v.Index+1), s.V(3*v.Index+2)
		v.Load(p[1], x)
		v.Load(p[2], y)
		VANDPS(y, magnitude, t)
		VADDPS(t, eta, t)
		VMULPS(x, t, x)
		VMULPS(t, alpha, t)
		VFMADD231PS(x, t, y)
		v.Store(y, p[0])
	})
	isa.End()
}

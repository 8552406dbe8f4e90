// Command vector generates the kernels of levels 1 and 2 of the BLAS.
package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	isa.Program(func(s isa.Set) {
		axpy(s)
		scal(s)
		swap(s)
		rot(s)
		dot(s)
		asum(s)
		iamax(s)
		dotRows(s)
		axpyRows(s)
		rank1(s)
		rank2(s)
		dotAxpyRows(s)
	})
}

// open opens a kernel, whose name begins with s for float32 and d for float64.
func open(s isa.Set, name, signature, doc string) {
	name = map[int]string{32: "s", 64: "d"}[s.Float] + name + s.Name
	TEXT(name, attr.NOSPLIT, s.Typed(signature))
	Doc(name + " " + doc)
}

// begin opens a kernel of vectors, and loads their length, n, and pointers.
func begin(s isa.Set, name, signature, doc string, pointers ...string) (n reg.Register, p []reg.Register) {
	open(s, name, signature, doc)
	n = load("n")
	for _, name := range pointers {
		p = append(p, load(name))
	}
	return n, p
}

// load returns a register with a parameter.
func load(name string) reg.Register { return Load(Param(name), GP64()) }

// Kernels of level 1 have four vectors in flight.
const unroll = 4

func axpy(s isa.Set) {
	n, p := begin(s, "axpy", "func(n int, alpha T, x, y *T)", "adds alpha*x to y.", "x", "y")
	alpha := s.V(14)
	s.Broadcast("alpha", alpha)
	s.Loop(n, p, unroll, s.Lanes(), func(v isa.Vec) {
		x, y := s.V(2*v.Index), s.V(2*v.Index+1)
		v.Load(p[0], x)
		v.Load(p[1], y)
		s.VFMADD231(x, alpha, y)
		v.Store(y, p[1])
	})
	isa.End()
}

func scal(s isa.Set) {
	n, p := begin(s, "scal", "func(n int, alpha T, x *T)", "multiplies x by alpha.", "x")
	alpha := s.V(14)
	s.Broadcast("alpha", alpha)
	s.Loop(n, p, unroll, s.Lanes(), func(v isa.Vec) {
		x := s.V(v.Index)
		v.Load(p[0], x)
		s.VMUL(alpha, x, x)
		v.Store(x, p[0])
	})
	isa.End()
}

func swap(s isa.Set) {
	n, p := begin(s, "swap", "func(n int, x, y *T)", "exchanges x and y.", "x", "y")
	s.Loop(n, p, unroll, s.Lanes(), func(v isa.Vec) {
		x, y := s.V(2*v.Index), s.V(2*v.Index+1)
		v.Load(p[0], x)
		v.Load(p[1], y)
		v.Store(y, p[0])
		v.Store(x, p[1])
	})
	isa.End()
}

func rot(s isa.Set) {
	n, p := begin(s, "rot", "func(n int, x, y *T, c, s T)", "sets x to c*x + s*y, and y to c*y - s*x.", "x", "y")
	cos, sin := s.V(13), s.V(14)
	s.Broadcast("c", cos)
	s.Broadcast("s", sin)
	s.Loop(n, p, unroll, s.Lanes(), func(v isa.Vec) {
		x, y, t := s.V(3*v.Index), s.V(3*v.Index+1), s.V(3*v.Index+2)
		v.Load(p[0], x)
		v.Load(p[1], y)
		s.VMUL(sin, x, t)
		s.VMUL(cos, x, x)
		s.VFMADD231(sin, y, x)
		s.VFMSUB213(t, cos, y)
		v.Store(x, p[0])
		v.Store(y, p[1])
	})
	isa.End()
}

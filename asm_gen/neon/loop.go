package neon

// Vec is one vector's worth of elements inside a loop: the bodies that loops
// take are written once against it, and emitted for whole vectors and for the
// single elements of the tail.
type Vec struct {
	*Func
	Index int  // which of the unrolled vectors this is
	Tail  bool // this is one element: lane 0 of its registers
}

// Load reads v of the slice at p into r.
func (v Vec) Load(p R, r V) {
	if v.Tail {
		v.FMOV(Ptr(p, 0), r.F())
	} else {
		v.FMOVQ(Ptr(p, 16*v.Index), r.F())
	}
}

// Store writes r to v of the slice at p.
func (v Vec) Store(r V, p R) {
	if v.Tail {
		v.FMOV(r.F(), Ptr(p, 0))
	} else {
		v.FMOVQ(r.F(), Ptr(p, 16*v.Index))
	}
}

// FMA adds x*y to sum, rounding once.
func (v Vec) FMA(x, y, sum V) {
	if v.Tail {
		v.FMADD(x, y, sum)
	} else {
		v.VFMLA(x, y, sum)
	}
}

// Loop emits body over n elements of the slices at ptrs: unroll vectors at a
// time, then one at a time, then one element at a time. It uses up n and ptrs.
func (f *Func) Loop(of Element, n R, ptrs []R, unroll int, body func(Vec)) {
	lanes := of.Lanes()
	advance := func(elements int) {
		for _, p := range ptrs {
			f.ADD(Imm(int(of)*elements), p, p)
		}
		f.SUB(Imm(elements), n, n)
	}

	f.CMP(Imm(lanes*unroll), n)
	f.BLT("single")
	f.Label("unrolled")
	for i := range unroll {
		body(Vec{Func: f, Index: i})
	}
	advance(lanes * unroll)
	f.CMP(Imm(lanes*unroll), n)
	f.BGE("unrolled")

	f.Label("single")
	f.CMP(Imm(lanes), n)
	f.BLT("tail")
	body(Vec{Func: f})
	advance(lanes)
	f.B("single")

	f.Label("tail")
	f.CBZ(n, "done")
	body(Vec{Func: f, Tail: true})
	advance(1)
	f.B("tail")
	f.Label("done")
}

// Zero clears vector registers.
func (f *Func) Zero(vs ...V) {
	for _, v := range vs {
		f.VEOR(v, v, v)
	}
}

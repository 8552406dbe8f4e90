package lower

import (
	"github.com/steppe-ml/steppe/asm_gen/neon"
)

// part emits what avo has no instruction for: loads, stores and clearings of the first elements
// of a vector. Their number, from 1 to one less than the lanes, is in a general register or in
// memory. The names end in the bytes of an element.
//
//	PARTLOAD4  memory, n, x   sets x to n elements, and to 0 behind them
//	PARTFILL4  memory, n, x   sets n elements of x, and leaves the others
//	PARTSTORE4 x, n, memory
//	PARTCLEAR4 n, x           clears x behind n elements
func (l *lowering) part(i instruction) {
	op, e := i.operands, neon.Element(i.opcode[len(i.opcode)-1]-'0')
	switch i.opcode[:len(i.opcode)-1] {
	case "PARTLOAD":
		l.parts(e, op[1], memoryOf(op[0]), func(of neon.Element, at neon.R, lane int) {
			if lane == 0 {
				l.FMOV(neon.Ptr(at, 0), of.V(number(op[2])).F())
			} else {
				l.Emit("VLD1", neon.Ptr(at, 0), of.V(number(op[2])).Lane(lane))
			}
		})
	case "PARTFILL":
		l.parts(e, op[1], memoryOf(op[0]), func(of neon.Element, at neon.R, lane int) {
			l.Emit("VLD1", neon.Ptr(at, 0), of.V(number(op[2])).Lane(lane))
		})
	case "PARTSTORE":
		l.parts(e, op[1], memoryOf(op[2]), func(of neon.Element, at neon.R, lane int) {
			if lane == 0 {
				l.FMOV(of.V(number(op[0])).F(), neon.Ptr(at, 0))
			} else {
				l.Emit("VST1", of.V(number(op[0])).Lane(lane), neon.Ptr(at, 0))
			}
		})
	case "PARTCLEAR":
		l.clear(e, op[0], number(op[1]))
	default:
		panic("no instruction of arm64 is known")
	}
}

// parts calls move for the pieces of a part: for float64 that is one element, for float32 two if
// there are so many, and one more if their number is odd.
func (l *lowering) parts(e neon.Element, n string, m memory, move func(of neon.Element, at neon.R, lane int)) {
	if e == neon.Float64 {
		move(e, l.pointer(m), 0)
		return
	}
	count := l.inRegister(n, value) // before the pointer, which may be in the register of addresses
	at := l.pointer(m)
	one, end := l.label(), l.label()
	l.Emit("TBZ", neon.Imm(1), count, neon.Text(one))
	move(neon.Float64, at, 0)
	l.Emit("TBZ", neon.Imm(0), count, neon.Text(end))
	l.Emit("ADD", neon.Imm(8), at, address)
	move(neon.Float32, address, 2)
	l.B(end)
	l.Label(one)
	move(neon.Float32, at, 0)
	l.Label(end)
}

// clear clears a register behind n elements. To write a register as a scalar clears its other
// lanes.
func (l *lowering) clear(e neon.Element, n string, x int) {
	if e == neon.Float64 {
		l.Emit("FMOVD", e.V(x).F(), e.V(x).F())
		return
	}
	count := l.inRegister(n, value)
	one, end := l.label(), l.label()
	l.Emit("TBZ", neon.Imm(1), count, neon.Text(one))
	l.Emit("VMOV", neon.Text("ZR"), e.V(x).Lane(3))
	l.Emit("TBNZ", neon.Imm(0), count, neon.Text(end))
	l.Emit("FMOVD", e.V(x).F(), e.V(x).F())
	l.B(end)
	l.Label(one)
	l.Emit("FMOVS", e.V(x).F(), e.V(x).F())
	l.Label(end)
}

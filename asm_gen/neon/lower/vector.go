package lower

import (
	"strings"

	"github.com/steppe-ml/steppe/asm_gen/neon"
)

// of is the type of elements that the end of an opcode says.
func of(opcode string) neon.Element {
	if strings.HasSuffix(opcode, "D") {
		return neon.Float64
	}
	return neon.Float32
}

// binary has the instructions of two operands, by amd64's names without the type of elements.
var binary = map[string]func(f *neon.Func, x, y, to neon.V){
	"VADDP":  (*neon.Func).VFADD,
	"VSUBP":  (*neon.Func).VFSUB,
	"VMULP":  func(f *neon.Func, x, y, to neon.V) { f.VFMUL(x, y, to) },
	"VDIVP":  (*neon.Func).VFDIV,
	"VHADDP": (*neon.Func).VFADDP,
	"VANDP":  (*neon.Func).VAND,
	"VORP":   (*neon.Func).VORR,
	"VXORP":  (*neon.Func).VEOR,
}

// vector emits an instruction of vector registers.
func (l *lowering) vector(i instruction) {
	op, e := i.operands, of(i.opcode)
	to := func() neon.V { return e.V(number(op[len(op)-1])) }
	name := strings.TrimRight(i.opcode, "SD")
	if do, ok := binary[name]; ok {
		do(l.Func, l.operand(op[0], e, 0), e.V(number(op[1])), to())
		return
	}
	switch i.opcode {
	case "VMOVUPS", "VMOVAPS", "VMOVUPD":
		l.moveVector(op[0], op[1], e)
	case "VMOVSS":
		l.moveScalar(op[0], op[1], neon.Float32)
	case "VMOVSD":
		l.moveScalar(op[0], op[1], neon.Float64)
	case "VMOVD":
		l.Emit("FMOVS", register(op[0]), e.V(number(op[1])).F())
	case "VMOVQ":
		l.Emit("FMOVD", register(op[0]), e.V(number(op[1])).F())
	case "VBROADCASTSS":
		l.broadcast(op[0], neon.Float32.V(number(op[1])))
	case "VBROADCASTSD", "VMOVDDUP":
		l.broadcast(op[0], neon.Float64.V(number(op[1])))
	case "VSQRTPS", "VSQRTPD":
		l.VFSQRT(l.operand(op[0], e, 0), to())
	case "VANDNPS", "VANDNPD", "VPANDN":
		l.VBIC(e.V(number(op[1])), l.operand(op[0], e, 0), to())
	case "VPSUBD":
		l.VSUB(l.operand(op[0], neon.Float32, 0), neon.Float32.V(number(op[1])), neon.Float32.V(number(op[2])))
	case "VPSLLD":
		l.VSHL(constant(op[0]), neon.Float32.V(number(op[1])), neon.Float32.V(number(op[2])))
	case "VPSRAD":
		l.VSSHR(constant(op[0]), neon.Float32.V(number(op[1])), neon.Float32.V(number(op[2])))
	case "VCVTDQ2PS":
		l.VSCVTF(l.operand(op[0], neon.Float32, 0), neon.Float32.V(number(op[1])))
	case "VCVTPS2PD":
		l.VFCVTL(neon.Float32.V(number(op[0])), neon.Float64.V(number(op[1])))
	case "VMAXPS", "VMAXPD", "VMINPS", "VMINPD":
		l.extreme(strings.HasPrefix(i.opcode, "VMAX"), l.operand(op[0], e, 0), e.V(number(op[1])), to())
	case "VCMPPS", "VCMPPD":
		l.compare(constant(op[0]), l.operand(op[1], e, 0), e.V(number(op[2])), to())
	case "VBLENDVPS":
		l.blend(e.V(number(op[0])), l.operand(op[1], e, 0), e.V(number(op[2])), to())
	case "VPTEST":
		if op[0] != op[1] {
			panic("a test of two operands")
		}
		l.VUMAXV(neon.Float32.V(number(op[0])), neon.Float32.V(spare))
		l.Emit("FMOVS", neon.Float32.V(spare).F(), value)
		l.CMP(neon.Imm(0), value)
		l.compared = i.opcode
	case "VUCOMISS", "VUCOMISD":
		x := l.operandScalar(op[0], e, 0)
		l.Emit("FCMP"+map[neon.Element]string{neon.Float32: "S", neon.Float64: "D"}[e], x.F(), to().F())
		l.compared = i.opcode
	case "VPERMILPS":
		l.permute(constant(op[0]), neon.Float32.V(number(op[1])), neon.Float32.V(number(op[2])))
	case "VPERMILPD":
		if constant(op[0]) != 1 {
			panic("an order that isn't known")
		}
		l.VEXT(8, neon.Float64.V(number(op[1])), neon.Float64.V(number(op[1])), neon.Float64.V(number(op[2])))
	case "VMOVMSKPS", "VMOVMSKPD":
		l.signs(map[byte]neon.Element{'S': neon.Float32, 'D': neon.Float64}[i.opcode[8]], number(op[0]), register(op[1]))
	case "VEXTRACTPS":
		at := l.pointer(memoryOf(op[2]))
		l.Emit("VST1", neon.Float32.V(number(op[1])).Lane(constant(op[0])), neon.Ptr(at, 0))
	case "VINSERTPS":
		at := l.pointer(memoryOf(op[1]))
		if op[2] != op[3] || constant(op[0])&^0x30 != 0 {
			panic("an insertion that does more")
		}
		l.Emit("VLD1", neon.Ptr(at, 0), neon.Float32.V(number(op[3])).Lane(constant(op[0])>>4))
	case "VFMADD231PS", "VFMADD231PD": // to += second*first
		l.VFMLA(l.operand(op[0], e, 0), e.V(number(op[1])), to())
	case "VFNMADD231PS", "VFNMADD231PD": // to -= second*first
		l.VFMLS(l.operand(op[0], e, 0), e.V(number(op[1])), to())
	case "VFNMSUB231PS", "VFNMSUB231PD": // to = -to - second*first
		if op[0] == op[2] || op[1] == op[2] {
			panic("a factor that is overwritten")
		}
		l.VFNEG(to(), to())
		l.VFMLS(l.operand(op[0], e, 0), e.V(number(op[1])), to())
	default:
		panic("no instruction of arm64 is known for it")
	}
}

// operand returns the register of a vector, loading it to the n-th spare one if it is in memory.
func (l *lowering) operand(op string, e neon.Element, n int) neon.V {
	if isVector(op) {
		return e.V(number(op))
	}
	l.loadVector(memoryOf(op), e.V(spare+n))
	return e.V(spare + n)
}

// operandScalar is operand for one element.
func (l *lowering) operandScalar(op string, e neon.Element, n int) neon.V {
	if isVector(op) {
		return e.V(number(op))
	}
	l.FMOV(l.reference(memoryOf(op)), e.V(spare+n).F())
	return e.V(spare + n)
}

func (l *lowering) loadVector(m memory, v neon.V) {
	if m.offset() {
		l.LDRQ(m.base, m.index, v)
		return
	}
	l.FMOVQ(l.reference(m), v.F())
}

func (l *lowering) moveVector(from, to string, e neon.Element) {
	switch {
	case isVector(from) && isVector(to):
		l.VMOV(e.V(number(from)), e.V(number(to)))
	case isVector(to):
		l.loadVector(memoryOf(from), e.V(number(to)))
	default:
		m := memoryOf(to)
		if m.offset() {
			l.STRQ(e.V(number(from)), m.base, m.index)
			return
		}
		l.FMOVQ(e.V(number(from)).F(), l.reference(m))
	}
}

// moveScalar copies an element from or to memory.
func (l *lowering) moveScalar(from, to string, e neon.Element) {
	if isVector(to) {
		l.FMOV(l.reference(memoryOf(from)), e.V(number(to)).F())
	} else {
		l.FMOV(e.V(number(from)).F(), l.reference(memoryOf(to)))
	}
}

func (l *lowering) broadcast(from string, to neon.V) {
	if isVector(from) {
		l.VDUP(to.Of.V(number(from)).Lane(0), to)
		return
	}
	m := memoryOf(from)
	if strings.HasSuffix(m.named, "(FP)") {
		l.FMOV(l.reference(m), to.F())
		l.VDUP(to.Lane(0), to)
		return
	}
	l.Emit("VLD1R", neon.Ptr(l.pointer(m), 0), neon.List(to))
}

// extreme sets to to y where it is the larger, or the smaller, and to x elsewhere: where one is
// NaN, too.
func (l *lowering) extreme(larger bool, x, y, to neon.V) {
	first := to.Of.V(spare + 3)
	if larger {
		l.VFCMGT(x, y, first)
	} else {
		l.VFCMGT(y, x, first)
	}
	l.choose(first, y, x, to)
}

// choose sets to to x where mask is all ones, and to y elsewhere. It uses up mask.
func (l *lowering) choose(mask, x, y, to neon.V) {
	switch to.Number {
	case y.Number:
		l.VBIT(mask, x, to)
	case x.Number:
		l.VBIF(mask, y, to)
	default:
		l.VBSL(y, x, mask)
		l.VMOV(mask, to)
	}
}

// blend sets to to x where mask is negative, and to y elsewhere.
func (l *lowering) blend(mask, x, y, to neon.V) {
	negative := to.Of.V(spare + 3)
	l.VCMLT0(mask, negative)
	l.choose(negative, x, y, to)
}

// compare sets to to all ones where the predicate of amd64 holds for y and x, in this order.
func (l *lowering) compare(predicate int, x, y, to neon.V) {
	const equal, less, unordered, notLessEqual, notGreaterEqual = 0, 1, 3, 6, 25
	switch predicate {
	case equal:
		l.VFCMEQ(x, y, to)
	case unordered:
		if x != y {
			panic("a test for NaN of two operands")
		}
		l.VFCMEQ(x, x, to)
		l.VNOT(to, to)
	case less:
		l.VFCMGT(y, x, to)
	case notGreaterEqual:
		l.VFCMGE(x, y, to)
		l.VNOT(to, to)
	case notLessEqual:
		l.VFCMGE(y, x, to)
		l.VNOT(to, to)
	default:
		panic("a comparison that isn't known")
	}
}

// permute sets to to the lanes of x in an order that folds have: halves exchanged, or neighbors.
func (l *lowering) permute(order int, x, to neon.V) {
	switch order {
	case 0b01_00_11_10:
		l.VEXT(8, x, x, to)
	case 0b10_11_00_01:
		l.VREV64(x, to)
	default:
		panic("an order that isn't known")
	}
}

// signs collects the sign bits of lanes.
func (l *lowering) signs(e neon.Element, x int, to neon.R) {
	l.MOVD(neon.Imm(0), value)
	for lane := range e.Lanes() {
		l.Emit("VMOV", e.V(x).Lane(lane), other)
		l.Emit("LSR", neon.Imm(8*int(e)-1), other, other)
		l.Emit("ORR", shifted(other, lane), value, value)
	}
	l.MOVD(value, to)
}

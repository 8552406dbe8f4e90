package lower

import "github.com/steppe-ml/steppe/asm_gen/neon"

// chain emits instructions of the form 213, which multiply a register by another, add a third, and
// overwrite the first: Horner's steps. It reports whether i begins some of them.
//
// arm64's fused instructions overwrite what is added, which must be copied first. So the value goes
// from one register to another and back, and is copied home at the end of a chain if need be. A
// copy that stands before a chain is left out.
func (l *lowering) chain(i instruction) bool {
	var value neon.V
	switch {
	case is213(i):
		value = of(i.opcode).V(number(i.operands[2]))
		l.body = append([]any{i}, l.body...)
	case isMove(i) && is213(l.next()) && i.operands[1] == l.next().operands[2]:
		value = l.operand(i.operands[0], of(i.opcode), 2)
	default:
		return false
	}
	var home, away neon.V
	for is213(l.next()) && (home == neon.V{} || l.next().operands[2] == i.operands[len(i.operands)-1]) {
		step := l.next()
		l.body = l.body[1:]
		home, away = of(step.opcode).V(number(step.operands[2])), of(step.opcode).V(spare+1)
		to := home
		if value == home {
			to = away
		}
		l.step(step, value, home, to)
		value = to
	}
	if value != home {
		l.VMOV(value, home)
	}
	return true
}

// step sets to to what step makes of value, which its operands call home.
func (l *lowering) step(i instruction, value, home, to neon.V) {
	e := of(i.opcode)
	operand := func(op string) neon.V {
		v := l.operand(op, e, 0)
		if v == home {
			return value
		}
		return v
	}
	factor := operand(i.operands[1])
	if factor == to {
		panic("a factor that is overwritten")
	}
	switch i.opcode[:len(i.opcode)-2] {
	case "VFMADD213": // factor*value + addend
		l.load(i.operands[0], operand, to)
		l.VFMLA(value, factor, to)
	case "VFNMADD213": // addend - factor*value
		l.load(i.operands[0], operand, to)
		l.VFMLS(value, factor, to)
	default: // factor*value - addend
		l.VFNEG(operand(i.operands[0]), to)
		l.VFMLA(value, factor, to)
	}
}

// load copies an operand to a register.
func (l *lowering) load(op string, operand func(string) neon.V, to neon.V) {
	if isVector(op) {
		l.VMOV(operand(op), to)
	} else {
		l.loadVector(memoryOf(op), to)
	}
}

// is213 reports whether step knows the instruction.
func is213(i instruction) bool {
	switch i.opcode {
	case "VFMADD213PS", "VFMADD213PD", "VFNMADD213PS", "VFNMADD213PD", "VFMSUB213PS", "VFMSUB213PD":
		return true
	}
	return false
}

// isMove reports whether i sets a whole vector register.
func isMove(i instruction) bool {
	switch i.opcode {
	case "VMOVUPS", "VMOVAPS", "VMOVUPD":
		return isVector(i.operands[1])
	}
	return false
}

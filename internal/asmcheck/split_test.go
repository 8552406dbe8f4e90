package asmcheck

import (
	"fmt"
	"strings"
)

// split looks at a K loop that splits pairs, and halves its counts. The loop clears the lower halves
// of words for the odd values, as it loads them or later, and shifts words for the even ones up. It
// does so with all that it loads, or with B's vectors alone, if A was split ahead.
func (l *kLoop) split(loop block, wrong []string) (ahead bool, _ []string) {
	odd, even := 0, 0
	for _, i := range loop.code {
		switch i.op {
		case "VANDPS":
			odd++
			if m := i.operands[0]; inMemory.MatchString(m) && !strings.HasSuffix(m, "(SB)") { // no constant
				l.vectors++
			}
		case "VPSLLD":
			even++
		}
	}
	ahead = odd+even == l.vectors
	if odd != even || !ahead && odd+even != l.elements+l.vectors {
		wrong = append(wrong, fmt.Sprintf("%s makes %d odd and %d even values of %d elements and %d vectors", loop.label, odd, even, l.elements, l.vectors))
	}
	if l.fmas%2 != 0 {
		wrong = append(wrong, fmt.Sprintf("%s has %d FMAs, an odd number for pairs", loop.label, l.fmas))
	}
	l.elements, l.vectors, l.fmas = l.elements/2, l.vectors/2, l.fmas/2
	return ahead, wrong
}

// control: whoever loads MXCSR has stored it first, and loads it again from there before any RET,
// and before what follows the sums, which begins with alpha.
func control(_ *source, f function) (wrong []string) {
	saved, changed := "", false
	for _, i := range f.all() {
		switch {
		case i.op == "STMXCSR":
			saved = i.operands[0]
		case i.op == "LDMXCSR" && saved == "":
			wrong = append(wrong, fmt.Sprintf("%v, but MXCSR isn't stored", i))
		case i.op == "LDMXCSR":
			changed = i.operands[0] != saved
		case changed && (i.op == "RET" || strings.Contains(i.String(), "alpha+")):
			wrong = append(wrong, fmt.Sprintf("%v with a changed MXCSR", i))
		}
	}
	return wrong
}

// Package evex encodes instructions of AVX-512 that neither avo nor Go's assembler has. A generator
// emits them by name, avo hands out registers and prints them as it does others, and Assembly puts
// bytes in their place.
//
// The encoding is that of Intel's Software Developer's Manual, volume 2, section 2.7, for operands
// as our kernels have them: vector registers, memory at base + index*scale + displacement, opmasks,
// zeroing, and broadcasts from memory. What else there is, rounding for one, is an error.
package evex

import "fmt"

// opcode is an instruction whose vectors have 32-bit elements, in the map 0F38 with W = 0. Its
// tuple is full: a displacement of a byte counts vectors or, for a broadcast, elements.
type opcode struct {
	prefix byte // pp: 0, or 1, 2, 3 for 66, F3, F2
	byte   byte
	two    bool // whether there is no second source, in vvvv
	halves bool // whether the destination has half the bytes of the source
}

var opcodes = map[string]opcode{
	"VDPBF16PS":      {prefix: 2, byte: 0x52},
	"VCVTNE2PS2BF16": {prefix: 3, byte: 0x72},
	"VCVTNEPS2BF16":  {prefix: 2, byte: 0x72, two: true, halves: true},
}

// instruction is an opcode with its operands. The source is a register or memory.
type instruction struct {
	name string
	opcode
	destination, second vector
	register            vector // the source, if memory is nil
	memory              *memory
	mask                int // of an opmask register; 0 for none
	zero                bool
}

// vector is a vector register.
type vector struct{ number, bytes int }

// memory is an operand in memory.
type memory struct {
	base, index  int // numbers of general registers; index -1 for none
	scale        int
	displacement int
	broadcast    bool // of one element to all
}

const (
	stackPointer = 4
	framePointer = 5 // whose number, as R13's, without a displacement stands for something else
)

// bytes is that of the widest vector, which the length field says.
func (i *instruction) bytes() int {
	if i.halves {
		return 2 * i.destination.bytes
	}
	return i.destination.bytes
}

// check returns an error if the operands don't go together.
func (i *instruction) check() error {
	length := i.bytes()
	if length != 16 && length != 32 && length != 64 {
		return fmt.Errorf("a destination of %d bytes", i.destination.bytes)
	}
	if !i.two && i.second.bytes != length {
		return fmt.Errorf("vectors of %d and %d bytes", i.second.bytes, i.destination.bytes)
	}
	if i.memory == nil && i.register.bytes != length {
		return fmt.Errorf("a source of %d bytes, want %d", i.register.bytes, length)
	}
	for _, v := range []vector{i.destination, i.second, i.register} {
		if v.number < 0 || v.number > 31 {
			return fmt.Errorf("vector register %d", v.number)
		}
	}
	if i.mask < 0 || i.mask > 7 {
		return fmt.Errorf("opmask %d", i.mask)
	}
	if i.zero && i.mask == 0 {
		return fmt.Errorf("zeroing without an opmask")
	}
	if m := i.memory; m != nil {
		switch {
		case m.base < 0 || m.base > 15 || m.index < -1 || m.index > 15:
			return fmt.Errorf("general registers %d and %d", m.base, m.index)
		case m.index == stackPointer:
			return fmt.Errorf("the stack pointer as an index")
		case m.index >= 0 && m.scale != 1 && m.scale != 2 && m.scale != 4 && m.scale != 8:
			return fmt.Errorf("a scale of %d", m.scale)
		case m.displacement != int(int32(m.displacement)):
			return fmt.Errorf("a displacement of %d", m.displacement)
		}
	}
	return nil
}

// encode returns the bytes of i.
func (i *instruction) encode() ([]byte, error) {
	if err := i.check(); err != nil {
		return nil, err
	}
	// Bits of register numbers, and vvvv, are stored inverted.
	const map0F38 = 2
	p0 := byte(map0F38) | not(i.destination.number, 3)<<7 | not(i.destination.number, 4)<<4
	p1 := byte(1<<2) | i.prefix | byte(^i.second.number&15)<<3
	length := map[int]byte{16: 0, 32: 1, 64: 2}[i.bytes()]
	p2 := byte(i.mask) | not(i.second.number, 4)<<3 | length<<5
	if i.zero {
		p2 |= 1 << 7
	}
	reg := byte(i.destination.number&7) << 3
	if i.memory == nil {
		p0 |= not(i.register.number, 4)<<6 | not(i.register.number, 3)<<5
		return []byte{0x62, p0, p1, p2, i.byte, 3<<6 | reg | byte(i.register.number&7)}, nil
	}
	p0 |= not(max(0, i.memory.index), 3)<<6 | not(i.memory.base, 3)<<5
	tuple := i.bytes()
	if i.memory.broadcast {
		p2 |= 1 << 4
		tuple = 4
	}
	return append([]byte{0x62, p0, p1, p2, i.byte}, i.memory.encode(reg, tuple)...), nil
}

// not is the inverse of a bit of a number.
func not(number, bit int) byte { return byte(^number>>bit) & 1 }

// encode returns ModR/M with the register's bits, SIB if there is one, and the displacement.
func (m *memory) encode(reg byte, tuple int) []byte {
	const sib = 4
	base := byte(m.base & 7)
	mode, displacement := byte(2), []byte{
		byte(m.displacement), byte(m.displacement >> 8), byte(m.displacement >> 16), byte(m.displacement >> 24),
	}
	if n := m.displacement / tuple; m.displacement == 0 && base != framePointer {
		mode, displacement = 0, nil
	} else if m.displacement%tuple == 0 && n == int(int8(n)) {
		mode, displacement = 1, []byte{byte(n)}
	}
	encoded := []byte{mode<<6 | reg | base}
	if m.index >= 0 {
		scale := map[int]byte{1: 0, 2: 1, 4: 2, 8: 3}[m.scale]
		encoded = []byte{mode<<6 | reg | sib, scale<<6 | byte(m.index&7)<<3 | base}
	} else if base == sib { // the stack pointer's and R12's number
		encoded = append(encoded, sib<<3|base) // no index
	}
	return append(encoded, displacement...)
}

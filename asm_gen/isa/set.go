// Package isa is the small vocabulary that the generators on avo are written in: instruction sets
// with their registers, loops over slices with their tails, folds, and parts of vectors. AVX2 and
// AVX-512 take what avo prints as it is; package lower lowers NEON's to arm64, and package evex
// puts bytes in place of AVX512_BF16's instructions.
//
// Vector registers are named by number, because a kernel's plan for them is part of its design;
// general registers are left to avo's allocator.
package isa

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/steppe-ml/steppe/asm_gen/evex"
	"github.com/steppe-ml/steppe/asm_gen/neon/lower"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Set is an instruction set as a generator sees it, for one type of elements.
type Set struct {
	Name      string // as in function names
	Bytes     int    // of a vector register
	Registers int    // vector registers
	Opmasks   bool   // whether there are opmasks
	Counts    bool   // whether tails are counted, and have no mask
	Float     int    // bits of an element: 32 or 64
	Pairs     bool   // whether products are of pairs of bfloat16 values, in elements of 32 bits
	Label     string // what labels of loops begin with
	reg       func(i int) reg.Register
}

// Sets lists the instruction sets by the name that file names use.
var Sets = map[string]Set{
	"avx2":   {Name: "AVX2", Bytes: 32, Registers: 16, Float: 32, reg: Y},
	"avx512": {Name: "AVX512", Bytes: 64, Registers: 32, Opmasks: true, Float: 32, reg: Z},
	"pairs":  {Name: "AVX2", Bytes: 32, Registers: 16, Pairs: true, Float: 32, reg: Y},
	"bf16":   {Name: "BF16", Bytes: 64, Registers: 32, Opmasks: true, Pairs: true, Float: 32, reg: Z},
	"neon":   {Name: "NEON", Bytes: 16, Registers: lower.Registers, Counts: true, Float: 32, reg: X},
}

// Size is the bytes of an element.
func (s Set) Size() int { return s.Float / 8 }

// Lanes is the elements of a vector register.
func (s Set) Lanes() int { return s.Bytes / s.Size() }

// V returns vector register i at the set's full width.
func (s Set) V(i int) reg.Register {
	if i >= s.Registers {
		panic(fmt.Sprintf("asm_gen: %s has no vector register %d", s.Name, i))
	}
	return s.reg(i)
}

// Half returns vector register i at half the set's width. NEON's are the lower halves of whole
// ones: moves of them are MoveHalf's.
func (s Set) Half(i int) reg.Register {
	if s.Wide() {
		return Y(i)
	}
	return X(i)
}

// MoveHalf moves half a vector of float32 from or to memory.
func (s Set) MoveHalf(from, to operand.Op) {
	if s.Narrow() {
		build.VMOVSD(from, to) // 8 bytes
	} else {
		build.VMOVUPS(from, to)
	}
}

// Narrow reports whether the set's vectors have 128 bits, with no upper half to fold.
func (s Set) Narrow() bool { return s.Bytes == 16 }

// Wide reports whether the set's vectors have 512 bits.
func (s Set) Wide() bool { return s.Bytes == 64 }

// Halved returns AVX-512 with vectors of 256 bits, in the registers that AVX2
// has, too: instructions without opmasks are as short then as AVX2's.
func (s Set) Halved() Set {
	s.Bytes, s.Registers, s.reg = 32, 16, Y
	return s
}

// X, Y and Z return vector register i at 128, 256 and 512 bits.
func X(i int) reg.Register { return vector(i, reg.S128) }
func Y(i int) reg.Register { return vector(i, reg.S256) }
func Z(i int) reg.Register { return vector(i, reg.S512) }

func vector(i int, s reg.Spec) reg.Register {
	return reg.Vector.Lookup(reg.Index(i), s)
}

var elementType = regexp.MustCompile(`\bT\b`)

// Typed returns a signature for the set's element type, T.
func (s Set) Typed(signature string) string {
	return elementType.ReplaceAllString(signature, fmt.Sprintf("float%d", s.Float))
}

// Ptr is the memory at base + disp bytes.
func Ptr(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

// Program generates one file: the kernels that emit writes for the set named by
// the flag -isa, on elements of the bits that the flag -float says.
func Program(emit func(Set)) {
	isa := flag.String("isa", "", "instruction set: avx2, avx512, neon, or for pairs of bfloat16 pairs (on AVX2) or bf16")
	float := flag.Int("float", 32, "bits of an element: 32 or 64")
	flag.Parse()
	s, ok := Sets[*isa]
	if !ok {
		fail(fmt.Sprintf("-isa %q: want avx2, avx512, neon, pairs or bf16", *isa))
	}
	if s.Float = *float; s.Float != 32 && (s.Float != 64 || s.Pairs) {
		want := "32 or 64"
		if s.Pairs {
			want = "32, the bits of a pair"
		}
		fail(fmt.Sprintf("-float %d: want %s", *float, want))
	}
	if s.Name == "NEON" {
		build.ConstraintExpr("arm64,!purego")
		emit(s)
		generateThrough(lower.Assembly)
		return
	}
	build.ConstraintExpr("amd64,!purego")
	emit(s)
	if s.Pairs {
		generateThrough(evex.Assembly)
		return
	}
	build.Generate()
}

// generateThrough lets avo write its assembly to a file, from which rewrite makes what is wanted.
func generateThrough(rewrite func(text []byte) ([]byte, error)) {
	out := flag.Lookup("out").Value
	path := out.String()
	printed, err := os.CreateTemp("", "asm_gen")
	if err != nil {
		fail(err)
	}
	defer os.Remove(printed.Name())
	if err := out.Set(printed.Name()); err != nil {
		fail(err)
	}
	build.Generate()
	text, err := io.ReadAll(printed)
	if err != nil {
		fail(err)
	}
	rewritten, err := rewrite(text)
	if err == nil {
		err = os.WriteFile(path, rewritten, 0o644)
	}
	if err != nil {
		fail(err)
	}
}

func fail(what any) {
	fmt.Fprintln(os.Stderr, "asm_gen:", what)
	os.Exit(2)
}

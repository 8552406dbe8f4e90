package neon

import (
	"fmt"
	"go/token"
	"go/types"
	"strings"
)

// Func is a function that is being written: a leaf, and without a frame unless it has asked for one.
type Func struct {
	name       string
	doc        string
	parameters string            // and results: the signature without "func"
	argument   map[string]string // operands of the arguments, by name
	arguments  int               // bytes of them all
	frame      int               // bytes of locals
	blocks     []block
	taken      int // general registers
}

// Func opens a function of the given signature, in Go; the sentence doc goes
// on from its name. A slice s has the arguments s_base, s_len and s_cap, an
// unnamed result is ret.
func (f *File) Func(name, signature, doc string) *Func {
	fn := &Func{name: name, doc: doc, parameters: strings.TrimPrefix(signature, "func"), argument: map[string]string{}, blocks: make([]block, 1)}
	tv, err := types.Eval(token.NewFileSet(), nil, token.NoPos, signature)
	if err != nil {
		panic(fmt.Sprintf("asm_gen: signature of %s: %v", name, err))
	}
	s := tv.Type.(*types.Signature)
	fn.layout(s.Params())
	if s.Results().Len() > 0 {
		fn.arguments = (fn.arguments + 7) &^ 7
		fn.layout(s.Results())
	}
	f.funcs = append(f.funcs, fn)
	return fn
}

// layout places variables behind the arguments placed so far, as Go's
// stack-based calling convention (ABI0) does.
func (f *Func) layout(vars *types.Tuple) {
	sizes := types.SizesFor("gc", "arm64")
	for v := range vars.Variables() {
		align := int(sizes.Alignof(v.Type()))
		at := (f.arguments + align - 1) / align * align
		f.arguments = at + int(sizes.Sizeof(v.Type()))

		name, parts := v.Name(), []string{""}
		if name == "" {
			name = "ret"
		}
		if _, ok := v.Type().(*types.Slice); ok {
			parts = []string{"_base", "_len", "_cap"}
		}
		for i, part := range parts {
			f.argument[name+part] = fmt.Sprintf("%s%s+%d(FP)", name, part, at+8*i)
		}
	}
}

// Frame gives the function so many bytes of locals, from 8(RSP) on: the return address is below.
func (f *Func) Frame(bytes int) { f.frame = bytes }

// Arg is an argument or result in memory.
func (f *Func) Arg(name string) Operand {
	arg, ok := f.argument[name]
	if !ok {
		panic(fmt.Sprintf("asm_gen: %s has no argument %s", f.name, name))
	}
	return text(arg)
}

// Load reads an argument of 8 bytes into r, which it returns.
func (f *Func) Load(name string, r R) R {
	f.MOVD(f.Arg(name), r)
	return r
}

// Broadcast sets every lane of r to an argument.
func (f *Func) Broadcast(name string, r V) {
	f.FMOV(f.Arg(name), r.F())
	f.VDUP(r.Lane(0), r)
}

// R takes the next free general register. R16 to R18 and R27 up belong to the
// linker, the assembler, the system and the runtime.
func (f *Func) R() R {
	const below16, from19 = 16, 8
	i := f.taken
	f.taken++
	switch {
	case i < below16:
		return R(i)
	case i < below16+from19:
		return R(i - below16 + 19)
	}
	panic(fmt.Sprintf("asm_gen: %s needs more than %d general registers", f.name, below16+from19))
}

// Rs takes n general registers.
func (f *Func) Rs(n int) []R {
	rs := make([]R, n)
	for i := range rs {
		rs[i] = f.R()
	}
	return rs
}

// Scope frees the general registers that body has taken when it is done.
func (f *Func) Scope(body func()) {
	taken := f.taken
	body()
	f.taken = taken
}

// Label begins a block that can be jumped to.
func (f *Func) Label(name string) { f.blocks = append(f.blocks, block{label: name}) }

// emit adds an instruction to the block at the end.
func (f *Func) emit(opcode string, operands ...Operand) {
	words := make([]string, len(operands))
	for i, o := range operands {
		words[i] = o.String()
	}
	last := &f.blocks[len(f.blocks)-1]
	last.lines = append(last.lines, line{opcode, strings.Join(words, ", ")})
}

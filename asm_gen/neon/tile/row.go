package tile

import "github.com/steppe-ml/steppe/asm_gen/neon"

// Enter begins a row at p.
func (t Tile) Enter(p neon.R) {
	if p != t.at[0] {
		t.MOVD(p, t.at[0])
	}
	if t.inTwo() {
		t.ADD(t.second, t.at[0], t.at[1])
	}
}

// inTwo reports whether a row is moved in two parts.
func (t Tile) inTwo() bool {
	return !t.wide && (t.Vectors > 1 || t.width > 1 && t.width < t.Lanes())
}

// move moves memory to or from registers.
type move = func(memory, registers neon.Operand)

// row moves the row at hand, as many vectors at a time as have registers, and goes on to the row
// stride bytes further on. Each time, it calls then with the vectors that have been moved.
func (t Tile) row(stride neon.R, register func(v int) neon.V, move move, then func(vectors []int)) {
	vectors := make([]int, t.Vectors)
	registers := make([]neon.V, t.Vectors)
	for v := range vectors {
		vectors[v], registers[v] = v, register(v)
	}
	last := t.Vectors - 1
	switch {
	case t.wide:
		t.MOVD(t.at[0], t.Scratch)
		for v := 0; v < t.Vectors; v += t.together() {
			n := min(t.together(), t.Vectors-v)
			move(neon.Ptr(t.Scratch, 16*n), neon.List(registers[v:v+n]...))
			then(vectors[v : v+n])
		}
		t.ADD(stride, t.at[0], t.at[0])
		return
	case t.Vectors > 1:
		move(neon.Post(t.at[0], stride), neon.List(registers[:last]...))
		move(neon.Post(t.at[1], stride), neon.List(registers[last]))
	default:
		move(neon.Post(t.at[0], stride), registers[0].Part(t.width, false))
		if t.inTwo() {
			move(neon.Post(t.at[1], stride), registers[0].Part(t.width, true))
		}
	}
	then(vectors)
}

// LoadRow loads the row at hand, as row does.
func (t Tile) LoadRow(stride neon.R, then func(vectors []int)) { t.row(stride, t.B, t.VLD1P, then) }

// PrefetchC asks for C's tile before the long loop that it isn't needed in. Rows are cRow bytes
// apart.
func (t Tile) PrefetchC(c, cRow neon.R) {
	const line = 64
	t.MOVD(c, t.Scratch)
	for i := range t.Rows {
		for at := 0; at < 16*t.Vectors; at += line {
			t.PRFM(neon.Ptr(t.Scratch, at))
		}
		if i < t.Rows-1 {
			t.ADD(cRow, t.Scratch, t.Scratch)
		}
	}
}

// AddBias adds the bias of each column, unless it is nil.
func (t Tile) AddBias() {
	bias := t.Load("bias", t.at[0])
	t.CBZ(bias, t.Label+"Biased")
	t.Enter(bias)
	t.LoadRow(t.K, func(vectors []int) { // what follows the row doesn't matter
		for i := range t.Rows {
			for _, v := range vectors {
				t.VFADD(t.B(v), t.Acc(i, v), t.Acc(i, v))
			}
		}
	})
	t.Func.Label(t.Label + "Biased")
}

// ReLU puts 0 in place of what is negative if the parameter relu says so.
func (t Tile) ReLU() {
	t.MOVBU(t.Arg("relu"), t.Scratch)
	t.CBZ(t.Scratch, t.Label+"Store")
	t.Each(func(i, v int) { // not FMAX, which would make +0 of -0
		negative := t.B(v)
		t.VFCMLT0(t.Acc(i, v), negative)
		t.VBIC(negative, t.Acc(i, v), t.Acc(i, v))
	})
	t.Func.Label(t.Label + "Store")
}

// Store stores the accumulators at c, and sets it to the row after them.
func (t Tile) Store(c, cRow neon.R) {
	t.Enter(c)
	for i := range t.Rows {
		acc := func(v int) neon.V { return t.Acc(i, v) }
		t.row(cRow, acc, func(memory, registers neon.Operand) { t.VST1P(registers, memory) }, func([]int) {})
	}
	t.MOVD(t.at[0], c)
}

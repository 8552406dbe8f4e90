package tile

import "github.com/steppe-ml/steppe/asm_gen/neon"

// steps is how many steps along k an unrolled loop takes at once.
const steps = 4

// LoadA loads the pointers to A's rows, and the stride along k.
func (t Tile) LoadA() {
	t.Bytes("aCol", t.aCol)
	aRow := t.Load("aRow", t.Scratch)
	t.Load("a", t.A[0])
	for i := 1; i < len(t.A); i++ {
		t.ADD(t.Scaled(aRow), t.A[i-1], t.A[i])
	}
}

// MoveA moves the pointers to A's rows by a number of elements.
func (t Tile) MoveA(by neon.R) {
	for _, a := range t.A {
		t.ADD(t.Scaled(by), a, a)
	}
}

// Start begins along k at a number of bytes from the pointers to A's rows: a register, or 0.
func (t Tile) Start(bytes neon.Operand) {
	t.MOVD(bytes, t.along[0])
	if len(t.along) > 1 {
		t.Load("aRow", t.Scratch)
		t.LSL(neon.Imm(3), t.Scratch, t.Scratch) // pointers rows
		t.ADD(t.Scaled(t.Scratch), t.along[0], t.along[1])
	}
}

// Sum adds the products of K > 0 steps along k from where Start has begun, with rows of B from
// where Enter has: each accumulator has one product added at a time, in ascending order of k.
//
// Elements of A are multiplied by lane, and loaded in whatever order has fewest loads:
//
//   - AlongColumns, of a transposed A or one that was copied in tiles: a column's vectors, one step
//     at a time. 8 x 12 elements of float32 take 24 FMAs and 5 loads of vectors.
//   - AlongRows, of an A in place: a vector of each row, which is four steps, or two of float64.
//     Where the registers don't hold one of each row, as those of 8 x 12 don't, the upper rows are
//     summed first, over all steps, and then the lower ones, for which B is loaded again: 96 FMAs
//     and 32 loads, where elements one by one would take 44.
//   - K, for the last steps and any other A: element by element. VLD1R, which loads to all lanes,
//     would take a slot of the units that multiply (so on Cortex-A76 and Neoverse N1).
//
// A wide tile has the last loop alone, since nearly all of its loads are B's.
func (t Tile) Sum() {
	if !t.wide {
		t.unrolled()
	}
	t.Func.Label(t.Label + "K")
	t.step()
	t.advance(t.aCol)
	t.SUBS(neon.Imm(1), t.K, t.K)
	t.BNE(t.Label + "K")
	t.Func.Label(t.Label + "Done")
}

// unrolled emits the loops that take several steps at once, and leaves the last ones in K.
func (t Tile) unrolled() {
	t.SUBS(neon.Imm(steps), t.K, t.K)
	t.BLT(t.Label + "Fewer")
	if t.Rows > 1 {
		t.CMP(neon.Imm(1), t.Load("aRow", t.Scratch))
		t.BNE(t.Label + "Rows")
		t.enterColumn()
		t.Func.Label(t.Label + "AlongColumns")
		for range steps {
			t.alongColumn()
		}
		t.advance(neon.Times4(t.aCol))
		t.again("AlongColumns")
		t.Func.B(t.Label + "Fewer")
		t.Func.Label(t.Label + "Rows")
	}
	t.CMP(neon.Imm(int(t.Element)), t.aCol)
	t.BNE(t.Label + "Fewer")
	t.Func.Label(t.Label + "AlongRows")
	t.alongRows()
	t.again("AlongRows")
	t.Func.Label(t.Label + "Fewer")
	t.ADDS(neon.Imm(steps), t.K, t.K)
	t.BEQ(t.Label + "Done")
}

func (t Tile) again(loop string) {
	t.SUBS(neon.Imm(steps), t.K, t.K)
	t.BGE(t.Label + loop)
}

// advance moves along k.
func (t Tile) advance(bytes neon.Operand) {
	for _, along := range t.along {
		t.ADD(bytes, along, along)
	}
}

// fma adds the products of an element of A's row i with some vectors of B's row.
func (t Tile) fma(element neon.Lane, i int, vectors []int) {
	for _, v := range vectors {
		t.VFMLA(element, t.B(v), t.Acc(i, v))
	}
}

// step adds the products of one step, loading element by element.
func (t Tile) step() {
	t.LoadRow(t.BRow, func(vectors []int) {
		for i := range t.Rows {
			element := t.Spare(i)
			if vectors[0] == 0 {
				t.FMOV(neon.Indexed(t.A[i%pointers], t.along[i/pointers]), element.F())
			}
			t.fma(element.Lane(0), i, vectors)
		}
	})
}

// alongRows adds the products of as many steps as an unrolled loop takes.
func (t Tile) alongRows() {
	parts, vectors := (t.Rows-1)/t.spares()+1, steps/t.Lanes()
	for part := range parts {
		first, end := part*t.Rows/parts, (part+1)*t.Rows/parts
		for vector := range vectors {
			for i := first; i < end; i++ {
				t.LDRQ(t.A[i%pointers], t.along[i/pointers], t.Spare(i-first))
			}
			for l := range t.Lanes() {
				t.LoadRow(t.BRow, func(vectors []int) {
					for i := first; i < end; i++ {
						t.fma(t.Spare(i-first).Lane(l), i, vectors)
					}
				})
			}
			if vector < vectors-1 || part == parts-1 {
				t.advance(neon.Imm(16))
			}
		}
		if part < parts-1 { // back to the first step
			for _, along := range t.along {
				if vectors > 1 {
					t.SUB(neon.Imm(16*(vectors-1)), along, along)
				}
			}
			t.SUB(neon.Times4(t.BRow), t.at[0], t.at[0])
			if t.inTwo() {
				t.SUB(neon.Times4(t.BRow), t.at[1], t.at[1])
			}
		}
	}
}

// part is a part of a column, from row first on, and the registers that take it.
type part struct {
	first     int
	registers neon.Operand
}

// columnParts returns the parts of a column: up to four vectors at a time, and in the end a vector
// that overlaps those before it. Fewer elements than a vector's are two halves.
func (t Tile) columnParts() (parts []part) {
	if t.Rows < t.Lanes() {
		width := min(t.Rows, 2)
		parts = append(parts, part{0, t.Spare(0).Part(width, false)})
		if t.Rows > width {
			parts = append(parts, part{t.Rows - width, t.Spare(0).Part(width, true)})
		}
		return parts
	}
	whole := t.Rows / t.Lanes()
	for v := 0; v < whole; v += 4 {
		var registers []neon.V
		for i := range min(4, whole-v) {
			registers = append(registers, t.Spare(v+i))
		}
		parts = append(parts, part{v * t.Lanes(), neon.List(registers...)})
	}
	if t.Rows%t.Lanes() > 0 {
		parts = append(parts, part{t.Rows - t.Lanes(), neon.List(t.Spare(whole))})
	}
	return parts
}

// inColumn is element i of the column at hand.
func (t Tile) inColumn(i int) neon.Lane {
	whole := t.Rows / t.Lanes()
	switch {
	case i < whole*t.Lanes():
		return t.Spare(i / t.Lanes()).Lane(i % t.Lanes())
	case whole > 0:
		return t.Spare(whole).Lane(i - (t.Rows - t.Lanes()))
	case i < 2:
		return t.Spare(0).Lane(i)
	}
	return t.Spare(0).Lane(3) // the third of three, in two halves that share the second
}

// enterColumn begins at the column that Start says.
func (t Tile) enterColumn() {
	t.ADD(t.along[0], t.A[0], t.column[0])
	for i, p := range t.columnParts()[1:] {
		t.ADD(neon.Imm(p.first*int(t.Element)), t.column[0], t.column[i+1])
	}
}

// alongColumn adds the products of one step.
func (t Tile) alongColumn() {
	for i, p := range t.columnParts() {
		t.VLD1P(neon.Post(t.column[i], t.aCol), p.registers)
	}
	t.LoadRow(t.BRow, func(vectors []int) {
		for i := range t.Rows {
			t.fma(t.inColumn(i), i, vectors)
		}
	})
}

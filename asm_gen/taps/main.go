// Command taps generates the kernels of convolutions of package gemm.
package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"
	"github.com/steppe-ml/steppe/asm_gen/panels"
	"github.com/steppe-ml/steppe/asm_gen/tile"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	isa.Program(func(s isa.Set) {
		for _, p := range panels.Of[s.Name] {
			if p.Broad {
				continue // filters are packed
			}
			for rows := 1; rows <= p.Rows; rows++ {
				kernel(s, rows, p)
			}
		}
		if !s.Wide() {
			copyChannels(s)
		}
	})
}

// kernel emits the kernel for tiles of a number of rows, and of any columns that
// the panel has.
func kernel(s isa.Set, rows int, p panels.Panel) {
	name, tiles := p.Kernel(tile.Of(s, p).Lanes(), rows)
	name = "tile" + name + s.Name
	TEXT(name, attr.NOSPLIT, "func(lines, tiles, n int, tap *[2]int, taps, k int, a *float32, aRow, aCol, aTile, aLine, aNext, nextLines int, "+
		"b *float32, bRow int, c *float32, cRow, cLine int, accumulate bool, bias *float32, relu bool)")
	Doc(name + " is a TapKernel for " + tiles + ".")
	at := place{a: AllocLocal(8), c: AllocLocal(8), tiles: AllocLocal(8), tap: AllocLocal(8), taps: AllocLocal(8)}
	tile.Ragged(tile.Of(s, p), rows, p.Fewest, p.Most, func(t tile.Tile) { conv{t, at}.lines() })
}

// conv is a tile of a convolution.
type conv struct {
	tile.Tile
	at place
}

// place is where a kernel has got to: kept on the stack, since the general
// registers hold A's rows.
type place struct {
	a, c, tap   operand.Mem // of the tile
	tiles, taps operand.Mem // that are left
}

// lines emits the loop over lines of tiles, and returns.
func (t conv) lines() {
	r := GP64()
	Label(t.Label)
	for _, copied := range []struct {
		from string
		to   operand.Mem
	}{{"a", t.at.a}, {"c", t.at.c}, {"tiles", t.at.tiles}} {
		Load(Param(copied.from), r)
		MOVQ(r, copied.to)
	}
	Label(t.Label + "Tile")
	t.sum()
	t.finish()
	ADDQ(tile.Stride(t.Set, "aTile"), t.at.a)
	DECQ(t.at.tiles)
	JNZ(operand.LabelRef(t.Label + "Tile"))
	ADDQ(tile.Stride(t.Set, "aLine"), isa.Parameter("a"))
	ADDQ(tile.Stride(t.Set, "cLine"), isa.Parameter("c"))
	DECQ(isa.Parameter("lines"))
	JNZ(operand.LabelRef(t.Label))
	isa.End()
}

// sum sums A*B over the taps and over k in the accumulators: each has one product
// added at a time, tap by tap and in ascending order of k.
func (t conv) sum() {
	t.Clear()
	t.walk(tile.Stride(t.Set, "cRow"), func(c operand.Mem, _, v int) {
		if t.Bytes*v%64 == 0 {
			PREFETCHT0(c)
		}
	})
	tap, taps := GP64(), GP64()
	Load(Param("taps"), taps)
	TESTQ(taps, taps)
	JZ(operand.LabelRef(t.Label + "Summed"))
	MOVQ(taps, t.at.taps)
	Load(Param("tap"), tap)
	MOVQ(tap, t.at.tap)
	var aCols, bRows tile.Strides
	if t.unrolls() {
		aCols, bRows = tile.StridesOf(t.Set, "aCol"), tile.StridesOf(t.Set, "bRow")
	} else {
		aCols[0], bRows[0] = tile.Stride(t.Set, "aCol"), tile.Stride(t.Set, "bRow")
	}
	aCol, bRow := aCols[0], bRows[0]
	a, b, k, nextB := GP64(), GP64(), GP64(), GP64()
	row := t.RowsOf(a)

	Label(t.Label + "Tap")
	t.enter(a, b)
	t.prefetchA(a)
	if t.prefetchesB() {
		IMUL3Q(operand.U32(32), bRow, nextB)
		ADDQ(b, nextB)
	}
	Load(Param("k"), k)
	if t.unrolls() {
		t.unrolled(a, b, k, aCols, bRows, row)
	}
	Label(t.Label + "K")
	t.Step(b, row)
	if t.prefetchesB() {
		for line := 0; line < t.Vectors*t.Bytes; line += 64 {
			PREFETCHT0(isa.Ptr(nextB, line))
		}
		ADDQ(bRow, nextB)
	}
	ADDQ(aCol, a)
	ADDQ(bRow, b)
	DECQ(k)
	JNZ(operand.LabelRef(t.Label + "K"))
	Label(t.Label + "Tapped")
	ADDQ(operand.U32(16), t.at.tap)
	DECQ(t.at.taps)
	JNZ(operand.LabelRef(t.Label + "Tap"))
	Label(t.Label + "Summed")
}

func (t conv) prefetchesB() bool { return t.Vectors*t.Bytes > 64 && t.Wide() }

// prefetchA asks for what the next tile or line sees of the tap that begins at a.
func (t conv) prefetchA(a reg.Register) {
	next, lines := GP64(), GP64()
	Load(Param("nextLines"), lines)
	TESTQ(lines, lines)
	JZ(operand.LabelRef(t.Label + "Asked"))
	Load(Param("aNext"), next)
	LEAQ(operand.Mem{Base: a, Index: next, Scale: uint8(t.Size())}, next)
	Label(t.Label + "Ask")
	PREFETCHT0(isa.Ptr(next, 0))
	ADDQ(operand.U32(64), next)
	DECQ(lines)
	JNZ(operand.LabelRef(t.Label + "Ask"))
	Label(t.Label + "Asked")
}

// enter sets a and b to where a tap begins.
func (t conv) enter(a, b reg.Register) {
	tap, offset := GP64(), GP64()
	MOVQ(t.at.tap, tap)
	MOVQ(isa.Ptr(tap, 0), offset)
	MOVQ(t.at.a, a)
	LEAQ(operand.Mem{Base: a, Index: offset, Scale: uint8(t.Size())}, a)
	MOVQ(isa.Ptr(tap, 8), offset)
	Load(Param("b"), b)
	LEAQ(operand.Mem{Base: b, Index: offset, Scale: uint8(t.Size())}, b)
}

// finish sets C to the sums, + C if they are accumulated, + bias unless it is nil,
// with 0 in place of what is negative if relu says so, and moves c to the next
// tile.
func (t conv) finish() {
	cRow := tile.Stride(t.Set, "cRow")
	CMPB(isa.Parameter("accumulate"), operand.U8(0))
	JEQ(operand.LabelRef(t.Label + "Overwrite"))
	t.walk(cRow, func(c operand.Mem, i, v int) {
		switch {
		case !t.Masked(v):
			t.VADD(c, t.Acc(i, v), t.Acc(i, v))
		default:
			t.Load(c, v, t.Spare(0))
			t.VADD(t.Spare(0), t.Acc(i, v), t.Acc(i, v))
		}
	})
	Label(t.Label + "Overwrite")
	t.AddBias()
	t.ReLU()
	MOVQ(t.walk(cRow, t.Store), t.at.c)
}

// walk visits the vectors of C's tile, and returns the pointer to the row after
// it.
func (t conv) walk(cRow reg.Register, f func(c operand.Mem, i, v int)) reg.Register {
	c := GP64()
	MOVQ(t.at.c, c)
	for i := range t.Rows {
		for v := range t.Vectors {
			f(t.Vector(c, v), i, v)
		}
		ADDQ(cRow, c)
	}
	return c
}

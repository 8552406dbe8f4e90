// Command taps generates the kernels of convolutions of package gemm for arm64.
package main

import (
	"github.com/steppe-ml/steppe/asm_gen/neon"
	"github.com/steppe-ml/steppe/asm_gen/neon/tile"
	"github.com/steppe-ml/steppe/asm_gen/panels"
)

// of is what the kernels' vectors hold.
const of = neon.Float32

func main() {
	neon.Program(func(file *neon.File) {
		for _, p := range panels.Of["NEON"] {
			for rows := 1; rows <= p.Rows; rows++ {
				kernel(file, rows, p)
			}
		}
		copyChannels(file)
	})
}

// kernel emits the kernel for tiles of a number of rows, and of any columns that the panel has.
func kernel(file *neon.File, rows int, p panels.Panel) {
	name, tiles := p.Kernel(of.Lanes(), rows)
	f := file.Func("tile"+name+"NEON",
		"func(lines, tiles, n int, tap *[2]int, taps, k int, a *float32, aRow, aCol, aTile, aLine, aNext, nextLines int, "+
			"b *float32, bRow int, c *float32, cRow, cLine int, accumulate bool, bias *float32, relu bool)",
		"is a TapKernel for "+tiles+".")
	tile.Ragged(f, of, rows, p, lines)
}

// conv is a tile of a convolution.
type conv struct {
	tile.Tile
	tiles     neon.R // that are left of the line
	c         neon.R // of the tile
	tap, taps neon.R // the tap at hand, and how many are left
	lines     neon.R // of the cache that are left to be asked for
}

// lines emits the loop over lines of tiles, and returns. The arguments lines and c are those of the
// line at hand. Pointers to A's rows go from tile to tile, and at the end of a line to the next
// line's first tile.
func lines(of tile.Tile) {
	t := conv{Tile: of, tiles: of.R(), c: of.R(), tap: of.R(), taps: of.R(), lines: of.R()}
	t.Bytes("bRow", t.BRow)
	t.LoadA()

	t.Func.Label(t.Label)
	t.Load("tiles", t.tiles)
	t.Load("c", t.c)
	t.Func.Label(t.Label + "Tile")
	t.sum()
	t.finish()
	t.MoveA(t.Load("aTile", t.Scratch))
	t.SUBS(neon.Imm(1), t.tiles, t.tiles)
	t.BNE(t.Label + "Tile")

	back := t.Load("tiles", t.tiles)
	t.MUL(t.Load("aTile", t.Scratch), back, back)
	t.SUB(back, t.Load("aLine", t.Scratch), t.Scratch)
	t.MoveA(t.Scratch)
	next := t.Load("c", t.c)
	t.ADD(t.Scaled(t.Load("cLine", t.Scratch)), next, next)
	t.MOVD(next, t.Arg("c"))
	left := t.Load("lines", t.Scratch)
	t.SUBS(neon.Imm(1), left, left)
	t.MOVD(left, t.Arg("lines"))
	t.BNE(t.Label)
	t.RET()
}

// sum sums A*B over the taps and over k in the accumulators: each has one product added at a time,
// tap by tap and in ascending order of k.
func (t conv) sum() {
	t.Clear()
	t.PrefetchC(t.c, t.Bytes("cRow", t.K))
	t.CBZ(t.Load("taps", t.taps), t.Label+"Summed")
	t.Load("tap", t.tap)

	t.Func.Label(t.Label + "Tap")
	offset := t.K
	t.MOVD(neon.Ptr(t.tap, 0), offset)
	t.LSL(t.Shift(), offset, offset)
	t.prefetchA(offset)
	t.Start(offset)
	b := t.Load("b", t.K)
	t.MOVD(neon.Ptr(t.tap, 8), t.Scratch)
	t.ADD(t.Scaled(t.Scratch), b, b)
	t.Enter(b)
	t.Load("k", t.K)
	t.Sum()
	t.ADD(neon.Imm(16), t.tap, t.tap)
	t.SUBS(neon.Imm(1), t.taps, t.taps)
	t.BNE(t.Label + "Tap")
	t.Func.Label(t.Label + "Summed")
}

// prefetchA asks for what the next tile or line sees of the tap that begins offset bytes behind the
// tile.
func (t conv) prefetchA(offset neon.R) {
	lines, next := t.lines, t.Scratch
	t.CBZ(t.Load("nextLines", lines), t.Label+"Asked")
	t.ADD(t.Scaled(t.Load("aNext", next)), offset, next)
	t.ADD(t.A[0], next, next)
	t.Func.Label(t.Label + "Ask")
	t.PRFM(neon.Ptr(next, 0))
	t.ADD(neon.Imm(64), next, next)
	t.SUBS(neon.Imm(1), lines, lines)
	t.BNE(t.Label + "Ask")
	t.Func.Label(t.Label + "Asked")
}

// finish sets C to the sums, + C if they are accumulated, + bias unless it is nil, with 0 in place
// of what is negative if relu says so, and moves c to the next tile.
func (t conv) finish() {
	cRow := t.Bytes("cRow", t.K)
	t.MOVBU(t.Arg("accumulate"), t.Scratch)
	t.CBZ(t.Scratch, t.Label+"Overwrite")
	t.Enter(t.c)
	for i := range t.Rows {
		t.LoadRow(cRow, func(vectors []int) {
			for _, v := range vectors {
				t.VFADD(t.B(v), t.Acc(i, v), t.Acc(i, v))
			}
		})
	}
	t.Func.Label(t.Label + "Overwrite")
	t.AddBias()
	t.ReLU()
	t.Store(t.c, cRow)
}

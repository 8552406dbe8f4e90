// Command gemm generates the kernels of matrix products of package gemm for arm64, for float32 or
// float64.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/steppe-ml/steppe/asm_gen/neon"
	"github.com/steppe-ml/steppe/asm_gen/neon/tile"
	"github.com/steppe-ml/steppe/asm_gen/panels"
)

func main() {
	bits := flag.Int("float", 32, "bits of an element: 32 or 64")
	neon.Program(func(file *neon.File) {
		of := neon.Element(*bits / 8)
		if of != neon.Float32 && of != neon.Float64 {
			fmt.Fprintf(os.Stderr, "asm_gen: -float %d: want 32 or 64\n", *bits)
			os.Exit(2)
		}
		k := kernels{file, of, *bits}
		for _, p := range panels.Of["NEON"] {
			for rows := 1; rows <= p.Rows; rows++ {
				k.ragged(rows, p)
			}
		}
		for _, w := range panels.Wides["NEON"] {
			k.wide(w[0], w[1])
		}
		for rows := 1; rows <= dotsSide; rows++ {
			k.dots(rows, dotsSide)
			k.dots(rows, 1)
		}
		k.copyPanels()
		k.copyTiles()
		k.copyRows()
		k.transpose()
	})
}

// kernels is what writes the kernels for one type of elements.
type kernels struct {
	file *neon.File
	of   neon.Element
	bits int
}

// begin opens a function, in whose signature T is the type of elements.
func (k kernels) begin(name, signature, doc string) *neon.Func {
	signature = strings.NewReplacer("*T", "*"+k.of.Type(), " T", " "+k.of.Type()).Replace(signature)
	return k.file.Func(name+"NEON", signature, doc)
}

// tileKernel opens a TileKernel: sgemm for float32, dgemm for float64.
func (k kernels) tileKernel(kind, tiles string) *neon.Func {
	return k.begin(map[int]string{32: "s", 64: "d"}[k.bits]+"gemm"+kind,
		"func(tiles, n, k int, a *T, aRow, aCol, aTile int, b *T, bRow int, c *T, cRow int, alpha, beta T, bias, rowBias *T, relu bool)",
		"is a TileKernel for "+tiles+".")
}

// ragged emits the kernel for tiles of a number of rows, and of any columns that the panel has.
func (k kernels) ragged(rows int, p panels.Panel) {
	name, tiles := p.Kernel(k.of.Lanes(), rows)
	tile.Ragged(k.tileKernel(name, tiles), k.of, rows, p, loop)
}

// wide emits the kernel for tiles of a few rows and whole vectors of columns.
func (k kernels) wide(rows, vectors int) {
	columns := vectors * k.of.Lanes()
	f := k.tileKernel(fmt.Sprintf("Wide%dx%d", rows, columns), fmt.Sprintf("tiles of %d rows and just %d columns", rows, columns))
	tile.Wide(f, k.of, rows, vectors, loop)
}

// gemm is a tile of a matrix product.
type gemm struct {
	tile.Tile
	tiles      neon.R // that are left
	c, rowBias neon.R // of the tile
}

// loop emits the loop over tiles, one below the other, and returns.
func loop(of tile.Tile) {
	t := gemm{Tile: of, tiles: of.R(), c: of.R(), rowBias: of.R()}
	t.Load("tiles", t.tiles)
	t.Load("c", t.c)
	t.Load("rowBias", t.rowBias)
	t.Bytes("bRow", t.BRow)
	t.LoadA()

	t.Func.Label(t.Label)
	t.multiply()
	t.finish()
	t.MoveA(t.Load("aTile", t.Scratch))
	t.SUBS(neon.Imm(1), t.tiles, t.tiles)
	t.BNE(t.Label)
	t.RET()
}

// multiply sums A*B over k in the accumulators.
func (t gemm) multiply() {
	t.Clear()
	t.PrefetchC(t.c, t.Bytes("cRow", t.K))
	t.Start(neon.Zero)
	t.Enter(t.Load("b", t.Scratch))
	t.CBZ(t.Load("k", t.K), t.Label+"Summed")
	t.Sum()
	t.Func.Label(t.Label + "Summed")
}

// finish sets C to alpha*acc, + beta*C unless beta is 0, + bias and + rowBias unless they are nil,
// with 0 in place of what is negative if relu says so, and moves to the next tile's C and rowBias.
func (t gemm) finish() {
	scale := t.Spare(0)
	t.FMOV(t.Arg("alpha"), scale.F())
	t.FCMP1(scale, t.B(0))
	t.BEQ(t.Label + "Scaled")
	t.Each(func(i, v int) { t.VFMUL(scale.Lane(0), t.Acc(i, v), t.Acc(i, v)) })
	t.Func.Label(t.Label + "Scaled")

	cRow := t.Bytes("cRow", t.K)
	t.FMOV(t.Arg("beta"), scale.F())
	t.FCMP0(scale) // -0 is 0
	t.BEQ(t.Label + "Overwrite")
	t.Enter(t.c)
	for i := range t.Rows {
		t.LoadRow(cRow, func(vectors []int) {
			for _, v := range vectors {
				t.VFMLA(scale.Lane(0), t.B(v), t.Acc(i, v))
			}
		})
	}
	t.Func.Label(t.Label + "Overwrite")

	t.AddBias()
	t.addRowBias()
	t.ReLU()
	t.Store(t.c, cRow)
}

func (t gemm) addRowBias() {
	t.CBZ(t.rowBias, t.Label+"RowBiased")
	for i := range t.Rows {
		t.VLD1RP(neon.Ptr(t.rowBias, int(t.Element)), neon.List(t.Spare(i)))
		for v := range t.Vectors {
			t.VFADD(t.Spare(i), t.Acc(i, v), t.Acc(i, v))
		}
	}
	t.Func.Label(t.Label + "RowBiased")
}

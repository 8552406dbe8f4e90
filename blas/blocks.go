package blas

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/gemm"
)

// Run is N consecutive rows of a matrix, from row First on.
type Run = gemm.Run

// A block-diagonal matrix belongs to runs of rows: a run of n rows has a block of n x n elements,
// row-major, and the blocks lie one behind the other. Grams and MulBlocks compute with all blocks
// in one call, since blocks are small where they are many. Runs may be of any sizes.
//
// The bits of a block depend on its own rows, on its size, on the length of the rows and on the
// instruction set, and on nothing else: not on the other runs nor the workers.

// Grams sets the block of each run to X Y' + constant, where X and Y are the run's rows of x and of
// y, and Y' is the transpose. x and y have as many columns, and their rows are contiguous.
// Mismatched sizes panic.
func Grams[T Float](team *Team, blocks []T, x, y Mat[T], runs []Run, constant T) {
	x.check("X", 0)
	y.check("Y", 0)
	if x.Cols != y.Cols {
		panic(fmt.Sprintf("blas: X has %d columns, and Y %d", x.Cols, y.Cols))
	}
	checkContiguous("X", &x)
	checkContiguous("Y", &y)
	checkRuns(runs, len(blocks), min(x.Rows, y.Rows))
	gemm.Grams(team, gemm.Active[T](), blocks, x.view(), y.view(), x.Cols, runs, constant)
}

// MulBlocks sets the rows of c that belong to a run to the run's block times its rows of b, or adds
// that with accumulate. Other rows stay as they are. The rows of b and c are contiguous. Mismatched
// sizes panic.
//
// The bits of an element are those of MatMul for a single run.
func MulBlocks[T Float](team *Team, c Mat[T], blocks []T, b Mat[T], runs []Run, accumulate bool) {
	b.check("B", 0)
	c.check("C", 0)
	if c.Cols != b.Cols {
		panic(fmt.Sprintf("blas: C has %d columns, and B %d", c.Cols, b.Cols))
	}
	checkContiguous("B", &b)
	checkContiguous("C", &c)
	checkRuns(runs, len(blocks), min(b.Rows, c.Rows))
	gemm.MulBlocks(team, gemm.Active[T](), c.view(), blocks, b.view(), c.Cols, runs, accumulate)
}

func checkContiguous[T Float](name string, m *Mat[T]) {
	if m.ColStride != 1 || m.RowStride < m.Cols && m.Rows > 1 {
		panic(fmt.Sprintf("blas: %s has strides %d and %d for %d columns, want contiguous rows", name, m.RowStride, m.ColStride, m.Cols))
	}
}

// checkRuns panics unless the runs have so many elements of blocks, and are of a matrix of so many
// rows.
func checkRuns(runs []Run, elements, rows int) {
	want := 0
	for i, r := range runs {
		if r.First < 0 || r.N < 0 || r.N > rows-r.First {
			panic(fmt.Sprintf("blas: run %d is %d rows from row %d on, of %d rows", i, r.N, r.First, rows))
		}
		want += r.N * r.N
	}
	if elements != want {
		panic(fmt.Sprintf("blas: the runs' blocks have %d elements, want %d", elements, want))
	}
}

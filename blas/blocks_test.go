package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// runsOf returns runs of sizes, with a row that belongs to none before the second, and the rows
// and the elements of the blocks.
func runsOf(sizes []int) (runs []Run, rows, elements int) {
	for i, n := range sizes {
		if i == 1 {
			rows++
		}
		runs = append(runs, Run{First: rows, N: n})
		rows += n
		elements += n * n
	}
	return runs, rows, elements
}

var blockSizes = [][]int{
	{1}, {2}, {3}, {4}, {5}, {1, 1, 1, 1}, {2, 1, 2}, {0, 3, 0}, {7, 8, 9}, {10, 11, 12, 13},
	{gemm.GramRows, gemm.GramRows + 1}, {40, 1},
}

func TestBlocksAgainstOracle(t *testing.T) {
	floattest.Each(t, testBlocksAgainstOracle[float32], testBlocksAgainstOracle[float64])
}

// Operands end, or begin, at memory that can't be read.
func testBlocksAgainstOracle[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, sizes := range blockSizes {
			runs, rows, elements := runsOf(sizes)
			for _, cols := range []int{1, 7, 9, 17, 100} {
				for side, memory := range guard.Sides[T]() {
					r := rand.New(rand.NewPCG(1, uint64(cols)))
					fill := func(n int) []T {
						s := memory(t, n)
						copy(s, floattest.Normal[T](r, n))
						return s
					}
					x, y := RowMajor(fill(rows*cols), rows, cols), RowMajor(fill(rows*cols), rows, cols)
					c, blocks := RowMajor(fill(rows*cols), rows, cols), fill(elements)
					before := append([]T(nil), c.Data...)
					what := fmt.Sprintf("runs of %v, %d columns, %s", sizes, cols, side)
					for _, other := range []Mat[T]{x, y} {
						floattest.WithoutFault(t, what, func() { Grams(nil, blocks, x, other, runs, 1) })
						at := blocks
						for _, run := range runs {
							for i := range run.N {
								for j := range run.N {
									sum, size := 1.0, 1.0
									for l := range cols {
										p := float64(x.Data[(run.First+i)*cols+l]) * float64(other.Data[(run.First+j)*cols+l])
										sum, size = sum+p, size+math.Abs(p)
									}
									require.InDelta(t, sum, float64(at[i*run.N+j]), floattest.Gamma[T](2*cols+4)*size, "%s: element %d, %d of %v", what, i, j, run)
								}
							}
							at = at[run.N*run.N:]
						}
					}
					for _, accumulate := range []bool{false, true} {
						copy(c.Data, before)
						floattest.WithoutFault(t, what, func() { MulBlocks(nil, c, blocks, y, runs, accumulate) })
						want := append([]T(nil), before...)
						at := blocks
						for _, run := range runs {
							b := RowMajor(y.Data[run.First*cols:][:run.N*cols], run.N, cols)
							MatMul(nil, RowMajor(want[run.First*cols:][:run.N*cols], run.N, cols), RowMajor(at[:run.N*run.N], run.N, run.N), b, Options[T]{Accumulate: accumulate})
							at = at[run.N*run.N:]
						}
						require.Equal(t, want, c.Data, "%s, accumulate %v", what, accumulate)
					}
				}
			}
		}
	})
}

// A run's block has the same bits whatever runs and workers there are beside it, and whether it is
// known to be symmetric.
func TestBlocksOfARunAlone(t *testing.T) {
	floattest.Each(t, testBlocksOfARunAlone[float32], testBlocksOfARunAlone[float64])
}

func testBlocksOfARunAlone[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const cols = 70
		runs, rows, elements := runsOf([]int{1, 2, 9, 3, gemm.GramRows, 30, 1})
		r := rand.New(rand.NewPCG(2, 2))
		x := RowMajor(floattest.Normal[T](r, rows*cols), rows, cols)
		copied := RowMajor(append([]T(nil), x.Data...), rows, cols)
		for _, team := range []*Team{nil, NewTeam(2), NewTeam(5)} {
			symmetric, other := make([]T, elements), make([]T, elements)
			Grams(team, symmetric, x, x, runs, 0)
			Grams(team, other, x, copied, runs, 0)
			require.Equal(t, symmetric, other)
			at := symmetric
			for _, run := range runs {
				own := make([]T, run.N*run.N)
				Grams(nil, own, x, x, []Run{run}, 0)
				require.Equal(t, own, at[:len(own)], "%v", run)
				at = at[len(own):]
			}
		}
	})
}

// Rows that are longer than a kernel sums in one call have no place where the order changes.
func TestGramsOfLongRows(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const cols = gemm.DotsK + 5
		x := RowMajor(floattest.Integers[float32](rand.New(rand.NewPCG(3, 3)), 4*cols), 4, cols)
		blocks, want := make([]float32, 16), make([]float32, 16)
		Grams(nil, blocks, x, x, []Run{{N: 4}}, 0)
		MatMul(nil, RowMajor(want, 4, 4), x, x.T(), Options[float32]{})
		assert.Equal(t, want, blocks, "sums of integers are exact in any order")
	})
}

// NaN and Inf reach the blocks of their own run alone.
func TestBlocksPropagateNaN(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		runs, rows, elements := runsOf([]int{2, 3, 2})
		x := RowMajor(make([]float32, rows*10), rows, 10)
		x.Data[4*10+7], x.Data[4*10+8] = float32(math.NaN()), float32(math.Inf(1))
		blocks := make([]float32, elements)
		Grams(nil, blocks, x, x, runs, 0)
		for i, v := range blocks {
			row, column := (i-4)/3, (i-4)%3 // of the second run, whose row 1 is row 4
			spoiled := i >= 4 && i < 13 && (row == 1 || column == 1)
			assert.Equal(t, spoiled, v != v, "element %d", i)
		}
	})
}

func TestBlocksOfNothing(t *testing.T) {
	blocks := []float32{1, 2, 3, 4}
	Grams(nil, blocks, RowMajor([]float32{}, 2, 0), RowMajor([]float32{}, 2, 0), []Run{{N: 2}}, 5)
	assert.Equal(t, []float32{5, 5, 5, 5}, blocks)
	Grams(nil, nil, RowMajor([]float32{}, 0, 3), RowMajor([]float32{}, 0, 3), nil, 5)
	MulBlocks(nil, RowMajor([]float32{}, 2, 0), blocks, RowMajor([]float32{}, 2, 0), []Run{{N: 2}}, false)
}

func TestBlocksRefuse(t *testing.T) {
	m := func(rows, cols int) Mat[float32] { return RowMajor(make([]float32, rows*cols), rows, cols) }
	for want, call := range map[string]func(){
		"blas: X has 3 columns, and Y 4":                                  func() { Grams(nil, make([]float32, 4), m(2, 3), m(2, 4), []Run{{N: 2}}, 0) },
		"blas: the runs' blocks have 5 elements, want 4":                  func() { Grams(nil, make([]float32, 5), m(2, 3), m(2, 3), []Run{{N: 2}}, 0) },
		"blas: run 1 is 2 rows from row 1 on, of 2 rows":                  func() { Grams(nil, make([]float32, 5), m(2, 3), m(2, 3), []Run{{N: 1}, {First: 1, N: 2}}, 0) },
		"blas: run 0 is -1 rows from row 0 on, of 2 rows":                 func() { MulBlocks(nil, m(2, 3), make([]float32, 1), m(2, 3), []Run{{N: -1}}, false) },
		"blas: C has 4 columns, and B 3":                                  func() { MulBlocks(nil, m(2, 4), make([]float32, 4), m(2, 3), []Run{{N: 2}}, false) },
		"blas: X has strides 1 and 3 for 2 columns, want contiguous rows": func() { Grams(nil, make([]float32, 4), m(2, 3).T(), m(2, 3).T(), []Run{{N: 2}}, 0) },
	} {
		assert.PanicsWithValue(t, want, call)
	}
}

func TestBlocksAllocateNothing(t *testing.T) {
	runs, rows, elements := runsOf([]int{1, 2, 9, 3, 24, 30, 1})
	x, blocks, c := RowMajor(make([]float32, rows*50), rows, 50), make([]float32, elements), RowMajor(make([]float32, rows*50), rows, 50)
	for _, team := range []*Team{nil, NewTeam(2)} {
		call := func() {
			Grams(team, blocks, x, x, runs, 1)
			MulBlocks(team, c, blocks, x, runs, true)
		}
		call()
		assert.Less(t, testing.AllocsPerRun(20, call), 1.0)
	}
}

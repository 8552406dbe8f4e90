package simd_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

const scoresScale = 0.3

// block is a block of scores, with what its methods take.
type block struct {
	simd.Scores
	x, d                  []float32
	largest, total, delta []float32
}

// elements returns how many elements a slice for s has at least.
func elements(s simd.Scores) int {
	if s.Rows == 0 {
		return 0
	}
	return (s.Rows-1)*s.Stride + s.Width()
}

func newBlock(r *rand.Rand, s simd.Scores, deviation float64) *block {
	fill := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(deviation * r.NormFloat64())
		}
		return v
	}
	return &block{s, fill(elements(s)), fill(elements(s)), make([]float32, s.Rows), make([]float32, s.Rows), fill(s.Rows)}
}

func (b *block) clone() *block {
	c := *b
	for _, s := range []*[]float32{&c.x, &c.d, &c.largest, &c.total, &c.delta} {
		*s = slices.Clone(*s)
	}
	return &c
}

func (b *block) softmax() { b.Softmax(b.x, scoresScale, b.largest, b.total) }

// columns returns the elements of a row.
func (b *block) columns(row int) int { return b.Columns + row*b.Growth }

// requireUntouched requires zeros behind the rows' elements in after, and what it was between rows.
func (b *block) requireUntouched(t *testing.T, before, after []float32) {
	t.Helper()
	for row := range b.Rows {
		for i := row*b.Stride + b.columns(row); i < min((row+1)*b.Stride, len(after)); i++ {
			want := before[i]
			if i < row*b.Stride+b.Width() {
				want = 0
			}
			requireSameBits(t, []float32{want}, after[i:][:1], "%+v: element %d of row %d", b.Scores, i-row*b.Stride, row)
		}
	}
}

// scoresShapes has rows of every length up to 70, causal and not, and blocks of several calls.
func scoresShapes() (shapes []simd.Scores) {
	for n := 1; n <= 70; n++ {
		shapes = append(shapes, simd.Scores{Rows: 3, Columns: n, Growth: 0, Stride: n + n%3}, simd.Scores{Rows: 1 + n%9, Columns: n, Growth: 1, Stride: n + 20})
	}
	for _, n := range []int{128, 512, 700} {
		shapes = append(shapes, simd.Scores{Rows: 5, Columns: n, Growth: 0, Stride: n}, simd.Scores{Rows: 40, Columns: n - 39, Growth: 1, Stride: n + 16})
	}
	return append(shapes, simd.Scores{Rows: 128, Columns: 1, Growth: 1, Stride: 130}, simd.Scores{Rows: 200, Columns: 200, Stride: 200},
		simd.Scores{Rows: 6, Columns: 3, Growth: 11, Stride: 58}, simd.Scores{Rows: 2, Columns: 20000, Growth: 1, Stride: 20001}, simd.Scores{Columns: 1})
}

func TestScoresAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(31, 31))
		for _, shape := range scoresShapes() {
			for _, deviation := range []float64{1, 60} {
				before := newBlock(r, shape, deviation)
				b := before.clone()
				b.softmax()
				for row := range b.Rows {
					b.checkRow(t, before, row)
				}
				b.requireUntouched(t, before.x, b.x)
				again := before.clone()
				again.SoftmaxAgain(again.x, scoresScale, b.largest, b.total)
				requireSameBits(t, b.x, again.x, "%+v, again", shape)

				b.SoftmaxBackward(b.d, b.x, scoresScale, b.delta)
				for row := range b.Rows {
					for i := row * b.Stride; i < row*b.Stride+b.columns(row); i++ {
						p, d, delta := float64(b.x[i]), float64(before.d[i]), float64(b.delta[row])
						size := float64(float32(scoresScale)) * p * (math.Abs(d) + math.Abs(delta))
						requireNear(t, float64(float32(scoresScale))*p*(d-delta), b.d[i], gamma(3, unit32)*size+0x1p-149*(1+math.Abs(d)+math.Abs(delta)), "%+v, backward, row %d", shape, row)
					}
				}
				b.requireUntouched(t, before.d, b.d)
			}
		}
	})
}

func (b *block) checkRow(t *testing.T, before *block, row int) {
	t.Helper()
	n := b.columns(row)
	x := before.x[row*b.Stride:][:n]
	want, largest, total := softmax(x, float64(float32(scoresScale)))
	require.Equal(t, float32(largest), b.largest[row], "%+v, row %d", b.Scores, row)
	require.InEpsilon(t, total, b.total[row], gamma(n+8, unit32), "%+v, row %d", b.Scores, row)
	for i, v := range want {
		exponent := scoresScale * (largest - float64(x[i]))
		bound := v*(gamma(n+8, unit32)+3*exponent*unit32) + 0x1p-126
		requireNear(t, v, b.x[row*b.Stride+i], bound, "%+v, row %d, element %d", b.Scores, row, i)
	}
}

// A row has the same bits alone, and anywhere in memory.
func TestScoresRowsAreIndependent(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(32, 32))
		for _, shape := range []simd.Scores{{Rows: 9, Columns: 60, Growth: 1, Stride: 83}, {Rows: 300, Columns: 100, Stride: 104}, {Rows: 33, Columns: 1, Growth: 1, Stride: 33}} {
			before := newBlock(r, shape, 3)
			all := before.clone()
			all.softmax()
			for row := range all.Rows {
				n := all.columns(row)
				alone := append(make([]float32, row%17), before.x[row*all.Stride:][:n]...)[row%17:]
				largest, total := make([]float32, 1), make([]float32, 1)
				simd.Scores{Rows: 1, Columns: n, Stride: n}.Softmax(alone, scoresScale, largest, total)
				requireSameBits(t, all.x[row*all.Stride:][:n], alone, "%+v, row %d alone", shape, row)
				requireSameBits(t, all.largest[row:][:1], largest, "%+v, largest of row %d alone", shape, row)
				requireSameBits(t, all.total[row:][:1], total, "%+v, total of row %d alone", shape, row)
			}
		}
	})
}

// One element decides what becomes of its row, wherever it is, and of no other row.
func TestScoresOfSpecials(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 5, 8, 9, 16, 19, 23, 32, 39, 70} {
			for at := range n {
				for _, special := range []float32{nan, otherNaN, inf, -inf, math.MaxFloat32, -math.MaxFloat32} {
					for _, other := range []float32{0, -inf} {
						checkSpecialScores(t, n, at, special, other)
					}
				}
			}
		}
	})
}

// checkSpecialScores has a special element among others in the second of three rows.
func checkSpecialScores(t *testing.T, n, at int, special, other float32) {
	t.Helper()
	b := newBlock(rand.New(rand.NewPCG(33, 33)), simd.Scores{Rows: 3, Columns: n, Growth: 2, Stride: n + 4}, 1)
	columns := b.columns(1)
	row := b.x[b.Stride:][:columns]
	for i := range row {
		row[i] = other
	}
	row[at] = special
	before := b.clone()
	b.softmax()
	want, _, wantTotal := softmax(before.x[b.Stride:][:columns], float64(float32(scoresScale)))
	for i, v := range row {
		if math.IsNaN(want[i]) != (v != v) || math.Abs(float64(v)-want[i]) > gamma(n+10, unit32) {
			require.Failf(t, "wrong element", "%d is %v, want %v: %v at %d of %d times %v", i, v, want[i], special, at, columns, other)
		}
	}
	require.Equal(t, math.IsNaN(wantTotal), b.total[1] != b.total[1], "%v at %d of %d times %v: total", special, at, columns, other)
	for _, row := range []int{0, 2} {
		b.checkRow(t, before, row)
	}
	b.requireUntouched(t, before.x, b.x)
	before.SoftmaxAgain(before.x, scoresScale, b.largest, b.total)
	for i, v := range b.x {
		requireSameValue(t, float64(v), float64(before.x[i]), "again: %v at %d of %d times %v", special, at, columns, other)
	}
}

// What isn't finite in d, p or delta reaches the gradient, and no element but its own, or its row.
func TestScoresBackwardPropagates(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const n = 37
		shape := simd.Scores{Rows: 2, Columns: n, Stride: n}
		clean := newBlock(rand.New(rand.NewPCG(34, 34)), shape, 1)
		want := clean.clone()
		want.SoftmaxBackward(want.d, want.x, scoresScale, want.delta)
		for at := range n {
			for _, bad := range []float32{nan, otherNaN, inf, -inf} {
				ofD, ofP, ofDelta := clean.clone(), clean.clone(), clean.clone()
				ofD.d[at], ofP.x[at], ofDelta.delta[0] = bad, bad, bad
				for _, b := range []*block{ofD, ofP, ofDelta} {
					b.SoftmaxBackward(b.d, b.x, scoresScale, b.delta)
					for i, v := range b.d {
						if b == ofDelta && i < n || b != ofDelta && i == at {
							require.NotZero(t, v-v, "%v at %d: element %d is finite", bad, at, i)
						} else {
							requireSameBits(t, want.d[i:][:1], b.d[i:][:1], "%v at %d, element %d", bad, at, i)
						}
					}
				}
			}
		}
	})
}

func TestScoresStayInside(t *testing.T) {
	const rows, most = 5, 70
	for side, memory := range guard.Sides[float32]() {
		t.Run(side, func(t *testing.T) {
			pages := [2][]float32{memory(t, rows*(most+rows)), memory(t, rows*(most+rows))}
			short := [3][]float32{memory(t, rows), memory(t, rows), memory(t, rows)}
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				for n := 1; n <= most; n++ {
					for growth := range 2 {
						s := simd.Scores{Rows: 1 + n%rows, Columns: n, Growth: growth, Stride: n + rows}
						x, d := atSide(side, pages[0], elements(s)), atSide(side, pages[1], elements(s))
						a, b, c := atSide(side, short[0], s.Rows), atSide(side, short[1], s.Rows), atSide(side, short[2], s.Rows)
						require.NotPanics(t, func() {
							s.Softmax(x, scoresScale, a, b)
							s.SoftmaxAgain(x, scoresScale, a, b)
							s.SoftmaxBackward(d, x, scoresScale, c)
							simd.RowDots(c, x, d, n, s.Stride, s.Stride)
						}, "%+v", s)
					}
				}
			})
		})
	}
}

func TestScoresWriteNothingElse(t *testing.T) {
	const canary, margin = 12345, 40
	simdtest.EachISA(t, func(t *testing.T) {
		for n := 1; n <= 37; n++ {
			b := newBlock(rand.New(rand.NewPCG(35, 35)), simd.Scores{Rows: 1 + n%4, Columns: n, Growth: n % 3, Stride: n + 8}, 1)
			var whole [][]float32
			for _, s := range []*[]float32{&b.x, &b.d, &b.largest, &b.total, &b.delta} {
				buffer := slices.Repeat([]float32{canary}, len(*s)+2*margin)
				copy(buffer[margin:], *s)
				whole, *s = append(whole, buffer), buffer[margin:][:len(*s)]
			}
			before := b.clone()
			b.softmax()
			b.SoftmaxBackward(b.d, b.x, scoresScale, b.delta)
			b.requireUntouched(t, before.x, b.x)
			b.requireUntouched(t, before.d, b.d)
			simd.RowDots(b.delta, b.x, b.d, n, b.Stride, b.Stride)
			for _, s := range whole {
				require.Equal(t, slices.Repeat([]float32{canary}, margin), s[:margin])
				require.Equal(t, slices.Repeat([]float32{canary}, margin), s[len(s)-margin:])
			}
		}
	})
}

func TestRowDots(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(36, 36))
		for columns := range 71 {
			for rows := range 10 {
				if columns == 70 {
					rows *= 300 // in several calls
				}
				strideA, strideB := columns+columns%3, columns+rows%5
				a, b, dst := make([]float32, rows*strideA), make([]float32, rows*strideB), make([]float32, rows)
				for _, s := range [][]float32{a, b} {
					for i := range s {
						s[i] = float32(r.NormFloat64())
					}
				}
				simd.RowDots(dst, a, b, columns, strideA, strideB)
				for row := range rows {
					var want number
					for i := range columns {
						x, y := a[row*strideA+i], b[row*strideB+i]
						want = want.plus(product(number{float64(x), math.Abs(float64(x))}, number{float64(y), math.Abs(float64(y))}))
					}
					requireNear(t, want.value, dst[row], gamma(columns, unit32)*want.size, "%d columns, row %d of %d", columns, row, rows)
					alone := make([]float32, 1)
					simd.RowDots(alone, a[row*strideA:], b[row*strideB:], columns, columns, columns)
					requireSameBits(t, dst[row:][:1], alone, "%d columns, row %d of %d alone", columns, row, rows)
				}
			}
		}
		for columns := 1; columns <= 40; columns++ {
			for at := range columns {
				a := make([]float32, 6*columns)
				a[2*columns+at] = inf
				dst := make([]float32, 6)
				simd.RowDots(dst, a, make([]float32, 6*columns), columns, columns, columns)
				for row, v := range dst {
					require.Equal(t, row == 2, v != v, "0*Inf at %d of row 2: row %d", at, row)
				}
			}
		}
	})
}

func TestScoresRefuse(t *testing.T) {
	f := func(n int) []float32 { return make([]float32, n) }
	s := simd.Scores{Rows: 2, Columns: 3, Growth: 1, Stride: 5}
	for _, c := range []struct {
		want string
		call func()
	}{
		{"simd: Scores.Softmax: 8 elements for {Rows:2 Columns:3 Growth:1 Stride:5}", func() { s.Softmax(f(8), 1, f(2), f(2)) }},
		{"simd: Scores.Softmax: 9 elements for {Rows:2 Columns:0 Growth:1 Stride:5}", func() { simd.Scores{2, 0, 1, 5}.Softmax(f(9), 1, f(2), f(2)) }},
		{"simd: Scores.Softmax: 9 elements for {Rows:2 Columns:3 Growth:-1 Stride:5}", func() { simd.Scores{2, 3, -1, 5}.Softmax(f(9), 1, f(2), f(2)) }},
		{"simd: Scores.Softmax: 9 elements for {Rows:2 Columns:3 Growth:1 Stride:3}", func() { simd.Scores{2, 3, 1, 3}.Softmax(f(9), 1, f(2), f(2)) }},
		{"simd: Scores.Softmax: 9 elements for {Rows:-1 Columns:3 Growth:1 Stride:5}", func() { simd.Scores{-1, 3, 1, 5}.Softmax(f(9), 1, nil, nil) }},
		{"simd: Scores.Softmax: scale 0, want a positive one", func() { s.Softmax(f(9), 0, f(2), f(2)) }},
		{"simd: Scores.Softmax: scale NaN, want a positive one", func() { s.Softmax(f(9), nan, f(2), f(2)) }},
		{"simd: Scores.Softmax: slices of 2 and 1 elements", func() { s.Softmax(f(9), 1, f(1), f(2)) }},
		{"simd: Scores.SoftmaxAgain: 8 elements for {Rows:2 Columns:3 Growth:1 Stride:5}", func() { s.SoftmaxAgain(f(8), 1, f(2), f(2)) }},
		{"simd: Scores.SoftmaxAgain: scale -1, want a positive one", func() { s.SoftmaxAgain(f(9), -1, f(2), f(2)) }},
		{"simd: Scores.SoftmaxAgain: slices of 2 and 3 elements", func() { s.SoftmaxAgain(f(9), 1, f(2), f(3)) }},
		{"simd: Scores.SoftmaxBackward: 8 elements for {Rows:2 Columns:3 Growth:1 Stride:5}", func() { s.SoftmaxBackward(f(9), f(8), 1, f(2)) }},
		{"simd: Scores.SoftmaxBackward: slices of 2 and 0 elements", func() { s.SoftmaxBackward(f(9), f(9), 1, nil) }},
		{"simd: RowDots: 8 elements for 2 rows of 4 columns, 5 apart", func() { simd.RowDots(f(2), f(9), f(8), 4, 5, 5) }},
		{"simd: RowDots: 9 elements for 2 rows of 4 columns, 3 apart", func() { simd.RowDots(f(2), f(9), f(9), 4, 3, 5) }},
		{"simd: RowDots: 9 elements for 2 rows of -4 columns, 5 apart", func() { simd.RowDots(f(2), f(9), f(9), -4, 5, 5) }},
	} {
		assert.PanicsWithValue(t, c.want, c.call)
	}
}

func TestScoresAllocateNothing(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		b := newBlock(rand.New(rand.NewPCG(37, 37)), simd.Scores{Rows: 200, Columns: 100, Growth: 1, Stride: 300}, 1)
		assert.Zero(t, testing.AllocsPerRun(5, func() {
			b.softmax()
			b.SoftmaxAgain(b.x, scoresScale, b.largest, b.total)
			b.SoftmaxBackward(b.d, b.x, scoresScale, b.delta)
			simd.RowDots(b.delta, b.x, b.d, 100, 300, 300)
		}))
	})
}

func BenchmarkScores(b *testing.B) {
	for _, n := range []int{32, 64, 128} {
		for growth, name := range []string{"all", "causal"} {
			s := simd.Scores{Rows: n, Columns: n - growth*(n-1), Growth: growth, Stride: n + 16}
			o := newBlock(rand.New(rand.NewPCG(38, 38)), s, 1)
			scores := slices.Clone(o.x)
			bench := func(method string, call func()) {
				b.Run(fmt.Sprintf("%s/%s/%dx%d", method, name, n, n), func(b *testing.B) {
					for b.Loop() {
						call()
					}
					elements := n*s.Columns + growth*n*(n-1)/2
					b.ReportMetric(float64(elements)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "elements/ns")
				})
			}
			bench("Softmax", func() { copy(o.x, scores); o.softmax() })
			bench("SoftmaxAgain", func() { copy(o.x, scores); o.SoftmaxAgain(o.x, scoresScale, o.largest, o.total) })
			bench("SoftmaxBackward", func() { o.SoftmaxBackward(o.d, o.x, scoresScale, o.delta) })
			bench("RowDots", func() { simd.RowDots(o.delta, o.x, o.d, n, s.Stride, s.Stride) })
		}
	}
}

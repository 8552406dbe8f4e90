package simd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// longest is more than any kernel's unrolled loop, single vector and tail
// together.
const longest = 140

// lengths is all lengths up to longest, and some larger ones.
func lengths() (lengths []int) {
	for n := range longest + 1 {
		lengths = append(lengths, n)
	}
	return append(lengths, 255, 1000, 1023, 4097, 10007)
}

func TestKernelsAgainstOracle(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		for _, d := range kinds {
			for _, k := range d.kernels {
				for _, n := range lengths() {
					before := d.operands(r, k, n)
					after, result := run(t, k, before, r.IntN(17))
					checkElements(t, k, before, after, d.slackOf(k))
					if k.sum != nil {
						checkSum(t, k, before, result, d.slack)
					}
				}
			}
		}
	})
}

// run calls k on copies of operands that begin offset floats into a buffer,
// and requires that it writes nothing but its results.
func run(t *testing.T, k kernel, operands [][]float32, offset int) (after [][]float32, result float64) {
	t.Helper()
	const canary, margin = 12345, 20
	buffers := make([][]float32, len(operands))
	for i, s := range operands {
		buffers[i] = slices.Repeat([]float32{canary}, offset+len(s)+margin)
		after = append(after, buffers[i][offset:][:len(s)])
		copy(after[i], s)
	}
	result = k.call(after...)
	for i, s := range operands {
		for j, v := range buffers[i] {
			if j -= offset; (j < 0 || j >= len(s)) && v != canary {
				require.Failf(t, "wrote outside", "%s, n = %d: element %d of slice %d is %v", k.name, len(s), j, i, v)
			}
		}
		if !slices.Contains(k.writes, i) {
			requireSameBits(t, s, after[i], "%s, n = %d: slice %d was written", k.name, len(s), i)
		}
	}
	return after, result
}

func checkElements(t *testing.T, k kernel, before, after [][]float32, slack float64) {
	t.Helper()
	operands := make([][]number, k.slices)
	for i, s := range before {
		operands[i] = numbers(s)
	}
	x := make([]number, k.slices)
	for j := range before[0] {
		for i := range x {
			x[i] = operands[i][j]
		}
		for o, i := range k.writes {
			want, got := k.element(x)[o], float64(after[i][j])
			bound := slack * gamma(k.roundings, unit32) * want.size
			if !(math.Abs(got-want.value) <= bound) {
				require.Failf(t, "wrong element", "%s, n = %d: element %d of slice %d is %v, want %v +- %v", k.name, len(before[0]), j, i, got, want.value, bound)
			}
		}
	}
}

func checkSum(t *testing.T, k kernel, operands [][]float32, got, slack float64) {
	t.Helper()
	x := make([][]number, k.slices)
	for i, s := range operands {
		x[i] = numbers(s)
	}
	n := len(operands[0])
	want := k.sum(x)
	// The oracle is itself a sum in float64.
	bound := slack * (gamma(n, k.unit) + gamma(n, unit64)) * want.size
	if !(math.Abs(got-want.value) <= bound) {
		require.Failf(t, "wrong sum", "%s, n = %d: %v, want %v +- %v", k.name, n, got, want.value, bound)
	}
}

// dst may be any of the slices that are read.
func TestInPlace(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		for _, k := range anyKernels {
			for n := 0; k.dst && n <= longest; n++ {
				operands := kinds[0].operands(r, k, n)
				for i := 1; i < k.slices; i++ {
					apart, _ := run(t, k, operands, 0)
					s := slices.Clone(operands)
					s[i] = slices.Clone(s[i])
					s[0] = s[i]
					k.call(s...)
					requireSameBits(t, apart[0], s[0], "%s, n = %d, dst is slice %d", k.name, n, i)
				}
				x := slices.Clone(operands[1])
				same := slices.Repeat([][]float32{x}, k.slices)
				apart, _ := run(t, k, slices.Repeat([][]float32{slices.Clone(x)}, k.slices), 0)
				k.call(same...)
				requireSameBits(t, apart[0], x, "%s, n = %d, all slices are one", k.name, n)
			}
		}
	})
}

// Where nothing is fused and nothing is summed, every instruction set has the
// reference's bits.
func TestExactKernelsEqualGeneric(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		for _, k := range anyKernels {
			for _, n := range lengths() {
				if k.exact {
					operands := kinds[0].operands(r, k, n)
					got, _ := run(t, k, operands, 0)
					want, _ := onGeneric(t, k, operands)
					requireSameBits(t, want[0], got[0], "%s, n = %d", k.name, n)
				}
			}
		}
	})
}

// onGeneric is run on the generic table.
func onGeneric(t *testing.T, k kernel, operands [][]float32) (after [][]float32, result float64) {
	t.Helper()
	active, err := simd.Use(simd.Generic)
	require.NoError(t, err)
	defer simd.Use(active)
	return run(t, k, operands, 0)
}

// Where slices lie in memory does not change a bit, nor does calling again.
func TestAlignmentDoesNotMatter(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 4))
		for _, k := range anyKernels {
			for _, n := range []int{1, 7, 16, 33, 95, longest, 1023} {
				operands := kinds[0].operands(r, k, n)
				want, wantResult := run(t, k, operands, 0)
				for offset := range 17 {
					got, gotResult := run(t, k, operands, offset)
					for _, i := range k.writes {
						requireSameBits(t, want[i], got[i], "%s, n = %d, %d floats further on", k.name, n, offset)
					}
					require.Equal(t, math.Float64bits(wantResult), math.Float64bits(gotResult), "%s, n = %d, %d floats further on", k.name, n, offset)
				}
			}
		}
	})
}

// Elements don't depend on how many others are in a call, so that updates may be
// made in pieces.
func TestPiecesMakeTheSameBits(t *testing.T) {
	const n = 1023
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(8, 8))
		for _, k := range anyKernels {
			if k.element == nil {
				continue
			}
			operands := kinds[0].operands(r, k, n)
			want, _ := run(t, k, operands, 0)
			for from, to := 0, 0; from < n; from = to {
				to = min(n, from+r.IntN(70))
				var piece [][]float32
				for _, s := range operands {
					piece = append(piece, s[from:to])
				}
				got, _ := run(t, k, piece, 0)
				for _, i := range k.writes {
					requireSameBits(t, want[i][from:to], got[i], "%s, elements %d to %d", k.name, from, to)
				}
			}
		}
	})
}

func TestKernelsStayInside(t *testing.T) {
	for side, memory := range guard.Sides[float32]() {
		t.Run(side, func(t *testing.T) {
			var pages [][]float32
			for range 4 {
				pages = append(pages, memory(t, longest))
			}
			at := func(i, n int) []float32 {
				if side == "ending" {
					return pages[i][longest-n:]
				}
				return pages[i][:n]
			}
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // of this goroutine alone
				for _, k := range anyKernels {
					for n := range longest + 1 {
						s := make([][]float32, k.slices)
						for i := range s {
							s[i] = at(i, n)
						}
						require.NotPanics(t, func() { k.call(s...) }, "%s, n = %d", k.name, n)
					}
				}
			})
		})
	}
}

func TestMismatchedLengthsPanic(t *testing.T) {
	m := func(n int) []float32 { return make([]float32, n) }
	for _, c := range []struct {
		want string
		call func()
	}{
		{"simd: Axpy: slices of 3 and 4 elements", func() { simd.Axpy(1, m(3), m(4)) }},
		{"simd: AxpyTo: slices of 3 and 2 elements", func() { simd.AxpyTo(m(3), 1, m(2), m(3)) }},
		{"simd: AxpyTo: slices of 3 and 4 elements", func() { simd.AxpyTo(m(3), 1, m(3), m(4)) }},
		{"simd: Add: slices of 3 and 4 elements", func() { simd.Add(m(3), m(4), m(3)) }},
		{"simd: Add: slices of 3 and 0 elements", func() { simd.Add(m(3), m(3), nil) }},
		{"simd: Mul: slices of 3 and 4 elements", func() { simd.Mul(m(3), m(4), m(3)) }},
		{"simd: Mul: slices of 3 and 2 elements", func() { simd.Mul(m(3), m(3), m(2)) }},
		{"simd: ScaledSquares: slices of 2 and 1 elements", func() { simd.ScaledSquares(1, m(2), m(1)) }},
		{"simd: ScaledAxpyTo: slices of 2 and 1 elements", func() { simd.ScaledAxpyTo(m(2), 1, 1, m(1), m(2)) }},
		{"simd: ScaledAxpyTo: slices of 2 and 3 elements", func() { simd.ScaledAxpyTo(m(2), 1, 1, m(2), m(3)) }},
		{"simd: Dot: slices of 0 and 1 elements", func() { simd.Dot(nil, m(1)) }},
		{"simd: Dot64: slices of 2 and 1 elements", func() { simd.Dot64(m(2), m(1)) }},
		{"simd: ReLU: slices of 2 and 1 elements", func() { simd.ReLU(m(2), m(1)) }},
		{"simd: ReLUBackward: slices of 2 and 1 elements", func() { simd.ReLUBackward(m(2), m(1), m(2)) }},
		{"simd: ReLUBackward: slices of 2 and 3 elements", func() { simd.ReLUBackward(m(2), m(2), m(3)) }},
		{"simd: Momentum.Update: slices of 2 and 3 elements", func() { simd.Momentum{}.Update(m(2), m(3), m(2)) }},
		{"simd: Momentum.Update: slices of 2 and 1 elements", func() { simd.Momentum{}.Update(m(2), m(2), m(1)) }},
		{"simd: AdamW.Update: slices of 2 and 3 elements", func() { simd.AdamW{}.Update(m(2), m(2), m(3), m(2)) }},
		{"simd: AdamW.Update: slices of 2 and 1 elements", func() { simd.AdamW{}.Update(m(2), m(2), m(2), m(1)) }},
	} {
		assert.PanicsWithValue(t, c.want, c.call)
	}
}

func TestKernelsAllocateNothing(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, k := range anyKernels {
			s := kinds[0].operands(rand.New(rand.NewPCG(5, 5)), k, longest)
			assert.Zero(t, testing.AllocsPerRun(10, func() { k.call(s...) }), k.name)
		}
	})
}

// The tests know every kernel that these files export.
func TestEveryKernelIsTested(t *testing.T) {
	for _, exported := range append(exported(t, "vector.go"), exported(t, "update.go")...) {
		known := slices.ContainsFunc(anyKernels, func(k kernel) bool {
			_, method, isMethod := strings.Cut(k.name, ".")
			return k.name == exported || isMethod && method == exported
		})
		assert.True(t, known, "%s is not among the kernels of oracle_test.go", exported)
	}
}

// exported returns the functions and methods that a file exports.
func exported(t *testing.T, path string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	for _, declaration := range file.Decls {
		if f, ok := declaration.(*ast.FuncDecl); ok && f.Name.IsExported() {
			names = append(names, f.Name.Name)
		}
	}
	return names
}

func requireSameBits(t *testing.T, want, got []float32, format string, args ...any) {
	t.Helper()
	for i := range want {
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			require.Failf(t, "bits differ", "element %d is %v, want %v: "+format, append([]any{i, got[i], want[i]}, args...)...)
		}
	}
}

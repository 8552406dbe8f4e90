package gemm

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// Instruction sets with the same arithmetic, as AVX-512's two, have the same forms of packed
// operands, and cut sums alike.
func TestTablesOfOneArithmetic(t *testing.T) {
	for isa := range simd.ISA(simd.NumISA) {
		a, b := &tables32[isa], &tables32[isa.Arithmetic()]
		assert.Equal(t, [3]int{a.NR, a.KC, a.DotsUpTo}, [3]int{b.NR, b.KC, b.DotsUpTo}, "float32, %v and %v", isa, isa.Arithmetic())
		c, d := &tables64[isa], &tables64[isa.Arithmetic()]
		assert.Equal(t, [3]int{c.NR, c.KC, c.DotsUpTo}, [3]int{d.NR, d.KC, d.DotsUpTo}, "float64, %v and %v", isa, isa.Arithmetic())
	}
}

// Their products have the same bits, also with operands that were packed under the other.
func TestArithmeticDecidesBits(t *testing.T) {
	floattest.Each(t, testArithmeticDecidesBits[float32], testArithmeticDecidesBits[float64])
}

func testArithmeticDecidesBits[T Float](t *testing.T) {
	others := map[simd.ISA]simd.ISA{} // by the arithmetic
	for _, isa := range simdtest.ISAs() {
		if isa != isa.Arithmetic() {
			others[isa.Arithmetic()] = isa
		}
	}
	if len(others) == 0 {
		t.Skip("no two instruction sets of this machine have the same arithmetic")
	}
	r := rand.New(rand.NewPCG(9, 9))
	numbers := func(n int) []T {
		s := make([]T, n)
		for i := range s {
			s[i] = T(2*r.Float64() - 1)
		}
		return s
	}
	for one, other := range others {
		for _, k := range []int{1, 5, 64, 1030} {
			for _, m := range []int{1, 3, 7, 12, 13, 25} {
				for _, n := range []int{1, 4, 7, 8, 9, 12, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40, 41, 48, 50, 70} {
					a, b, bias := numbers(m*k), numbers(k*n), numbers(n)
					product := func(isa simd.ISA, p *Packed[T], anyOrder bool) []T {
						simdtest.Use(t, isa)
						c := make([]T, m*n)
						o := Operation[T]{
							Table: Active[T](), M: m, N: n, K: k, A: ViewOf(&a[0], k, 1), B: ViewOf(&b[0], n, 1), C: ViewOf(&c[0], n, 1),
							Alpha: 0.7, Packed: p, Epilogue: Epilogue[T]{Bias: &bias[0], ReLU: true},
						}
						if anyOrder {
							o.B = ViewOf(&b[0], 1, k)
							o.RunInAnyOrder(nil)
						} else {
							o.Run(nil)
						}
						return c
					}
					var packed Packed[T]
					simdtest.Use(t, other)
					require.True(t, packed.Init(Active[T](), k, n))
					packed.Pack(parallel.NewTeam(1), ViewOf(&b[0], n, 1))
					want := product(one, nil, false)
					require.True(t, packed.Fits(Active[T]()), "under %v what was packed under %v", one, other)
					require.Equal(t, want, product(one, &packed, false), "%dx%dx%d on %v, packed under %v", m, n, k, one, other)
					require.Equal(t, want, product(other, nil, false), "%dx%dx%d on %v and %v", m, n, k, one, other)
					require.Equal(t, product(one, nil, true), product(other, nil, true), "%dx%dx%d in any order, on %v and %v", m, n, k, one, other)
				}
			}
		}
	}
}

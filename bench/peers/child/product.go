package child

import (
	"fmt"
	"math"
	"math/rand/v2"
	"unsafe"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// Sets is the number of sets of operands that take turns, as the layers of a network do.
const Sets = 3

// Float is an element type.
type Float interface{ float32 | float64 }

// Product is the operands of a product, outside Go's heap.
type Product[T Float] struct {
	protocol.Shape
	LdA, LdB, LdC int // elements from one stored row to the next
	A, B, C       [Sets]*T

	memory[T]
	limit int // elements of A and B are integers from -limit to limit
}

// limitX bounds the elements of verify's x, which are integers from -limitX to limitX.
const limitX = 1<<9 - 1

// newProduct returns operands for a shape. A and B are random integers, so small that a sum of k of
// their products is exact in T in any order. C is NaN, so that an element that isn't overwritten
// shows.
func newProduct[T Float](s protocol.Shape) (*Product[T], error) {
	p := &Product[T]{Shape: s, LdA: s.K, LdB: s.N, LdC: s.N}
	if s.TransA {
		p.LdA = s.M
	}
	if s.TransB {
		p.LdB = s.K
	}
	p.limit = int(math.Sqrt(p.largest() / float64(s.K)))

	var counts []int
	for range Sets {
		counts = append(counts, s.M*s.K, s.K*s.N, s.M*s.N)
	}
	operands, err := p.place(counts)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", s, err)
	}
	r := rand.NewPCG(uint64(s.M), uint64(s.N)<<32|uint64(s.K))
	for set := range Sets {
		a, b, c := operands[3*set], operands[3*set+1], operands[3*set+2]
		p.A[set], p.B[set], p.C[set] = &a[0], &b[0], &c[0]
		fill(a, p.limit, r)
		fill(b, p.limit, r)
		spoil(c)
	}
	return p, nil
}

// multiplication is a product and the function that computes it.
type multiplication[T Float] struct {
	*Product[T]
	by func(p *Product[T], first, times int)
}

func prepareProduct[T Float](s protocol.Shape, by func(p *Product[T], first, times int)) (task, error) {
	p, err := newProduct[T](s)
	return multiplication[T]{p, by}, err
}

func (m multiplication[T]) run(first, times int)     { m.by(m.Product, first, times) }
func (multiplication[T]) tell(*protocol.Reply) error { return nil }

// Float64 says whether T is float64.
func (p *Product[T]) Float64() bool {
	var element T
	return unsafe.Sizeof(element) == 8
}

// largest returns the bound of C's elements. float32 holds integers up to 2^24 exactly. float64
// holds them up to 2^53, but verify's sums of n elements of C, each times an element of x, must
// stay below that. The bound for float64 is still above 2^24, so that, for n up to a few thousand,
// a product that was computed in float32 is wrong.
func (p *Product[T]) largest() float64 {
	if p.Float64() {
		return (1 << 53) / float64(limitX*p.N)
	}
	return 1 << 24
}

// SliceA returns A of a set; SliceB and SliceC return B and C.
func (p *Product[T]) SliceA(set int) []T { return unsafe.Slice(p.A[set], p.M*p.K) }
func (p *Product[T]) SliceB(set int) []T { return unsafe.Slice(p.B[set], p.K*p.N) }
func (p *Product[T]) SliceC(set int) []T { return unsafe.Slice(p.C[set], p.M*p.N) }

// verify returns an error if a C isn't op(A)*op(B). It compares C*x with op(A)*(op(B)*x) for a
// random vector x (R. Freivalds, "Probabilistic machines can use less running time", IFIP 1977).
// All numbers are integers of at most 2^53, which float64 holds exactly: largest ensures it for a
// float64 C; a float32 C is at most 2^24, x is below 2^9 and n is at most 2^20. So there is no
// tolerance, and a wrong row passes in at most one case of 1023.
func (p *Product[T]) verify() error {
	r := rand.New(rand.NewPCG(3, 5))
	x := make([]float64, p.N)
	for i := range x {
		x[i] = float64(r.IntN(2*limitX+1) - limitX)
	}
	for set := range Sets {
		bx := times(p.SliceB(set), p.K, p.N, p.TransB, x)
		want := times(p.SliceA(set), p.M, p.K, p.TransA, bx)
		got := times(p.SliceC(set), p.M, p.N, false, x)
		for i := range want {
			if got[i] != want[i] {
				return fmt.Errorf("%v is wrong: row %d of C times x is %v, of A*B times x %v", p.Shape, i, got[i], want[i])
			}
		}
	}
	return nil
}

// times returns op(a)*x, where op(a) is rows x cols.
func times[T Float](a []T, rows, cols int, trans bool, x []float64) []float64 {
	y := make([]float64, rows)
	if trans {
		for j, xj := range x {
			for i, v := range a[j*rows:][:rows] {
				y[i] += float64(v) * xj
			}
		}
		return y
	}
	for i := range y {
		sum := 0.0
		for j, v := range a[i*cols:][:cols] {
			sum += float64(v) * x[j]
		}
		y[i] = sum
	}
	return y
}

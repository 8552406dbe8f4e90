package child

import (
	"fmt"
	"math"
	"math/rand/v2"
	"unsafe"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// Sets is how many sets of operands take turns, as the layers of a network do.
const Sets = 3

// Float is an element type.
type Float interface{ float32 | float64 }

// Product is the operands of a job. They lie outside Go's heap, as C wants it,
// at the same offsets within a page for each peer, and begin at a cache line.
type Product[T Float] struct {
	protocol.Shape
	LdA, LdB, LdC int // elements from row to row, as stored
	A, B, C       [Sets]*T

	memory []byte
	limit  int // elements of A and B are integers from -limit to limit
}

const (
	line   = 64       // bytes
	limitX = 1<<9 - 1 // elements of verify's x are integers from -limitX to limitX
)

// newProduct returns operands for a shape. A and B are random integers, so
// small that the sum of k of their products is a T exactly, in whichever order
// it is formed. C is NaN, which an overwritten C doesn't show.
func newProduct[T Float](s protocol.Shape) (*Product[T], error) {
	p := &Product[T]{Shape: s, LdA: s.K, LdB: s.N, LdC: s.N}
	if s.TransA {
		p.LdA = s.M
	}
	if s.TransB {
		p.LdB = s.K
	}
	p.limit = int(math.Sqrt(p.largest() / float64(s.K)))

	var element T
	size := int(unsafe.Sizeof(element))
	var offsets [3 * Sets]int
	total := 0
	for i := range offsets {
		// Operands of a power of two would all begin at the same offset within
		// a page, where loads wait for stores that are 4 KiB away: five lines
		// more each time.
		offsets[i] = total
		total += (p.count(i)*size+line-1)/line*line + 5*line
	}
	var err error
	if p.memory, err = allocate(total); err != nil {
		return nil, fmt.Errorf("%d bytes for %v: %w", total, s, err)
	}
	r := rand.NewPCG(uint64(s.M), uint64(s.N)<<32|uint64(s.K))
	for i, offset := range offsets {
		data := unsafe.Slice((*T)(unsafe.Pointer(&p.memory[offset])), p.count(i))
		switch set := i / 3; i % 3 {
		case 0:
			p.A[set] = &data[0]
			fill(data, p.limit, r)
		case 1:
			p.B[set] = &data[0]
			fill(data, p.limit, r)
		case 2:
			p.C[set] = &data[0]
			for j := range data {
				data[j] = T(math.NaN())
			}
		}
	}
	return p, nil
}

func (p *Product[T]) free() { release(p.memory) }

// Float64 says whether T is float64.
func (p *Product[T]) Float64() bool {
	var element T
	return unsafe.Sizeof(element) == 8
}

// largest returns how large elements of C may become. float32 holds integers
// up to 2^24 exactly. float64 would hold them up to 2^53, but so must verify's
// sums of n of them, each times one of x. That is still more than 2^24, and up
// to an n of a few thousand so much that a product by way of float32 is wrong.
func (p *Product[T]) largest() float64 {
	if p.Float64() {
		return (1 << 53) / float64(limitX*p.N)
	}
	return 1 << 24
}

// count returns the elements of operand i, by turns A, B and C.
func (p *Product[T]) count(i int) int {
	return [3]int{p.M * p.K, p.K * p.N, p.M * p.N}[i%3]
}

// SliceA returns A of a set; SliceB and SliceC return B and C.
func (p *Product[T]) SliceA(set int) []T { return unsafe.Slice(p.A[set], p.M*p.K) }
func (p *Product[T]) SliceB(set int) []T { return unsafe.Slice(p.B[set], p.K*p.N) }
func (p *Product[T]) SliceC(set int) []T { return unsafe.Slice(p.C[set], p.M*p.N) }

// fill draws integers from -limit to limit.
func fill[T Float](data []T, limit int, r *rand.PCG) {
	for i := 0; i < len(data); i += 2 {
		bits := r.Uint64()
		data[i] = T(draw(uint32(bits), limit))
		if i+1 < len(data) {
			data[i+1] = T(draw(uint32(bits>>32), limit))
		}
	}
}

func draw(bits uint32, limit int) int {
	return int(uint64(bits)*uint64(2*limit+1)>>32) - limit
}

// verify returns an error if a C isn't op(A)*op(B). It compares C*x with
// op(A)*(op(B)*x) for a random vector x (R. Freivalds, "Probabilistic machines
// can use less running time", IFIP 1977), all of which are integers that
// float64 holds exactly: at most 2^53, which is what largest sees to for a
// float64 C; a float32 C is at most 2^24, x below 2^9 and n at most 2^20. So
// there is no tolerance, and a wrong row passes in at most one case of 1023.
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

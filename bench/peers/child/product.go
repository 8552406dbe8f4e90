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

// Product is the operands of a job. They lie outside Go's heap, as C wants it,
// at the same offsets within a page for each peer, and begin at a cache line.
type Product struct {
	protocol.Shape
	LdA, LdB, LdC int // floats from row to row, as stored
	A, B, C       [Sets]*float32

	memory []byte
	limit  int // elements of A and B are integers from -limit to limit
}

const (
	float = 4
	line  = 64 // bytes
)

// newProduct returns operands for a shape. A and B are random integers, so
// small that the sum of k of their products is a float32 exactly, in whichever
// order it is formed. C is NaN, which an overwritten C doesn't show.
func newProduct(s protocol.Shape) (*Product, error) {
	p := &Product{Shape: s, LdA: s.K, LdB: s.N, LdC: s.N}
	if s.TransA {
		p.LdA = s.M
	}
	if s.TransB {
		p.LdB = s.K
	}
	p.limit = int(math.Sqrt((1 << 24) / float64(s.K)))

	var offsets [3 * Sets]int
	total := 0
	for i := range offsets {
		// Operands of a power of two would all begin at the same offset within
		// a page, where loads wait for stores that are 4 KiB away: five lines
		// more each time.
		offsets[i] = total
		total += (p.size(i)*float+line-1)/line*line + 5*line
	}
	var err error
	if p.memory, err = allocate(total); err != nil {
		return nil, fmt.Errorf("%d bytes for %v: %w", total, s, err)
	}
	r := rand.NewPCG(uint64(s.M), uint64(s.N)<<32|uint64(s.K))
	for i, offset := range offsets {
		data := unsafe.Slice((*float32)(unsafe.Pointer(&p.memory[offset])), p.size(i))
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
				data[j] = float32(math.NaN())
			}
		}
	}
	return p, nil
}

func (p *Product) free() { release(p.memory) }

// size returns the floats of operand i, by turns A, B and C.
func (p *Product) size(i int) int {
	return [3]int{p.M * p.K, p.K * p.N, p.M * p.N}[i%3]
}

// SliceA returns A of a set; SliceB and SliceC return B and C.
func (p *Product) SliceA(set int) []float32 { return unsafe.Slice(p.A[set], p.M*p.K) }
func (p *Product) SliceB(set int) []float32 { return unsafe.Slice(p.B[set], p.K*p.N) }
func (p *Product) SliceC(set int) []float32 { return unsafe.Slice(p.C[set], p.M*p.N) }

// fill draws integers from -limit to limit.
func fill(data []float32, limit int, r *rand.PCG) {
	for i := 0; i < len(data); i += 2 {
		bits := r.Uint64()
		data[i] = draw(uint32(bits), limit)
		if i+1 < len(data) {
			data[i+1] = draw(uint32(bits>>32), limit)
		}
	}
}

func draw(bits uint32, limit int) float32 {
	return float32(int(uint64(bits)*uint64(2*limit+1)>>32) - limit)
}

// verify returns an error if a C isn't op(A)*op(B). It compares C*x with
// op(A)*(op(B)*x) for a random vector x (R. Freivalds, "Probabilistic machines
// can use less running time", IFIP 1977), all of which are integers that
// float64 holds exactly: below 2^53, since C's elements are below 2^24, x's
// below 2^9 and n at most 2^20. So there is no tolerance, and a wrong row
// passes in at most one case of 1023.
func (p *Product) verify() error {
	const limit = 1<<9 - 1
	r := rand.New(rand.NewPCG(3, 5))
	x := make([]float64, p.N)
	for i := range x {
		x[i] = float64(r.IntN(2*limit+1) - limit)
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
func times(a []float32, rows, cols int, trans bool, x []float64) []float64 {
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

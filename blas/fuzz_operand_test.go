package blas

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/guard"
)

// upTo makes a size of x, of at most most; -1 stays, to be refused.
func upTo(x int16, most int) int {
	if x == -1 {
		return -1
	}
	return int(uint16(x)) % (most + 1)
}

// affordable returns as much of size as the oracle has time for, if each costs
// so many products.
func affordable(size, products int) int { return min(size, 1<<16/max(1, products)) }

// byteAt returns byte i of data, which goes on with zeros.
func byteAt(data []byte, i int) byte {
	if i < len(data) {
		return data[i]
	}
	return 0
}

// stride makes a stride of a byte, for rows of so many columns: mostly one with
// a gap behind each row, or with rows that overlap, or lie 4 KiB apart.
func stride(choice byte, rows, cols int) int {
	switch {
	case choice == 255:
		return 1
	case choice == 254 && rows <= 64:
		return (cols + 1023) / 1024 * 1024
	case choice == 253:
		return 0
	}
	return cols + int(choice)%7
}

// shape is matrices in memory, row-major.
type shape struct {
	rows, cols, stride int
	count, step        int // of a batch, of which the zero value is one matrix
}

// extent is the elements that one of the matrices reaches over.
func (s *shape) extent() int {
	if s.rows == 0 || s.cols == 0 {
		return 0
	}
	return (s.rows-1)*s.stride + s.cols
}

// operand is memory with matrices. What is around and between their rows is
// NaN, and an unreadable page follows.
type operand[T Float] struct {
	shape
	data           []T
	around, before []T // data with a margin in front of it, now and at first
}

// newOperand returns normal numbers in just the memory that they need, or in
// some more, or, if more is 255, one element less.
func newOperand[T Float](t *testing.T, r *rand.Rand, s shape, more byte) *operand[T] {
	const margin = 16
	n := (s.rows-1)*s.stride + s.cols
	if s.rows == 0 || s.cols == 0 {
		n = min(0, n)
	}
	n = max(0, n+max(0, s.count-1)*s.step)
	if more == 255 {
		n = max(0, n-1)
	} else {
		n += int(more) % 4
	}
	o := &operand[T]{shape: s, around: guard.Ending[T](t, margin+n)}
	o.data = o.around[margin:]
	for i := range o.around {
		o.around[i] = T(floattest.Unused)
	}
	o.each(func(at int) { o.data[at] = T(r.NormFloat64()) })
	o.before = slices.Clone(o.around)
	return o
}

// each calls f with where each element of the matrices is.
func (o *operand[T]) each(f func(at int)) {
	for p := range max(1, o.count) {
		for i := range o.rows {
			for j := range o.cols {
				if at := p*o.step + i*o.stride + j; at < len(o.data) {
					f(at)
				}
			}
		}
	}
}

// view returns matrix p of a batch, or its transpose.
func (o *operand[T]) view(p int, trans bool) Mat[T] {
	m := Mat[T]{Data: o.data[min(p*o.step, len(o.data)):], Rows: o.rows, Cols: o.cols, RowStride: o.stride, ColStride: 1}
	if trans {
		return m.T()
	}
	return m
}

// within returns a part of m.
func within[T Float](m Mat[T], i, j, rows, cols int) Mat[T] {
	m.Data = m.Data[min(i*m.RowStride+j*m.ColStride, len(m.Data)):]
	m.Rows, m.Cols = rows, cols
	return m
}

// restoreMatrix undoes what was written to the matrices' elements.
func (o *operand[T]) restoreMatrix() {
	before := o.before[len(o.before)-len(o.data):]
	o.each(func(at int) { o.data[at] = before[at] })
}

// requireUnchanged requires that nothing was written to the operands' memory.
func requireUnchanged[T Float](t *testing.T, about string, operands ...*operand[T]) {
	t.Helper()
	for i, o := range operands {
		for at := range o.around {
			if floattest.Bits(o.around[at]) != floattest.Bits(o.before[at]) {
				t.Fatalf("%s: element %d of operand %d was %v, and is %v", about, at-(len(o.around)-len(o.data)), i, o.before[at], o.around[at])
			}
		}
	}
}

// plant puts special values into the operands. Each is three bytes: which
// value into which operand, and where.
func plant[T Float](specials []byte, operands ...*operand[T]) {
	values := []T{T(math.NaN()), T(math.Inf(1)), T(math.Inf(-1)), 0, T(math.Copysign(0, -1)), least[T](), -1000 * least[T](), 1e-30, 1e30, most[T]() / 8}
	for ; len(specials) >= 3; specials = specials[3:] {
		o := operands[int(specials[0])%len(operands)]
		value := values[int(specials[0])/len(operands)%len(values)]
		if len(o.data) > 0 {
			where := (int(specials[1])<<8 | int(specials[2])) % len(o.data)
			o.data[where] = value // perhaps beside the matrix
			o.before[len(o.before)-len(o.data)+where] = value
		}
	}
}

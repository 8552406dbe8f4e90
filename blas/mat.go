package blas

import (
	"fmt"
	"math"
	mathbits "math/bits"
	"unsafe"
)

// Float is what matrices are made of.
type Float interface{ float32 | float64 }

// Mat is a view of a matrix in memory: element (i, j) is
// Data[i*RowStride+j*ColStride], and one of the strides is 1. A view of its
// transpose is as cheap as any.
type Mat[T Float] struct {
	Data                 []T
	Rows, Cols           int
	RowStride, ColStride int
}

// Dense returns the view of a row-major matrix without gaps.
func Dense[T Float](data []T, rows, cols int) Mat[T] {
	return Mat[T]{Data: data, Rows: rows, Cols: cols, RowStride: cols, ColStride: 1}
}

// T returns the view of m's transpose.
func (m Mat[T]) T() Mat[T] {
	return Mat[T]{Data: m.Data, Rows: m.Cols, Cols: m.Rows, RowStride: m.ColStride, ColStride: m.RowStride}
}

// check panics if m is no view of its data, of which it uses what begins skip
// elements in. name is what the caller calls it.
func (m *Mat[T]) check(name string, skip int) {
	if m.Rows|m.Cols|m.RowStride|m.ColStride >= 0 && (m.RowStride == 1 || m.ColStride == 1) {
		if m.Rows == 0 || m.Cols == 0 || len(m.Data) >= m.extent(skip) {
			return
		}
	}
	m.refuse(name, skip)
}

// extent is the elements that m reaches over, from skip elements in; MaxInt if
// they are more.
func (m *Mat[T]) extent(skip int) int {
	if m.RowStride == 1 {
		return plus(skip, reach(m.Cols, m.Rows, m.ColStride))
	}
	return plus(skip, reach(m.Rows, m.Cols, m.RowStride))
}

// reach returns the elements that rows of so many columns reach over, stride
// elements apart; MaxInt if they are more.
func reach(rows, cols, stride int) int {
	const half = mathbits.UintSize/2 - 1 // numbers of so many bits can't overflow
	if rows > 0 && uint(rows|cols|stride)>>half == 0 {
		return (rows-1)*stride + cols
	}
	return reachFar(rows, cols, stride)
}

func reachFar(rows, cols, stride int) int {
	if rows == 0 {
		return 0
	}
	return plus(times(rows-1, stride), cols)
}

// times returns x*y, neither being negative, or MaxInt if it is more.
func times(x, y int) int {
	if high, low := mathbits.Mul64(uint64(x), uint64(y)); high == 0 && low <= math.MaxInt {
		return int(low)
	}
	return math.MaxInt
}

// plus returns x+y, neither being negative, or MaxInt if it is more.
func plus(x, y int) int {
	if sum := x + y; sum >= 0 {
		return sum
	}
	return math.MaxInt
}

// refuse panics with what is wrong with m.
func (m *Mat[T]) refuse(name string, skip int) {
	switch {
	case m.Rows < 0 || m.Cols < 0:
		panic(fmt.Sprintf("blas: %s is %d x %d", name, m.Rows, m.Cols))
	case m.RowStride != 1 && m.ColStride != 1:
		panic(fmt.Sprintf("blas: %s has strides %d and %d, and neither is 1", name, m.RowStride, m.ColStride))
	case m.RowStride < 0 || m.ColStride < 0:
		panic(fmt.Sprintf("blas: %s has strides %d and %d", name, m.RowStride, m.ColStride))
	case skip > 0:
		panic(fmt.Sprintf("blas: %s, %d x %d with strides %d and %d, the last of a batch %d elements in, has %d elements, want at least %d",
			name, m.Rows, m.Cols, m.RowStride, m.ColStride, skip, len(m.Data), m.extent(skip)))
	}
	panic(fmt.Sprintf("blas: %s, %d x %d with strides %d and %d, has %d elements, want at least %d",
		name, m.Rows, m.Cols, m.RowStride, m.ColStride, len(m.Data), m.extent(0)))
}

// view returns m as the driver sees it.
func (m *Mat[T]) view() view[T] {
	return view[T]{unsafe.SliceData(m.Data), m.RowStride, m.ColStride}
}

// view is a matrix whose bounds have been checked: element (i, j) is i*row +
// j*col elements from p.
type view[T Float] struct {
	p        *T
	row, col int
}

func (v *view[T]) from(i, j int) view[T] { return view[T]{v.at(i, j), v.row, v.col} }

func (v *view[T]) at(i, j int) *T { return at(v.p, i*v.row+j*v.col) }

// slice returns n elements of row i from column j, if they are contiguous.
func (v *view[T]) slice(i, j, n int) []T { return unsafe.Slice(v.at(i, j), n) }

func (v *view[T]) transposed() view[T] { return view[T]{v.p, v.col, v.row} }

// aligned reports whether every row of v begins a cache line.
func (v *view[T]) aligned() bool {
	return v.row%lanes[T]() == 0 && uintptr(unsafe.Pointer(v.p))%line == 0
}

// line is the bytes of a cache line.
const line = 64

// lanes returns how many elements a cache line has.
func lanes[T Float]() int { return line / size[T]() }

// size returns the bytes of an element.
func size[T Float]() int { return int(unsafe.Sizeof(T(0))) }

// at returns the element that is offset elements from p.
func at[T Float](p *T, offset int) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(p), offset*size[T]()))
}

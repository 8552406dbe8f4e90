package blas

import (
	"fmt"
	mathbits "math/bits"
	"unsafe"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
)

// Float is the type of a matrix's elements.
type Float interface{ float32 | float64 }

// Mat is a view of a matrix in memory: element (i, j) is
// Data[i*RowStride+j*ColStride], and one of the strides is 1. T makes a view of the transpose, and
// copies nothing.
type Mat[T Float] struct {
	Data                 []T
	Rows, Cols           int
	RowStride, ColStride int
}

// RowMajor returns the view of a row-major matrix whose rows are contiguous.
func RowMajor[T Float](data []T, rows, cols int) Mat[T] {
	return Mat[T]{Data: data, Rows: rows, Cols: cols, RowStride: cols, ColStride: 1}
}

// T returns the view of m's transpose.
func (m Mat[T]) T() Mat[T] {
	return Mat[T]{Data: m.Data, Rows: m.Cols, Cols: m.Rows, RowStride: m.ColStride, ColStride: m.RowStride}
}

// check panics unless m is a valid view of its data from element skip on. name is the operand's
// name in the message.
func (m *Mat[T]) check(name string, skip int) {
	if m.Rows|m.Cols|m.RowStride|m.ColStride >= 0 && (m.RowStride == 1 || m.ColStride == 1) {
		if m.Rows == 0 || m.Cols == 0 || len(m.Data) >= m.extent(skip) {
			return
		}
	}
	m.refuse(name, skip)
}

// fits reports whether check would accept m, in less time. Of empty and huge views it may say no.
func (m *Mat[T]) fits() bool {
	const half = mathbits.UintSize/2 - 1 // a product of numbers of this many bits can't overflow
	rows, cols, stride := m.Rows, m.Cols, m.RowStride
	if m.RowStride == 1 {
		rows, cols, stride = m.Cols, m.Rows, m.ColStride
	} else if m.ColStride != 1 {
		return false
	}
	return rows > 0 && uint(rows|cols|stride)>>half == 0 && (rows-1)*stride+cols <= len(m.Data)
}

// extent returns the number of elements from the data's first to the last that m uses, if m begins
// skip elements in. It returns MaxInt if that overflows.
func (m *Mat[T]) extent(skip int) int {
	if m.RowStride == 1 {
		return num.Plus(skip, reach(m.Cols, m.Rows, m.ColStride))
	}
	return num.Plus(skip, reach(m.Rows, m.Cols, m.RowStride))
}

// reach returns the number of elements from the first to the last of rows that are stride elements
// apart. It returns MaxInt if that overflows.
func reach(rows, cols, stride int) int {
	const half = mathbits.UintSize/2 - 1 // a product of numbers of this many bits can't overflow
	if rows > 0 && uint(rows|cols|stride)>>half == 0 {
		return (rows-1)*stride + cols
	}
	return reachFar(rows, cols, stride)
}

func reachFar(rows, cols, stride int) int {
	if rows == 0 {
		return 0
	}
	return num.Plus(num.Times(rows-1, stride), cols)
}

// refuse panics with a message that says why m is invalid.
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
func (m *Mat[T]) view() gemm.View[T] {
	return gemm.ViewOf[T](unsafe.SliceData(m.Data), m.RowStride, m.ColStride)
}

package blas

import (
	"fmt"
	mathbits "math/bits"
	"unsafe"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
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

// RowMajor returns the view of a row-major matrix without gaps.
func RowMajor[T Float](data []T, rows, cols int) Mat[T] {
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
		return num.Plus(skip, reach(m.Cols, m.Rows, m.ColStride))
	}
	return num.Plus(skip, reach(m.Rows, m.Cols, m.RowStride))
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
	return num.Plus(num.Times(rows-1, stride), cols)
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
func (m *Mat[T]) view() gemm.View[T] {
	return gemm.ViewOf[T](unsafe.SliceData(m.Data), m.RowStride, m.ColStride)
}

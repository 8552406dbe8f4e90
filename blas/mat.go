package blas

import (
	"fmt"
	"unsafe"
)

// Mat is a view of a matrix in memory: element (i, j) is
// Data[i*RowStride+j*ColStride], and one of the strides is 1. A view of its
// transpose is as cheap as any.
type Mat struct {
	Data                 []float32
	Rows, Cols           int
	RowStride, ColStride int
}

// Dense returns the view of a row-major matrix without gaps.
func Dense(data []float32, rows, cols int) Mat {
	return Mat{Data: data, Rows: rows, Cols: cols, RowStride: cols, ColStride: 1}
}

// T returns the view of m's transpose.
func (m Mat) T() Mat {
	return Mat{Data: m.Data, Rows: m.Cols, Cols: m.Rows, RowStride: m.ColStride, ColStride: m.RowStride}
}

// check panics if m is no view of its data. name is what the caller calls it.
func (m Mat) check(name string) {
	switch {
	case m.Rows < 0 || m.Cols < 0:
		panic(fmt.Sprintf("blas: %s is %d x %d", name, m.Rows, m.Cols))
	case m.RowStride != 1 && m.ColStride != 1:
		panic(fmt.Sprintf("blas: %s has strides %d and %d, and neither is 1", name, m.RowStride, m.ColStride))
	case m.RowStride < 0 || m.ColStride < 0:
		panic(fmt.Sprintf("blas: %s has strides %d and %d", name, m.RowStride, m.ColStride))
	case m.Rows == 0 || m.Cols == 0:
		return
	}
	if need := (m.Rows-1)*m.RowStride + (m.Cols-1)*m.ColStride + 1; len(m.Data) < need {
		panic(fmt.Sprintf("blas: %s, %d x %d with strides %d and %d, has %d elements, want at least %d",
			name, m.Rows, m.Cols, m.RowStride, m.ColStride, len(m.Data), need))
	}
}

// view returns m as the driver sees it.
func (m Mat) view() view {
	if len(m.Data) == 0 {
		return view{}
	}
	return view{&m.Data[0], m.RowStride, m.ColStride}
}

// view is a matrix whose bounds have been checked: element (i, j) is i*row +
// j*col floats from p.
type view struct {
	p        *float32
	row, col int
}

func (v view) from(i, j int) view { return view{v.at(i, j), v.row, v.col} }

func (v view) at(i, j int) *float32 { return at(v.p, i*v.row+j*v.col) }

// aligned reports whether every row of v begins a cache line of 64 bytes.
func (v view) aligned() bool {
	return v.row%16 == 0 && uintptr(unsafe.Pointer(v.p))%64 == 0
}

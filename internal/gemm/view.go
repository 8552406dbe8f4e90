package gemm

import "unsafe"

// Float is the types of matrices' elements.
type Float interface{ float32 | float64 }

// View is a matrix whose bounds have been checked: element (i, j) is i*Row + j*Col elements from P.
type View[T Float] struct {
	P        *T
	Row, Col int
}

// ViewOf returns the matrix whose element (i, j) is i*row + j*col elements from p.
func ViewOf[T Float](p *T, row, col int) View[T] { return View[T]{p, row, col} }

// From returns the part of v that begins at element (i, j).
func (v *View[T]) From(i, j int) View[T] { return View[T]{v.At(i, j), v.Row, v.Col} }

// At returns element (i, j).
func (v *View[T]) At(i, j int) *T { return At(v.P, i*v.Row+j*v.Col) }

// Slice returns n elements of row i from column j, if they are contiguous.
func (v *View[T]) Slice(i, j, n int) []T { return unsafe.Slice(v.At(i, j), n) }

// T returns the transpose of v.
func (v *View[T]) T() View[T] { return View[T]{v.P, v.Col, v.Row} }

// aligned reports whether every row of v begins a cache line.
func (v *View[T]) aligned() bool {
	return v.Row%Lanes[T]() == 0 && uintptr(unsafe.Pointer(v.P))%line == 0
}

// line is the bytes of a cache line.
const line = 64

// Lanes returns how many elements a cache line has.
func Lanes[T Float]() int { return line / Size[T]() }

// Size returns the bytes of an element.
func Size[T Float]() int { return int(unsafe.Sizeof(T(0))) }

// At returns the element that is offset elements from p.
func At[T Float](p *T, offset int) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(p), offset*Size[T]()))
}

// Grow returns a buffer of at least n elements: buf, or a new one.
func Grow[T Float](buf []T, n int) []T {
	if len(buf) >= n {
		return buf
	}
	return Aligned[T](n)
}

// Aligned returns n zeros that begin at a cache line.
func Aligned[T Float](n int) []T {
	buf := make([]T, n+Lanes[T]())
	skip := 0
	for uintptr(unsafe.Pointer(&buf[skip]))%line != 0 {
		skip++
	}
	return buf[skip:][:n:n]
}

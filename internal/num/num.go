// Package num has small arithmetic that several packages need.
package num

import (
	"math"
	"math/bits"
	"slices"
)

// CeilDiv returns a/b rounded up, of a >= 0 and b > 0.
func CeilDiv(a, b int) int { return (a + b - 1) / b }

// Times returns x*y, neither being negative, or MaxInt if it is more.
func Times(x, y int) int {
	if high, low := bits.Mul64(uint64(x), uint64(y)); high == 0 && low <= math.MaxInt {
		return int(low)
	}
	return math.MaxInt
}

// Plus returns x+y, neither being negative, or MaxInt if it is more.
func Plus(x, y int) int {
	if sum := x + y; sum >= 0 {
		return sum
	}
	return math.MaxInt
}

// Span is the numbers from From up to To, without To.
type Span struct{ From, To int }

// Len returns how many numbers s has.
func (s Span) Len() int { return s.To - s.From }

// Range returns the span of the numbers from from up to to.
func Range(from, to int) Span { return Span{from, to} }

// Common returns the numbers that s and t have in common, an empty span if there are none.
func (s Span) Common(t Span) Span {
	from := max(s.From, t.From)
	return Span{from, max(from, min(s.To, t.To))}
}

// Of returns the part of x that s is.
func (s Span) Of(x []float32) []float32 { return x[s.From:s.To:s.To] }

// FirstNonFinite returns the index of the first element of x that is NaN or infinite, -1 for none.
func FirstNonFinite(x []float32) int {
	return slices.IndexFunc(x, func(v float32) bool { return v-v != 0 })
}

// Positive reports whether x is positive and finite as a float32.
func Positive(x float64) bool { return float32(x) > 0 && !math.IsInf(float64(float32(x)), 1) }

// Finite reports whether x is neither infinite nor NaN.
func Finite(x float64) bool { return x-x == 0 }

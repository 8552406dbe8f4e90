package simd

import (
	"fmt"
	"math"
)

// Scores is the shape of a block of attention's scores: Rows queries, one behind the other, each
// with its products with the keys that it sees. Row r begins at element r*Stride of a slice, and
// has Columns + r*Growth elements. Behind them, up to the length of the last row, the methods write
// zeros, so that the block can be a factor of a matrix product. Growth is 0 if all queries see the
// same keys, and 1 if attention is causal.
//
// A row's bits depend on its elements, their number and the instruction set alone. The methods read
// and write nothing else of a row, and panic unless Columns >= 1, Growth >= 0 and the slices have
// room.
type Scores struct{ Rows, Columns, Growth, Stride int }

// Width returns the length of the last row.
func (s Scores) Width() int { return s.Columns + max(0, s.Rows-1)*s.Growth }

// Softmax turns the scores x into probabilities in place, row by row:
//
//	largest = max(x)    total = sum(exp(scale*(x - largest)))    x = exp(scale*(x - largest)) / total
//
// for a positive scale. largest and total have an element a row.
//
// A row with a NaN or +Inf in it, or of -Inf alone, becomes NaN, and so does its total; its largest
// may be any number. With n columns, an element is within (3*scale*|x-largest| + n + 8) * 2^-24 of
// itself, or off by 2^-126: there is no gradual underflow. total is within (n+8) * 2^-24.
func (s Scores) Softmax(x []float32, scale float32, largest, total []float32) {
	s.validate("Softmax", len(x))
	validateScale("Softmax", scale)
	sameLength("Scores.Softmax", s.Rows, len(largest), len(total))
	for p := range s.pieces() {
		kernels().softmaxScores(p.Rows, p.Columns, s.Growth, s.Width(), s.Stride, &x[p.at()], &largest[p.first], &total[p.first], powerFactor(scale))
	}
}

// SoftmaxAgain turns the scores x into the same probabilities, bit for bit, that Softmax made of
// them: x must have the same bits, and scale, largest and total must be those of that call.
// Attention needs them again in its backward pass, and so needn't keep them.
func (s Scores) SoftmaxAgain(x []float32, scale float32, largest, total []float32) {
	s.validate("SoftmaxAgain", len(x))
	validateScale("SoftmaxAgain", scale)
	sameLength("Scores.SoftmaxAgain", s.Rows, len(largest), len(total))
	for p := range s.pieces() {
		kernels().softmaxScoresAgain(p.Rows, p.Columns, s.Growth, s.Width(), s.Stride, &x[p.at()], &largest[p.first], &total[p.first], powerFactor(scale))
	}
}

// SoftmaxBackward turns d, the gradients of the probabilities p, into those of the scores, in
// place:
//
//	d = scale * p * (d - delta)
//
// delta has an element a row, which is to be the sum of p*d over the row. The result is rounded
// three times.
func (s Scores) SoftmaxBackward(d, p []float32, scale float32, delta []float32) {
	s.validate("SoftmaxBackward", len(d))
	s.validate("SoftmaxBackward", len(p))
	sameLength("Scores.SoftmaxBackward", s.Rows, len(delta))
	for r := range s.pieces() {
		kernels().softmaxScoresBackward(r.Rows, r.Columns, s.Growth, s.Width(), s.Stride, &d[r.at()], &p[r.at()], &delta[r.first], scale)
	}
}

// validate panics unless a slice of n elements has room for s.
func (s Scores) validate(method string, n int) {
	if s.Rows < 0 || s.Columns < 1 || s.Growth < 0 || s.Rows > 0 && (s.Stride < s.Width() || n < (s.Rows-1)*s.Stride+s.Width()) {
		panic(fmt.Sprintf("simd: Scores.%s: %d elements for %+v", method, n, s))
	}
}

func validateScale(method string, scale float32) {
	if !(scale > 0) {
		panic(fmt.Sprintf("simd: Scores.%s: scale %v, want a positive one", method, scale))
	}
}

// powerFactor is what the kernels multiply the difference from the largest score by, for a power of
// 2.
func powerFactor(scale float32) float32 { return float32(float64(scale) * -math.Log2E) }

// scoresPiece is the rows of a block from row first on.
type scoresPiece struct {
	Scores
	first int
}

// at is where the piece begins.
func (p scoresPiece) at() int { return p.first * p.Stride }

// scoresBytes is what a kernel takes of a block at a time: it goes over that twice, in the L1
// cache.
const scoresBytes = 16 << 10

// pieces cuts a block into rows of about scoresBytes.
func (s Scores) pieces() func(yield func(scoresPiece) bool) {
	most := max(1, scoresBytes/4/s.Width())
	return func(yield func(scoresPiece) bool) {
		for first := 0; first < s.Rows; first += most {
			p := scoresPiece{s, first}
			p.Rows, p.Columns = min(most, s.Rows-first), s.Columns+first*s.Growth
			if !yield(p) {
				return
			}
		}
	}
}

// RowDots sets element r of dst to the sum of the products of a's and b's rows r, which have
// columns elements and begin at elements r*strideA and r*strideB. Sums are in float32, in an order
// that depends on columns and the instruction set alone.
func RowDots(dst, a, b []float32, columns, strideA, strideB int) {
	rows := len(dst)
	for _, m := range []struct{ stride, n int }{{strideA, len(a)}, {strideB, len(b)}} {
		if columns < 0 || rows > 0 && (m.stride < columns || m.n < (rows-1)*m.stride+columns) {
			panic(fmt.Sprintf("simd: RowDots: %d elements for %d rows of %d columns, %d apart", m.n, rows, columns, m.stride))
		}
	}
	if columns == 0 {
		clear(dst)
		return
	}
	most := max(4, rowBytes/4/columns&^3)
	for first := 0; first < rows; first += most {
		kernels().rowDots(min(most, rows-first), columns, strideA, strideB, &dst[first], &a[first*strideA], &b[first*strideB])
	}
}

package child

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// fillLevel3 fills the operands of a routine of level 3. Those of products are random integers,
// so small that every sum is exact in any order, as Product's are; trsm's A is close to I. C is
// NaN, which an overwritten C doesn't show.
func (r *Routine[T]) fillLevel3(a, b, c []T, random *rand.PCG) {
	limit := r.exactLimit()
	if r.solves() {
		limit = 8
	}
	fill(a, limit, random)
	fill(b, limit, random)
	spoil(c)
	if r.solves() {
		nearIdentity(a, r.N)
	}
}

// solves says that the routine is trsm.
func (r *Routine[T]) solves() bool {
	return r.Name == "trsm" || r.Name == "trsmT" || r.Name == "trsmR"
}

// exactLimit returns how large elements of A and B may be. A sum has at most 2n products, as
// syr2k's do; for the rest see Product.
func (r *Routine[T]) exactLimit() int {
	p := Product[T]{Shape: protocol.Shape{M: r.N, N: r.N, K: r.N}}
	return int(math.Sqrt(p.largest() / float64(2*r.N)))
}

// verifyLevel3 compares a result times a random vector x with what it means, times x, as
// Product.verify does: exactly, but for trsm. Of trsm's result X, it compares A*X*x, or X*A*x,
// with B*x, within the error of substitution, N roundings of |A|*|X|, and of this arithmetic.
// The half of a result that isn't to be written must be NaN still.
func (r *Routine[T]) verifyLevel3() error {
	random := rand.New(rand.NewPCG(3, 5))
	x := make([]float64, r.N)
	for i := range x {
		x[i] = float64(random.IntN(2*limitX+1) - limitX)
		if r.solves() {
			x[i] = math.Copysign(1, x[i]) // so that all elements count alike
		}
	}
	for set := range Sets {
		bound := make([]float64, r.N)
		if r.solves() {
			bound = r.boundOfSolution(set, x)
		}
		got, want := r.probe(set, x)
		for i := range want {
			if !(math.Abs(got[i]-want[i]) <= bound[i]) {
				return fmt.Errorf("%v is wrong: row %d of the result times x is %v, want %v", r.Routine, i, got[i], want[i])
			}
		}
		if i, j, written := r.strayed(set); written {
			return fmt.Errorf("%v is wrong: it writes element %d, %d", r.Routine, i, j)
		}
	}
	return nil
}

// form says where element i, j of a matrix is stored, unless it is zero.
type form func(i, j int) (row, col int, stored bool)

func whole(i, j int) (int, int, bool)           { return i, j, true }
func transpose(i, j int) (int, int, bool)       { return j, i, true }
func lower(i, j int) (int, int, bool)           { return i, j, j <= i }
func upperTransposed(i, j int) (int, int, bool) { return j, i, j <= i }
func symmetricLower(i, j int) (int, int, bool)  { return max(i, j), min(i, j), true }
func symmetricUpper(i, j int) (int, int, bool)  { return min(i, j), max(i, j), true }

// apply returns a*x, where a is a matrix of len(x) rows and columns.
func apply[T Float](a []T, of form, x []float64) []float64 {
	n := len(x)
	y := make([]float64, n)
	for i := range y {
		for j, xj := range x {
			if row, col, stored := of(i, j); stored {
				y[i] += float64(a[row*n+col]) * xj
			}
		}
	}
	return y
}

// formOfA returns the form of A as symm, trmm and trsm have it, and of C as syrk and syr2k.
func (r *Routine[T]) formOfA() form {
	switch r.Name {
	case "symm", "symmR", "syrk", "syr2k":
		return symmetricLower
	case "syrkT":
		return symmetricUpper
	case "trmm", "trmmR", "trsm", "trsmR":
		return lower
	case "trmmT", "trsmT":
		return upperTransposed
	}
	return whole
}

// probe returns the result times x, and what it should be; of trsm, the product that is to be
// B*x, and B*x.
func (r *Routine[T]) probe(set int, x []float64) (got, want []float64) {
	a, b, c, saved, formed := r.SliceA(set), r.SliceX(set), r.SliceY(set), r.Saved(set), r.formOfA()
	switch r.Name {
	case "gemm", "symm":
		return apply(c, whole, x), apply(a, formed, apply(b, whole, x))
	case "symmR":
		return apply(c, whole, x), apply(b, whole, apply(a, formed, x))
	case "syrk":
		return apply(c, formed, x), apply(a, whole, apply(a, transpose, x))
	case "syrkT":
		return apply(c, formed, x), apply(a, transpose, apply(a, whole, x))
	case "syr2k":
		want = apply(a, whole, apply(b, transpose, x))
		for i, v := range apply(b, whole, apply(a, transpose, x)) {
			want[i] += v
		}
		return apply(c, formed, x), want
	case "trmm", "trmmT":
		return apply(b, whole, x), apply(a, formed, apply(saved, whole, x))
	case "trmmR":
		return apply(b, whole, x), apply(saved, whole, apply(a, formed, x))
	case "trsm", "trsmT":
		return apply(a, formed, apply(b, whole, x)), apply(saved, whole, x)
	default: // trsmR
		return apply(b, whole, apply(a, formed, x)), apply(saved, whole, x)
	}
}

// boundOfSolution returns how far apart trsm's two may be for an x of ones and minus ones.
func (r *Routine[T]) boundOfSolution(set int, x []float64) []float64 {
	a, b, ones := magnitudes(r.SliceA(set)), magnitudes(r.SliceX(set)), magnitudes(x)
	bound := apply(a, r.formOfA(), apply(b, whole, ones))
	if r.Name == "trsmR" {
		bound = apply(b, whole, apply(a, r.formOfA(), ones))
	}
	for i := range bound {
		bound[i] *= float64(r.N) * (unitOf[T]() + 3*unitOf[float64]())
	}
	return bound
}

func magnitudes[T Float](data []T) []T {
	all := make([]T, len(data))
	for i, v := range data {
		all[i] = T(math.Abs(float64(v)))
	}
	return all
}

// strayed returns an element of the half of C that isn't syrk's or syr2k's, if one was written.
func (r *Routine[T]) strayed(set int) (row, col int, written bool) {
	if r.Name != "syrk" && r.Name != "syrkT" && r.Name != "syr2k" {
		return 0, 0, false
	}
	c, upper := r.SliceY(set), r.Name == "syrkT"
	for i := range r.N {
		for j := range r.N {
			if i != j && (i < j) != upper && c[i*r.N+j] == c[i*r.N+j] {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

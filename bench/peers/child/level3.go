package child

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// fillLevel3 fills the operands of a routine of level 3. Those of products are random integers, so
// small that every sum is exact in any order, as Product's are. trsm's A is close to the identity.
// C is NaN, so that an element that isn't overwritten shows.
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

// solves says whether the routine is a trsm.
func (r *Routine[T]) solves() bool {
	return r.Name == "trsm" || r.Name == "trsmT" || r.Name == "trsmR"
}

// exactLimit returns the bound of A's and B's elements. A sum has at most 2n products, in syr2k.
// Product.largest explains the rest.
func (r *Routine[T]) exactLimit() int {
	p := Product[T]{Shape: protocol.Shape{M: r.N, N: r.N, K: r.N}}
	return int(math.Sqrt(p.largest() / float64(2*r.N)))
}

// verifyLevel3 compares the result times a random vector x with the definition of the routine times
// x, exactly, as Product.verify does. For trsm's solution X, it compares A*X*x, or X*A*x, with B*x;
// the tolerance is the error of substitution, which is N roundings of |A|*|X|, and of this
// arithmetic. The half of a result that a routine doesn't write must still be NaN.
func (r *Routine[T]) verifyLevel3() error {
	random := rand.New(rand.NewPCG(3, 5))
	x := make([]float64, r.N)
	for i := range x {
		x[i] = float64(random.IntN(2*limitX+1) - limitX)
		if r.solves() {
			x[i] = math.Copysign(1, x[i]) // so that all elements have the same weight
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

// form returns where element i, j of a matrix is stored, or that it isn't stored and is zero.
type form func(i, j int) (row, col int, stored bool)

func whole(i, j int) (int, int, bool)           { return i, j, true }
func transpose(i, j int) (int, int, bool)       { return j, i, true }
func lower(i, j int) (int, int, bool)           { return i, j, j <= i }
func upperTransposed(i, j int) (int, int, bool) { return j, i, j <= i }
func symmetricLower(i, j int) (int, int, bool)  { return max(i, j), min(i, j), true }
func symmetricUpper(i, j int) (int, int, bool)  { return min(i, j), max(i, j), true }

// apply returns a*x for a square matrix a.
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

// formOfA returns the form of A in symm, trmm and trsm, and of C in syrk and syr2k.
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

// probe returns the result times x, and its expected value. For trsm it returns the product that
// should be B*x, and B*x.
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

// boundOfSolution returns the tolerance of trsm's comparison for an x of ones and minus ones.
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

// strayed finds an element that was written in the half of C that syrk and syr2k mustn't touch.
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

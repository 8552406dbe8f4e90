package child

import (
	"fmt"
	"math"
	"math/rand/v2"
	"unsafe"

	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// Routine is the operands of a routine, outside Go's heap. At level 3, X and Y are matrices, called
// B and C in the BLAS.
type Routine[T Float] struct {
	protocol.Routine
	A, X, Y [Sets]*T
	// Results has the return values of dot, nrm2, asum and iamax.
	Results [Sets]float64

	memory[T]
	a, x, y [Sets][]T // copies of the operands before the first call; at level 3 of x alone
}

// The scalars of routines of levels 1 and 2. With them, operands that are updated in place neither
// grow nor vanish, however often they are updated: Alpha is as small as a rounding error, and trmv
// and trsv get their x anew in each call.
const (
	Alpha  = 1.0 / (1 << 20) // of axpy, ger, syr, syr2
	Cosine = 0.6             // of rot
	Sine   = 0.8
)

// SliceA returns A of a set; SliceX and SliceY return x and y.
func (r *Routine[T]) SliceA(set int) []T { return unsafe.Slice(r.A[set], r.sizeA()) }
func (r *Routine[T]) SliceX(set int) []T { return unsafe.Slice(r.X[set], r.sizeX()) }
func (r *Routine[T]) SliceY(set int) []T { return unsafe.Slice(r.Y[set], r.sizeX()) }

// Saved returns the original x of a set, for trmv and trsv, or the original B, for trmm and trsm.
func (r *Routine[T]) Saved(set int) []T { return r.x[set] }

func newRoutine[T Float](of protocol.Routine) (*Routine[T], error) {
	r := &Routine[T]{Routine: of}
	var counts []int
	for range Sets {
		counts = append(counts, r.sizeA(), r.sizeX(), r.sizeX(), r.sizeX())
	}
	operands, err := r.place(counts)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", of, err)
	}
	random := rand.NewPCG(uint64(of.N), uint64(len(of.Name)))
	for set := range Sets {
		a, x, y, saved := operands[4*set], operands[4*set+1], operands[4*set+2], operands[4*set+3]
		r.A[set], r.X[set], r.Y[set] = &a[0], &x[0], &y[0]
		r.x[set] = saved
		if of.Level() == 3 {
			r.fillLevel3(a, x, y, random)
			copy(saved, x)
			continue
		}
		for _, operand := range [][]T{a, x, y} {
			fill(operand, 8, random)
		}
		if of.Level() == 2 {
			nearIdentity(a, of.N)
		}
		copy(saved, x)
		r.a[set], r.y[set] = append([]T(nil), a...), append([]T(nil), y...)
	}
	return r, nil
}

// sizeA returns the number of A's elements, 1 at level 1, which has no A. sizeX returns the number
// of x's elements, and y's.
func (r *Routine[T]) sizeA() int {
	if r.Level() == 1 {
		return 1
	}
	return r.N * r.N
}

func (r *Routine[T]) sizeX() int {
	if r.Level() < 3 {
		return r.N
	}
	return r.N * r.N
}

// nearIdentity sets the diagonal of an n x n matrix to 1 and scales the rest down, so that the
// solutions of trsv and trsm are small.
func nearIdentity[T Float](a []T, n int) {
	for i := range n {
		for j := range n {
			a[i*n+j] /= T(8 * n)
		}
		a[i*n+i] = 1
	}
}

// calling is a routine and the function that computes it.
type calling[T Float] struct {
	*Routine[T]
	by func(r *Routine[T], first, times int)
}

func prepareRoutine[T Float](of protocol.Routine, by func(r *Routine[T], first, times int)) (task, error) {
	r, err := newRoutine[T](of)
	return calling[T]{r, by}, err
}

func (c calling[T]) run(first, times int)     { c.by(c.Routine, first, times) }
func (calling[T]) tell(*protocol.Reply) error { return nil }

// verify compares the result of one call on each set with plain loops in float64. The tolerance is
// the error of N roundings of numbers as large as the largest term of a sum.
func (r *Routine[T]) verify() error {
	if r.Level() == 3 {
		return r.verifyLevel3()
	}
	unit := unitOf[T]()
	for set := range Sets {
		x, y, a := wide(r.x[set]), wide(r.y[set]), wide(r.a[set])
		got := map[string][]T{"x": r.SliceX(set), "y": r.SliceY(set), "A": r.SliceA(set)}
		result := r.expect(x, y, a)
		bound := 16 * float64(r.N) * float64(r.N+8) * unit // terms of at most 8*8
		if math.Abs(r.Results[set]-result) > 4*bound {
			return fmt.Errorf("%v returned %v, want %v", r.Routine, r.Results[set], result)
		}
		for name, want := range map[string][]float64{"x": x, "y": y, "A": a} {
			for i, w := range want {
				if !(math.Abs(float64(got[name][i])-w) <= bound) {
					return fmt.Errorf("%v is wrong: element %d of %s is %v, want %v", r.Routine, i, name, got[name][i], w)
				}
			}
		}
	}
	return nil
}

// unitOf returns the largest relative error of one rounding.
func unitOf[T Float]() float64 {
	if unsafe.Sizeof(T(0)) == 8 {
		return math.Ldexp(1, -53)
	}
	return math.Ldexp(1, -24)
}

func wide[T Float](data []T) []float64 {
	all := make([]float64, len(data))
	for i, v := range data {
		all[i] = float64(v)
	}
	return all
}

// expect computes the routine on the operands in float64, and returns its return value.
func (r *Routine[T]) expect(x, y, a []float64) (result float64) {
	n := r.N
	switch r.Name {
	case "dot":
		for i := range x {
			result += x[i] * y[i]
		}
	case "axpy":
		for i := range x {
			y[i] += Alpha * x[i]
		}
	case "scal":
		for i := range x {
			x[i] = -x[i]
		}
	case "nrm2":
		for _, v := range x {
			result += v * v
		}
		result = math.Sqrt(result)
	case "asum":
		for _, v := range x {
			result += math.Abs(v)
		}
	case "iamax":
		for i, v := range x {
			if math.Abs(v) > math.Abs(x[int(result)]) {
				result = float64(i)
			}
		}
	case "swap":
		for i := range x {
			x[i], y[i] = y[i], x[i]
		}
	case "copy":
		copy(y, x)
	case "rot":
		for i := range x {
			x[i], y[i] = Cosine*x[i]+Sine*y[i], Cosine*y[i]-Sine*x[i]
		}
	default:
		r.expectOfMatrix(n, x, y, a)
	}
	return result
}

func (r *Routine[T]) expectOfMatrix(n int, x, y, a []float64) {
	at := func(i, j int) float64 { // element i, j of the matrix that the routine applies
		switch r.Name {
		case "gemvT":
			i, j = j, i
		case "symv":
			i, j = max(i, j), min(i, j)
		case "trmvT", "trsvT":
			i, j = j, i
			fallthrough
		case "trmv", "trsv":
			if j > i {
				return 0
			}
		}
		return a[i*n+j]
	}
	old := append([]float64(nil), x...)
	switch r.Name {
	case "gemv", "gemvT", "symv", "trmv", "trmvT":
		to := y
		if r.Name[0] == 't' {
			to = x
		}
		for i := range n {
			to[i] = 0
			for j := range n {
				to[i] += at(i, j) * old[j]
			}
		}
	case "ger", "syr", "syr2":
		for i := range n {
			for j := range n {
				switch {
				case r.Name == "ger":
					a[i*n+j] += Alpha * x[i] * y[j]
				case j <= i && r.Name == "syr":
					a[i*n+j] += Alpha * x[i] * x[j]
				case j <= i:
					a[i*n+j] += Alpha * (x[i]*y[j] + y[i]*x[j])
				}
			}
		}
	case "trsv":
		for i := range n {
			for j := range i {
				x[i] -= at(i, j) * x[j]
			}
			x[i] /= at(i, i)
		}
	case "trsvT":
		for i := n - 1; i >= 0; i-- {
			for j := i + 1; j < n; j++ {
				x[i] -= at(i, j) * x[j]
			}
			x[i] /= at(i, i)
		}
	}
}

// Routines32 returns Library.Routine32 for a BLAS in Go.
func Routines32(b blas.Float32) func(r *Routine[float32], first, times int) {
	return func(r *Routine[float32], set, times int) {
		call := routine32(b, r)
		for range times {
			call(set)
			if set++; set == Sets {
				set = 0
			}
		}
	}
}

// routine32 returns a call of the routine on a set.
func routine32(b blas.Float32, r *Routine[float32]) (call func(set int)) {
	n := r.N
	var as, xs, ys [Sets][]float32
	for set := range Sets {
		as[set], xs[set], ys[set] = r.SliceA(set), r.SliceX(set), r.SliceY(set)
	}
	switch r.Name {
	case "dot":
		call = func(set int) { r.Results[set] = float64(b.Sdot(n, xs[set], 1, ys[set], 1)) }
	case "axpy":
		call = func(set int) { b.Saxpy(n, Alpha, xs[set], 1, ys[set], 1) }
	case "scal":
		call = func(set int) { b.Sscal(n, -1, xs[set], 1) }
	case "nrm2":
		call = func(set int) { r.Results[set] = float64(b.Snrm2(n, xs[set], 1)) }
	case "asum":
		call = func(set int) { r.Results[set] = float64(b.Sasum(n, xs[set], 1)) }
	case "iamax":
		call = func(set int) { r.Results[set] = float64(b.Isamax(n, xs[set], 1)) }
	case "swap":
		call = func(set int) { b.Sswap(n, xs[set], 1, ys[set], 1) }
	case "copy":
		call = func(set int) { b.Scopy(n, xs[set], 1, ys[set], 1) }
	case "rot":
		call = func(set int) { b.Srot(n, xs[set], 1, ys[set], 1, Cosine, Sine) }
	case "gemv":
		call = func(set int) { b.Sgemv(blas.NoTrans, n, n, 1, as[set], n, xs[set], 1, 0, ys[set], 1) }
	case "gemvT":
		call = func(set int) { b.Sgemv(blas.Trans, n, n, 1, as[set], n, xs[set], 1, 0, ys[set], 1) }
	case "ger":
		call = func(set int) { b.Sger(n, n, Alpha, xs[set], 1, ys[set], 1, as[set], n) }
	case "symv":
		call = func(set int) { b.Ssymv(blas.Lower, n, 1, as[set], n, xs[set], 1, 0, ys[set], 1) }
	case "syr":
		call = func(set int) { b.Ssyr(blas.Lower, n, Alpha, xs[set], 1, as[set], n) }
	case "syr2":
		call = func(set int) { b.Ssyr2(blas.Lower, n, Alpha, xs[set], 1, ys[set], 1, as[set], n) }
	case "trmv", "trmvT":
		call = func(set int) {
			copy(xs[set], r.Saved(set))
			b.Strmv(blas.Lower, transposed(r.Name), blas.NonUnit, n, as[set], n, xs[set], 1)
		}
	case "trsv", "trsvT":
		call = func(set int) {
			copy(xs[set], r.Saved(set))
			b.Strsv(blas.Lower, transposed(r.Name), blas.NonUnit, n, as[set], n, xs[set], 1)
		}
	default:
		call = level3[float32]{b.Sgemm, b.Ssymm, b.Ssyrk, b.Ssyr2k, b.Strmm, b.Strsm}.of(r)
	}
	return call
}

// Routines64 is Routines32 for float64.
func Routines64(b blas.Float64) func(r *Routine[float64], first, times int) {
	return func(r *Routine[float64], set, times int) {
		call := routine64(b, r)
		for range times {
			call(set)
			if set++; set == Sets {
				set = 0
			}
		}
	}
}

// routine64 returns a call of the routine on a set.
func routine64(b blas.Float64, r *Routine[float64]) (call func(set int)) {
	n := r.N
	var as, xs, ys [Sets][]float64
	for set := range Sets {
		as[set], xs[set], ys[set] = r.SliceA(set), r.SliceX(set), r.SliceY(set)
	}
	switch r.Name {
	case "dot":
		call = func(set int) { r.Results[set] = b.Ddot(n, xs[set], 1, ys[set], 1) }
	case "axpy":
		call = func(set int) { b.Daxpy(n, Alpha, xs[set], 1, ys[set], 1) }
	case "scal":
		call = func(set int) { b.Dscal(n, -1, xs[set], 1) }
	case "nrm2":
		call = func(set int) { r.Results[set] = b.Dnrm2(n, xs[set], 1) }
	case "asum":
		call = func(set int) { r.Results[set] = b.Dasum(n, xs[set], 1) }
	case "iamax":
		call = func(set int) { r.Results[set] = float64(b.Idamax(n, xs[set], 1)) }
	case "swap":
		call = func(set int) { b.Dswap(n, xs[set], 1, ys[set], 1) }
	case "copy":
		call = func(set int) { b.Dcopy(n, xs[set], 1, ys[set], 1) }
	case "rot":
		call = func(set int) { b.Drot(n, xs[set], 1, ys[set], 1, Cosine, Sine) }
	case "gemv":
		call = func(set int) { b.Dgemv(blas.NoTrans, n, n, 1, as[set], n, xs[set], 1, 0, ys[set], 1) }
	case "gemvT":
		call = func(set int) { b.Dgemv(blas.Trans, n, n, 1, as[set], n, xs[set], 1, 0, ys[set], 1) }
	case "ger":
		call = func(set int) { b.Dger(n, n, Alpha, xs[set], 1, ys[set], 1, as[set], n) }
	case "symv":
		call = func(set int) { b.Dsymv(blas.Lower, n, 1, as[set], n, xs[set], 1, 0, ys[set], 1) }
	case "syr":
		call = func(set int) { b.Dsyr(blas.Lower, n, Alpha, xs[set], 1, as[set], n) }
	case "syr2":
		call = func(set int) { b.Dsyr2(blas.Lower, n, Alpha, xs[set], 1, ys[set], 1, as[set], n) }
	case "trmv", "trmvT":
		call = func(set int) {
			copy(xs[set], r.Saved(set))
			b.Dtrmv(blas.Lower, transposed(r.Name), blas.NonUnit, n, as[set], n, xs[set], 1)
		}
	case "trsv", "trsvT":
		call = func(set int) {
			copy(xs[set], r.Saved(set))
			b.Dtrsv(blas.Lower, transposed(r.Name), blas.NonUnit, n, as[set], n, xs[set], 1)
		}
	default:
		call = level3[float64]{b.Dgemm, b.Dsymm, b.Dsyrk, b.Dsyr2k, b.Dtrmm, b.Dtrsm}.of(r)
	}
	return call
}

// transposed returns the transposition that a routine's name ends in.
func transposed(name string) blas.Transpose {
	if name[len(name)-1] == 'T' {
		return blas.Trans
	}
	return blas.NoTrans
}

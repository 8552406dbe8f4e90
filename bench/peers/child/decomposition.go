package child

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// Decomposition is the operands of a decomposition, row-major, outside Go's heap. One set of
// operands is enough, because a decomposition takes longer than reading them. A is random;
// symmetric for EigenSym and Cholesky, and positive definite for Cholesky.
type Decomposition struct {
	protocol.Decomposition
	A, B []float64

	memory[float64]
}

// Decomposing is a decomposition that is ready to run.
type Decomposing struct {
	// Run decomposes the same operands the given number of times.
	Run func(times int) error
	// Result returns the result of the last Run. LU, QR and Cholesky return the solution of A*x = b
	// by their factors.
	Result func(b []float64) (Decomposed, error)
}

// Decomposed is the result of a decomposition. One of its fields is set.
type Decomposed struct {
	Matrix   []float64    // row-major, of Mul and Solve
	Solution []float64    // of LU, QR and Cholesky
	Values   []complex128 // singular values or eigenvalues
}

func newDecomposition(of protocol.Decomposition) (*Decomposition, error) {
	d := &Decomposition{Decomposition: of}
	n := of.N
	operands, err := d.place([]int{n * n, n * n})
	if err != nil {
		return nil, fmt.Errorf("%v: %w", of, err)
	}
	d.A, d.B = operands[0], operands[1]
	random := rand.NewPCG(uint64(n), 7)
	for _, operand := range operands {
		fill(operand, 1<<20, random)
		for i := range operand {
			operand[i] /= 1 << 20
		}
	}
	symmetric := of.Name == "EigenSym" || of.Name == "Cholesky"
	for i := range n {
		for j := 0; symmetric && j < i; j++ {
			d.A[j*n+i] = d.A[i*n+j]
		}
		if of.Name == "Cholesky" {
			d.A[i*n+i] += float64(n)
		}
	}
	return d, nil
}

// decomposing is a Decomposing as a task.
type decomposing struct {
	*Decomposition
	Decomposing
	err error
}

func prepareDecomposition(of protocol.Decomposition, by func(*Decomposition) (Decomposing, error)) (task, error) {
	d, err := newDecomposition(of)
	if err != nil {
		return nil, err
	}
	ready, err := by(d)
	if err != nil {
		d.free()
		return nil, err
	}
	return &decomposing{Decomposition: d, Decomposing: ready}, nil
}

func (d *decomposing) run(_, times int) {
	if err := d.Run(times); err != nil {
		d.err = err
	}
}

func (d *decomposing) tell(*protocol.Reply) error { return d.err }

func (d *decomposing) verify() error {
	if d.err != nil {
		return d.err
	}
	b := make([]float64, d.N)
	fill(b, limitX, rand.NewPCG(3, 5))
	result, err := d.Result(b)
	if err != nil {
		return err
	}
	return d.check(b, result)
}

// check returns an error if a result is wrong by more than the rounding errors of a stable method.
// It multiplies a matrix by b, and A by a solution, and compares elements. It compares the sums of
// singular values and eigenvalues.
func (d *Decomposition) check(b []float64, result Decomposed) error {
	switch d.Name {
	case "Mul":
		bx := apply(d.B, whole, b)
		return d.near(apply(result.Matrix, whole, b), apply(d.A, whole, bx), norm(d.A)*norm(d.B)*norm(b))
	case "Solve":
		xb := apply(result.Matrix, whole, b)
		return d.near(apply(d.A, whole, xb), apply(d.B, whole, b), norm(d.A)*norm(result.Matrix)*norm(b))
	case "LU", "QR", "Cholesky":
		return d.near(apply(d.A, whole, result.Solution), b, norm(d.A)*norm(result.Solution))
	}
	if len(result.Values) != d.N {
		return fmt.Errorf("%v is wrong: it has %d values, want %d", d.Decomposition, len(result.Values), d.N)
	}
	return d.checkValues(result.Values)
}

// checkValues compares the sum of eigenvalues with the trace of A, and the sum of their squares
// with the trace of A*A. It compares the sum of the squares of singular values with the square of
// A's norm, and none of them may be negative.
func (d *Decomposition) checkValues(values []complex128) error {
	var sum, squares complex128
	for _, v := range values {
		if d.Name == "SVD" && real(v) < 0 {
			return fmt.Errorf("%v is wrong: a singular value is %v, want none below 0", d.Decomposition, v)
		}
		sum, squares = sum+v, squares+v*v
	}
	of := norm(d.A)
	if d.Name == "SVD" {
		return d.nearValue("the sum of the squares", squares, of*of, of*of)
	}
	var trace, traceOfSquare accumulator
	for i := range d.N {
		trace.add(d.A[i*d.N+i])
		for j := range d.N {
			traceOfSquare.add(d.A[i*d.N+j] * d.A[j*d.N+i])
		}
	}
	if err := d.nearValue("the sum", sum, trace.total(), of*math.Sqrt(float64(d.N))); err != nil {
		return err
	}
	return d.nearValue("the sum of the squares", squares, traceOfSquare.total(), of*of)
}

// tolerance returns the largest difference of two figures whose terms have the given size.
func (d *Decomposition) tolerance(size float64) float64 {
	return 8 * float64(d.N) * unitOf[float64]() * size
}

func (d *Decomposition) near(got, want []float64, size float64) error {
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= d.tolerance(size)) {
			return fmt.Errorf("%v is wrong: row %d of a product with its result is %v, want %v", d.Decomposition, i, got[i], want[i])
		}
	}
	return nil
}

func (d *Decomposition) nearValue(what string, got complex128, want, size float64) error {
	if !(cmplx.Abs(got-complex(want, 0)) <= d.tolerance(size)) {
		return fmt.Errorf("%v is wrong: %s of the values is %v, want %v", d.Decomposition, what, got, want)
	}
	return nil
}

// norm returns the square root of the sum of squares.
func norm(data []float64) float64 {
	var squares accumulator
	for _, v := range data {
		squares.add(v * v)
	}
	return math.Sqrt(squares.total())
}

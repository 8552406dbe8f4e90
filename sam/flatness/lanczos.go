package flatness

import (
	"context"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/steppe-ml/steppe/simd"
)

// lanczos is the iteration of that name: an orthonormal basis of the vectors v, H v, H^2 v and so
// on, in which H is tridiagonal with alpha on its diagonal and beta beside it. Each vector is
// orthogonalized twice against all before it, so that no eigenvalue comes up again.
type lanczos struct {
	surface     *Surface
	random      *rand.Rand // for the start, and for further ones where the vectors end
	basis       [][]float32
	alpha, beta []float64 // beta[j] is beside alpha[j] and alpha[j+1]
	rest        []float32 // H v of the last vector, orthogonalized
}

// newLanczos returns an iteration that begins with a random direction.
func (s *Surface) newLanczos(r *rand.Rand) *lanczos {
	l := &lanczos{surface: s, random: r, rest: make([]float32, s.model.NumParams())}
	l.restart()
	return l
}

// advance makes the next step. It returns false, and does nothing, if the basis is that of the
// whole space.
func (l *lanczos) advance(ctx context.Context) (bool, error) {
	if len(l.basis) == len(l.rest) {
		return false, nil
	}
	expected := 0.0
	if n := len(l.basis); n > 0 {
		beta := math.Sqrt(simd.SumSquares(l.rest))
		if beta <= endsAt*l.size() {
			beta = 0
			l.restart() // the basis is invariant: H has no part between it and what comes
		}
		l.beta = append(l.beta, beta)
		expected = 2 * beta // the product's part along the last vector is beta, and those along this and the next come to it
	}
	v := make([]float32, len(l.rest))
	scaleTo(v, 1/math.Sqrt(simd.SumSquares(l.rest)), l.rest)
	l.basis = append(l.basis, v)
	if _, err := l.surface.product(ctx, v, l.rest, expected); err != nil {
		return false, err
	}
	l.alpha = append(l.alpha, simd.Dot64(v, l.rest))
	l.orthogonalize()
	return true, nil
}

// endsAt is the size of a vector, relative to the matrix, that is only rounding.
const endsAt = 1e-6

// size returns the largest element of the tridiagonal matrix.
func (l *lanczos) size() (size float64) {
	for _, a := range l.alpha {
		size = max(size, math.Abs(a))
	}
	for _, b := range l.beta {
		size = max(size, b)
	}
	return size
}

// restart sets rest to a random vector that is orthogonal to the basis.
func (l *lanczos) restart() {
	for i := range l.rest {
		l.rest[i] = float32(l.random.NormFloat64())
	}
	l.orthogonalize()
}

// orthogonalize takes out of rest its part in the basis: twice, since the first time leaves
// rounding errors as large as that part.
func (l *lanczos) orthogonalize() {
	for range 2 {
		for _, v := range l.basis {
			simd.Axpy(float32(-simd.Dot64(v, l.rest)), v, l.rest)
		}
	}
}

// ritz returns the eigenvalues of the tridiagonal matrix, the smallest first, their eigenvectors as
// columns, and the norm of the rest, which is the last row's beta.
func (l *lanczos) ritz() (values []float64, vectors *mat.Dense, beta float64) {
	n := len(l.alpha)
	t := mat.NewSymDense(n, nil)
	for i, a := range l.alpha {
		t.SetSym(i, i, a)
	}
	for i, b := range l.beta[:n-1] {
		t.SetSym(i, i+1, b)
	}
	var eigen mat.EigenSym
	eigen.Factorize(t, true)
	vectors = new(mat.Dense)
	eigen.VectorsTo(vectors)
	return eigen.Values(nil), vectors, math.Sqrt(simd.SumSquares(l.rest))
}

// vector returns the vector of the space with the given coordinates in the basis.
func (l *lanczos) vector(coordinate func(i int) float64) []float32 {
	v := make([]float32, len(l.rest))
	for i, b := range l.basis {
		simd.Axpy(float32(coordinate(i)), b, v)
	}
	return v
}

func scaleTo(dst []float32, c float64, x []float32) {
	for i, v := range x {
		dst[i] = float32(c * float64(v))
	}
}

package child

import (
	"errors"
	"runtime"

	"gonum.org/v1/gonum/mat"
)

// Mat prepares a decomposition by gonum's mat with the BLAS that mat is set to. All runs write
// their results to the same memory.
func Mat(d *Decomposition) (Decomposing, error) {
	n := d.N
	a, b, symmetric := mat.NewDense(n, n, d.A), mat.NewDense(n, n, d.B), mat.NewSymDense(n, d.A)
	var once func() error
	var result func(right []float64) (Decomposed, error)
	switch d.Name {
	case "Mul":
		c := mat.NewDense(n, n, nil)
		once = func() error { c.Mul(a, b); return nil }
		result = func([]float64) (Decomposed, error) { return Decomposed{Matrix: c.RawMatrix().Data}, nil }
	case "Solve":
		x := mat.NewDense(n, n, nil)
		once = func() error { return x.Solve(a, b) }
		result = func([]float64) (Decomposed, error) { return Decomposed{Matrix: x.RawMatrix().Data}, nil }
	case "LU":
		var lu mat.LU
		once = func() error { lu.Factorize(a); return nil }
		result = solved(func(x *mat.VecDense, b mat.Vector) error { return lu.SolveVecTo(x, false, b) })
	case "QR":
		var qr mat.QR
		once = func() error { qr.Factorize(a); return nil }
		result = solved(func(x *mat.VecDense, b mat.Vector) error { return qr.SolveVecTo(x, false, b) })
	case "Cholesky":
		var cholesky mat.Cholesky
		once = func() error { return done(cholesky.Factorize(symmetric)) }
		result = solved(cholesky.SolveVecTo)
	case "SVD":
		var svd mat.SVD
		once = func() error { return done(svd.Factorize(a, mat.SVDNone)) }
		result = func([]float64) (Decomposed, error) { return Decomposed{Values: Complex(svd.Values(nil), nil)}, nil }
	case "EigenSym":
		var eigen mat.EigenSym
		once = func() error { return done(eigen.Factorize(symmetric, false)) }
		result = func([]float64) (Decomposed, error) { return Decomposed{Values: Complex(eigen.Values(nil), nil)}, nil }
	case "Eigen":
		var eigen mat.Eigen
		once = func() error { return done(eigen.Factorize(a, mat.EigenNone)) }
		result = func([]float64) (Decomposed, error) { return Decomposed{Values: eigen.Values(nil)}, nil }
	}
	runtime.GC() // so that older garbage isn't collected while this is timed
	return Decomposing{Result: result, Run: func(times int) error {
		for range times {
			if err := once(); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

// solved returns a Decomposing.Result that solves A*x = b by factors.
func solved(solve func(x *mat.VecDense, b mat.Vector) error) func([]float64) (Decomposed, error) {
	return func(right []float64) (Decomposed, error) {
		var x mat.VecDense
		err := solve(&x, mat.NewVecDense(len(right), right))
		return Decomposed{Solution: x.RawVector().Data}, err
	}
}

// done returns the error of a Factorize that reports failure as false.
func done(ok bool) error {
	if !ok {
		return errors.New("mat's Factorize failed")
	}
	return nil
}

// Complex returns values with the given imaginary parts. A nil im is all zeros.
func Complex(re, im []float64) []complex128 {
	all := make([]complex128, len(re))
	for i, v := range re {
		all[i] = complex(v, 0)
		if im != nil {
			all[i] = complex(v, im[i])
		}
	}
	return all
}

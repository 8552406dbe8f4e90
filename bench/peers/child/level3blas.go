package child

import "gonum.org/v1/gonum/blas"

// level3 has the level 3 routines of a BLAS in Go for one element type.
type level3[T Float] struct {
	gemm  func(tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	symm  func(s blas.Side, ul blas.Uplo, m, n int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	syrk  func(ul blas.Uplo, t blas.Transpose, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int)
	syr2k func(ul blas.Uplo, t blas.Transpose, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	trmm  func(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha T, a []T, lda int, b []T, ldb int)
	trsm  func(s blas.Side, ul blas.Uplo, tA blas.Transpose, d blas.Diag, m, n int, alpha T, a []T, lda int, b []T, ldb int)
}

// of returns a function that calls the routine on a set.
func (l level3[T]) of(r *Routine[T]) (call func(set int)) {
	n := r.N
	var as, bs, cs [Sets][]T
	for set := range Sets {
		as[set], bs[set], cs[set] = r.SliceA(set), r.SliceX(set), r.SliceY(set)
	}
	inPlace := func(routine func(blas.Side, blas.Uplo, blas.Transpose, blas.Diag, int, int, T, []T, int, []T, int), s blas.Side, ul blas.Uplo, t blas.Transpose) func(set int) {
		return func(set int) {
			copy(bs[set], r.Saved(set))
			routine(s, ul, t, blas.NonUnit, n, n, 1, as[set], n, bs[set], n)
		}
	}
	switch r.Name {
	case "gemm":
		call = func(set int) { l.gemm(blas.NoTrans, blas.NoTrans, n, n, n, 1, as[set], n, bs[set], n, 0, cs[set], n) }
	case "symm":
		call = func(set int) { l.symm(blas.Left, blas.Lower, n, n, 1, as[set], n, bs[set], n, 0, cs[set], n) }
	case "symmR":
		call = func(set int) { l.symm(blas.Right, blas.Lower, n, n, 1, as[set], n, bs[set], n, 0, cs[set], n) }
	case "syrk":
		call = func(set int) { l.syrk(blas.Lower, blas.NoTrans, n, n, 1, as[set], n, 0, cs[set], n) }
	case "syrkT":
		call = func(set int) { l.syrk(blas.Upper, blas.Trans, n, n, 1, as[set], n, 0, cs[set], n) }
	case "syr2k":
		call = func(set int) { l.syr2k(blas.Lower, blas.NoTrans, n, n, 1, as[set], n, bs[set], n, 0, cs[set], n) }
	case "trmm":
		call = inPlace(l.trmm, blas.Left, blas.Lower, blas.NoTrans)
	case "trmmT":
		call = inPlace(l.trmm, blas.Left, blas.Upper, blas.Trans)
	case "trmmR":
		call = inPlace(l.trmm, blas.Right, blas.Lower, blas.NoTrans)
	case "trsm":
		call = inPlace(l.trsm, blas.Left, blas.Lower, blas.NoTrans)
	case "trsmT":
		call = inPlace(l.trsm, blas.Left, blas.Upper, blas.Trans)
	case "trsmR":
		call = inPlace(l.trsm, blas.Right, blas.Lower, blas.NoTrans)
	}
	return call
}

package child

import "gonum.org/v1/gonum/blas"

// Gemm returns Library.Run32 or Run64 for an implementation of xGEMM in Go.
func Gemm[T Float](routine func(tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)) func(p *Product[T], first, times int) {
	return func(p *Product[T], set, times int) {
		tA, tB := blas.NoTrans, blas.NoTrans
		if p.TransA {
			tA = blas.Trans
		}
		if p.TransB {
			tB = blas.Trans
		}
		var a, b, c [Sets][]T
		for i := range Sets {
			a[i], b[i], c[i] = p.SliceA(i), p.SliceB(i), p.SliceC(i)
		}
		for range times {
			routine(tA, tB, p.M, p.N, p.K, 1, a[set], p.LdA, b[set], p.LdB, 0, c[set], p.LdC)
			if set++; set == Sets {
				set = 0
			}
		}
	}
}

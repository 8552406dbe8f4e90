package main

/*
#include <string.h>

void dgemm_(const char *transA, const char *transB, const int *m, const int *n, const int *k, const double *alpha, const double *a, const int *lda,
	const double *b, const int *ldb, const double *beta, double *c, const int *ldc);
void dgetrf_(const int *m, const int *n, double *a, const int *lda, int *pivots, int *info);
void dgetrs_(const char *trans, const int *n, const int *nrhs, const double *a, const int *lda, const int *pivots, double *b, const int *ldb, int *info);
void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work, const int *lwork, int *info);
void dormqr_(const char *side, const char *trans, const int *m, const int *n, const int *k, const double *a, const int *lda, const double *tau,
	double *c, const int *ldc, double *work, const int *lwork, int *info);
void dtrtrs_(const char *uplo, const char *trans, const char *diag, const int *n, const int *nrhs, const double *a, const int *lda,
	double *b, const int *ldb, int *info);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dpotrs_(const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda, double *b, const int *ldb, int *info);
void dgesv_(const int *n, const int *nrhs, double *a, const int *lda, int *pivots, double *b, const int *ldb, int *info);
void dgesdd_(const char *job, const int *m, const int *n, double *a, const int *lda, double *s, double *u, const int *ldu, double *vt, const int *ldvt,
	double *work, const int *lwork, int *iwork, int *info);
void dsyev_(const char *job, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work, const int *lwork, int *info);
void dgeev_(const char *jobLeft, const char *jobRight, const int *n, double *a, const int *lda, double *wr, double *wi, double *vl, const int *ldvl,
	double *vr, const int *ldvr, double *work, const int *lwork, int *info);

enum { mul, lu, qr, cholesky, solve, svd, eigenSym, eigen }; // as in protocol.Decompositions

// LAPACK overwrites w and x, so they are copied anew each time. s receives the values or tau, im the
// imaginary parts of values. Returns LAPACK's info.
static int decompose(int which, int n, const double *a, const double *b, double *w, double *x, double *s, double *im, double *work, int lwork,
		int *pivots, int times) {
	int info = 0;
	double one = 1, zero = 0, none;
	size_t size = (size_t)n * n * sizeof *a;
	while (times-- > 0 && !info) {
		if (which != mul) memcpy(w, a, size);
		if (which == solve) memcpy(x, b, size);
		switch (which) {
		case mul: dgemm_("N", "N", &n, &n, &n, &one, a, &n, b, &n, &zero, x, &n); break;
		case lu: dgetrf_(&n, &n, w, &n, pivots, &info); break;
		case qr: dgeqrf_(&n, &n, w, &n, s, work, &lwork, &info); break;
		case cholesky: dpotrf_("U", &n, w, &n, &info); break;
		case solve: dgesv_(&n, &n, w, &n, pivots, x, &n, &info); break;
		case svd: dgesdd_("N", &n, &n, w, &n, s, &none, &n, &none, &n, work, &lwork, pivots, &info); break;
		case eigenSym: dsyev_("N", "U", &n, w, &n, s, work, &lwork, &info); break;
		case eigen: dgeev_("N", "N", &n, w, &n, s, im, &none, &n, &none, &n, work, &lwork, &info); break;
		}
	}
	return info;
}

// Solves A*x = b by the factors in w, and overwrites b.
static int solveBy(int which, int n, const double *w, const double *s, double *b, double *work, int lwork, const int *pivots) {
	int info = 0, one = 1;
	switch (which) {
	case lu: dgetrs_("N", &n, &one, w, &n, pivots, b, &n, &info); break;
	case qr:
		dormqr_("L", "T", &n, &one, &n, w, &n, s, b, &n, work, &lwork, &info);
		if (!info) dtrtrs_("U", "N", "N", &n, &one, w, &n, b, &n, &info);
		break;
	case cholesky: dpotrs_("U", &n, &one, w, &n, b, &n, &info); break;
	}
	return info;
}
*/
import "C"

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/steppe-ml/steppe/bench/peers/child"
	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// decompose prepares a decomposition by LAPACK, whose matrices are column-major.
func decompose(d *child.Decomposition) (child.Decomposing, error) {
	n := d.N
	which := C.int(slices.Index(protocol.Decompositions, d.Name))
	a, b, w, x := byColumns(d.A, n), byColumns(d.B, n), make([]float64, n*n), make([]float64, n*n)
	s, im, pivots := make([]float64, n), make([]float64, n), make([]C.int, 8*n)
	work := make([]float64, 128*n) // enough for LAPACK's blocked code
	run := func(times int) error {
		return failed(d, C.decompose(which, C.int(n), first(a), first(b), first(w), first(x), first(s), first(im),
			first(work), C.int(len(work)), &pivots[0], C.int(times)))
	}
	result := func(right []float64) (child.Decomposed, error) {
		switch which {
		case C.mul, C.solve:
			return child.Decomposed{Matrix: byColumns(x, n)}, nil // back to rows
		case C.svd, C.eigenSym:
			return child.Decomposed{Values: child.Complex(s, nil)}, nil
		case C.eigen:
			return child.Decomposed{Values: child.Complex(s, im)}, nil
		}
		solution := slices.Clone(right)
		err := failed(d, C.solveBy(which, C.int(n), first(w), first(s), first(solution), first(work), C.int(len(work)), &pivots[0]))
		return child.Decomposed{Solution: solution}, err
	}
	return child.Decomposing{Run: run, Result: result}, nil
}

func failed(d *child.Decomposition, info C.int) error {
	if info != 0 {
		return fmt.Errorf("LAPACK at %v: info is %d, want 0", d.Decomposition, info)
	}
	return nil
}

// byColumns returns the transpose of an n x n matrix.
func byColumns(rows []float64, n int) []float64 {
	columns := make([]float64, n*n)
	for i := range n {
		for j := range n {
			columns[j*n+i] = rows[i*n+j]
		}
	}
	return columns
}

func first(data []float64) *C.double { return (*C.double)(unsafe.Pointer(&data[0])) }

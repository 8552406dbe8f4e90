package main

/*
// DECLARE and RUN expand to code for float, with the letter s, and double, with d. Matrices are
// row-major, and symmetric and triangular ones have their lower half stored.
#define DECLARE(T, s) \
	T cblas_##s##dot(int n, const T *x, int incX, const T *y, int incY); \
	void cblas_##s##axpy(int n, T alpha, const T *x, int incX, T *y, int incY); \
	void cblas_##s##scal(int n, T alpha, T *x, int incX); \
	T cblas_##s##nrm2(int n, const T *x, int incX); \
	T cblas_##s##asum(int n, const T *x, int incX); \
	unsigned long cblas_i##s##amax(int n, const T *x, int incX); \
	void cblas_##s##swap(int n, T *x, int incX, T *y, int incY); \
	void cblas_##s##copy(int n, const T *x, int incX, T *y, int incY); \
	void cblas_##s##rot(int n, T *x, int incX, T *y, int incY, T c, T s); \
	void cblas_##s##gemv(int order, int trans, int m, int n, T alpha, const T *a, int lda, const T *x, int incX, T beta, T *y, int incY); \
	void cblas_##s##ger(int order, int m, int n, T alpha, const T *x, int incX, const T *y, int incY, T *a, int lda); \
	void cblas_##s##symv(int order, int uplo, int n, T alpha, const T *a, int lda, const T *x, int incX, T beta, T *y, int incY); \
	void cblas_##s##syr(int order, int uplo, int n, T alpha, const T *x, int incX, T *a, int lda); \
	void cblas_##s##syr2(int order, int uplo, int n, T alpha, const T *x, int incX, const T *y, int incY, T *a, int lda); \
	void cblas_##s##trmv(int order, int uplo, int trans, int diag, int n, const T *a, int lda, T *x, int incX); \
	void cblas_##s##trsv(int order, int uplo, int trans, int diag, int n, const T *a, int lda, T *x, int incX);

#define RUN(T, s) \
	static void run_##s(int routine, int n, T alpha, T c, T s, T **as, T **xs, T **ys, T **saved, double *results, int sets, int set, int times) { \
		enum { rowMajor = 101, noTrans = 111, trans = 112, lower = 122, nonUnit = 131 }; \
		while (times-- > 0) { \
			T *a = as[set], *x = xs[set], *y = ys[set]; \
			switch (routine) { \
			case 0: results[set] = cblas_##s##dot(n, x, 1, y, 1); break; \
			case 1: cblas_##s##axpy(n, alpha, x, 1, y, 1); break; \
			case 2: cblas_##s##scal(n, -1, x, 1); break; \
			case 3: results[set] = cblas_##s##nrm2(n, x, 1); break; \
			case 4: results[set] = cblas_##s##asum(n, x, 1); break; \
			case 5: results[set] = cblas_i##s##amax(n, x, 1); break; \
			case 6: cblas_##s##swap(n, x, 1, y, 1); break; \
			case 7: cblas_##s##copy(n, x, 1, y, 1); break; \
			case 8: cblas_##s##rot(n, x, 1, y, 1, c, s); break; \
			case 9: cblas_##s##gemv(rowMajor, noTrans, n, n, 1, a, n, x, 1, 0, y, 1); break; \
			case 10: cblas_##s##gemv(rowMajor, trans, n, n, 1, a, n, x, 1, 0, y, 1); break; \
			case 11: cblas_##s##ger(rowMajor, n, n, alpha, x, 1, y, 1, a, n); break; \
			case 12: cblas_##s##symv(rowMajor, lower, n, 1, a, n, x, 1, 0, y, 1); break; \
			case 13: cblas_##s##syr(rowMajor, lower, n, alpha, x, 1, a, n); break; \
			case 14: cblas_##s##syr2(rowMajor, lower, n, alpha, x, 1, y, 1, a, n); break; \
			case 15: memcpy(x, saved[set], n * sizeof *x); cblas_##s##trmv(rowMajor, lower, noTrans, nonUnit, n, a, n, x, 1); break; \
			case 16: memcpy(x, saved[set], n * sizeof *x); cblas_##s##trmv(rowMajor, lower, trans, nonUnit, n, a, n, x, 1); break; \
			case 17: memcpy(x, saved[set], n * sizeof *x); cblas_##s##trsv(rowMajor, lower, noTrans, nonUnit, n, a, n, x, 1); break; \
			case 18: memcpy(x, saved[set], n * sizeof *x); cblas_##s##trsv(rowMajor, lower, trans, nonUnit, n, a, n, x, 1); break; \
			} \
			if (++set == sets) set = 0; \
		} \
	}

#include <string.h>

DECLARE(float, s)
DECLARE(double, d)
RUN(float, s)
RUN(double, d)
*/
import "C"

import (
	"slices"
	"unsafe"

	"github.com/steppe-ml/steppe/bench/peers/child"
	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

func routine32(r *child.Routine[float32], first, times int) {
	if r.Level() == 3 {
		level3of32(r, first, times)
		return
	}
	a, x, y, saved, results := pointersOf(r)
	C.run_s(number(r.Name), C.int(r.N), child.Alpha, child.Cosine, child.Sine, floats(&a), floats(&x), floats(&y), floats(&saved),
		(*C.double)(&results[0]), child.Sets, C.int(first), C.int(times))
	r.Results = results
}

func routine64(r *child.Routine[float64], first, times int) {
	if r.Level() == 3 {
		level3of64(r, first, times)
		return
	}
	a, x, y, saved, results := pointersOf(r)
	C.run_d(number(r.Name), C.int(r.N), child.Alpha, child.Cosine, child.Sine, doubles(&a), doubles(&x), doubles(&y), doubles(&saved),
		(*C.double)(&results[0]), child.Sets, C.int(first), C.int(times))
	r.Results = results
}

// number returns a routine's number in the C code above.
func number(name string) C.int { return C.int(slices.Index(protocol.Routines, name)) }

// pointersOf copies the pointers that C reads. C mustn't get r itself, which also has pointers to
// Go's heap.
func pointersOf[T child.Float](r *child.Routine[T]) (a, x, y, saved [child.Sets]*T, results [child.Sets]float64) {
	for set := range saved {
		saved[set] = &r.Saved(set)[0]
	}
	return r.A, r.X, r.Y, saved, r.Results
}

func floats(p *[child.Sets]*float32) **C.float   { return (**C.float)(unsafe.Pointer(p)) }
func doubles(p *[child.Sets]*float64) **C.double { return (**C.double)(unsafe.Pointer(p)) }

package main

/*
#include <string.h>

// DECLARE and RUN expand to code for float, with the letter s, and double, with d.
#define DECLARE(T, s) \
	void cblas_##s##gemm(int order, int transA, int transB, int m, int n, int k, T alpha, const T *a, int lda, const T *b, int ldb, T beta, T *c, int ldc); \
	void cblas_##s##symm(int order, int side, int uplo, int m, int n, T alpha, const T *a, int lda, const T *b, int ldb, T beta, T *c, int ldc); \
	void cblas_##s##syrk(int order, int uplo, int trans, int n, int k, T alpha, const T *a, int lda, T beta, T *c, int ldc); \
	void cblas_##s##syr2k(int order, int uplo, int trans, int n, int k, T alpha, const T *a, int lda, const T *b, int ldb, T beta, T *c, int ldc); \
	void cblas_##s##trmm(int order, int side, int uplo, int trans, int diag, int m, int n, T alpha, const T *a, int lda, T *b, int ldb); \
	void cblas_##s##trsm(int order, int side, int uplo, int trans, int diag, int m, int n, T alpha, const T *a, int lda, T *b, int ldb);

// Routines have their index in protocol.Routines, counted from the first of level 3.
#define RUN(T, s) \
	static void run_level3_##s(int routine, int n, T **as, T **bs, T **cs, T **saved, int sets, int set, int times) { \
		enum { rowMajor = 101, noTrans = 111, trans = 112, upper = 121, lower = 122, nonUnit = 131, left = 141, right = 142 }; \
		while (times-- > 0) { \
			T *a = as[set], *b = bs[set], *c = cs[set]; \
			if (routine >= 6) memcpy(b, saved[set], (size_t)n * n * sizeof *b); \
			switch (routine) { \
			case 0: cblas_##s##gemm(rowMajor, noTrans, noTrans, n, n, n, 1, a, n, b, n, 0, c, n); break; \
			case 1: cblas_##s##symm(rowMajor, left, lower, n, n, 1, a, n, b, n, 0, c, n); break; \
			case 2: cblas_##s##symm(rowMajor, right, lower, n, n, 1, a, n, b, n, 0, c, n); break; \
			case 3: cblas_##s##syrk(rowMajor, lower, noTrans, n, n, 1, a, n, 0, c, n); break; \
			case 4: cblas_##s##syrk(rowMajor, upper, trans, n, n, 1, a, n, 0, c, n); break; \
			case 5: cblas_##s##syr2k(rowMajor, lower, noTrans, n, n, 1, a, n, b, n, 0, c, n); break; \
			case 6: cblas_##s##trmm(rowMajor, left, lower, noTrans, nonUnit, n, n, 1, a, n, b, n); break; \
			case 7: cblas_##s##trmm(rowMajor, left, upper, trans, nonUnit, n, n, 1, a, n, b, n); break; \
			case 8: cblas_##s##trmm(rowMajor, right, lower, noTrans, nonUnit, n, n, 1, a, n, b, n); break; \
			case 9: cblas_##s##trsm(rowMajor, left, lower, noTrans, nonUnit, n, n, 1, a, n, b, n); break; \
			case 10: cblas_##s##trsm(rowMajor, left, upper, trans, nonUnit, n, n, 1, a, n, b, n); break; \
			case 11: cblas_##s##trsm(rowMajor, right, lower, noTrans, nonUnit, n, n, 1, a, n, b, n); break; \
			} \
			if (++set == sets) set = 0; \
		} \
	}

DECLARE(float, s)
DECLARE(double, d)
RUN(float, s)
RUN(double, d)
*/
import "C"

import "github.com/steppe-ml/steppe/bench/peers/child"

func level3of32(r *child.Routine[float32], first, times int) {
	a, b, c, saved, _ := pointersOf(r)
	C.run_level3_s(number(r.Name)-number("gemm"), C.int(r.N), floats(&a), floats(&b), floats(&c), floats(&saved), child.Sets, C.int(first), C.int(times))
}

func level3of64(r *child.Routine[float64], first, times int) {
	a, b, c, saved, _ := pointersOf(r)
	C.run_level3_d(number(r.Name)-number("gemm"), C.int(r.N), doubles(&a), doubles(&b), doubles(&c), doubles(&saved), child.Sets, C.int(first), C.int(times))
}

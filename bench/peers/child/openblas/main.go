// Command openblas is the peer OpenBLAS, through its C interface.
package main

/*
#cgo LDFLAGS: -lopenblas

// Declared here, because the installed cblas.h may belong to another library.
void cblas_sgemm(int order, int transA, int transB, int m, int n, int k, float alpha, const float *a, int lda,
	const float *b, int ldb, float beta, float *c, int ldc);
void cblas_dgemm(int order, int transA, int transB, int m, int n, int k, double alpha, const double *a, int lda,
	const double *b, int ldb, double beta, double *c, int ldc);
char *openblas_get_config(void);
char *openblas_get_corename(void);
int openblas_get_parallel(void);
void openblas_set_num_threads(int threads);

static void run(int f64, int transA, int transB, int m, int n, int k, void **a, int lda, void **b, int ldb,
		void **c, int ldc, int sets, int set, int times) {
	enum { rowMajor = 101, noTrans = 111, trans = 112 };
	transA = transA ? trans : noTrans;
	transB = transB ? trans : noTrans;
	while (times-- > 0) {
		if (f64)
			cblas_dgemm(rowMajor, transA, transB, m, n, k, 1, a[set], lda, b[set], ldb, 0, c[set], ldc);
		else
			cblas_sgemm(rowMajor, transA, transB, m, n, k, 1, a[set], lda, b[set], ldb, 0, c[set], ldc);
		if (++set == sets) set = 0;
	}
}
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/steppe-ml/steppe/bench/peers/child"
)

func main() {
	parallel := [...]string{"sequential", "pthreads", "OpenMP"}[C.openblas_get_parallel()]
	child.Main(child.Library{
		Version: fmt.Sprintf("%s (%s kernels, %s)", strings.TrimSpace(C.GoString(C.openblas_get_config())),
			C.GoString(C.openblas_get_corename()), parallel),
		OneThread: true,
		Workers: func(workers int) error {
			if workers > 1 && parallel == "sequential" {
				return fmt.Errorf("this OpenBLAS is built without threads, want %d workers", workers)
			}
			C.openblas_set_num_threads(C.int(workers))
			return nil
		},
		Run32: run[float32],
		Run64: run[float64],

		Routine32: routine32,
		Routine64: routine64,

		Decompose: decompose,
	})
}

func run[T child.Float](p *child.Product[T], first, times int) {
	C.run(flag(p.Float64()), flag(p.TransA), flag(p.TransB), C.int(p.M), C.int(p.N), C.int(p.K),
		pointers(&p.A), C.int(p.LdA), pointers(&p.B), C.int(p.LdB), pointers(&p.C), C.int(p.LdC),
		child.Sets, C.int(first), C.int(times))
}

func pointers[T child.Float](p *[child.Sets]*T) *unsafe.Pointer {
	return (*unsafe.Pointer)(unsafe.Pointer(p))
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

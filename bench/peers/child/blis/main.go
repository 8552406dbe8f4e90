// Command blis is the peer BLIS, called through CBLAS. BLIS's typed interface, bli_sgemm, is as
// fast: 8.7 against 8.3 GFLOP/s at n = 16, and within 1% from n = 48 on (BLIS 0.9, Zen 4).
package main

/*
#cgo LDFLAGS: -lblis
#include <blis.h>

static void run(int f64, int transA, int transB, int m, int n, int k, void **a, int lda, void **b, int ldb,
		void **c, int ldc, int sets, int set, int times) {
	enum CBLAS_TRANSPOSE tA = transA ? CblasTrans : CblasNoTrans;
	enum CBLAS_TRANSPOSE tB = transB ? CblasTrans : CblasNoTrans;
	while (times-- > 0) {
		if (f64)
			cblas_dgemm(CblasRowMajor, tA, tB, m, n, k, 1, a[set], lda, b[set], ldb, 0, c[set], ldc);
		else
			cblas_sgemm(CblasRowMajor, tA, tB, m, n, k, 1, a[set], lda, b[set], ldb, 0, c[set], ldc);
		if (++set == sets) set = 0;
	}
}

static const char *kernels(void) { return bli_arch_string(bli_arch_query_id()); }
static const char *version(void) { return bli_info_get_version_str(); }
static void setThreads(int threads) { bli_thread_set_num_threads(threads); }
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/steppe-ml/steppe/bench/peers/child"
)

func main() {
	child.Main(child.Library{
		Version:   fmt.Sprintf("BLIS %s (%s kernels)", C.GoString(C.version()), C.GoString(C.kernels())),
		OneThread: true,
		Workers:   func(workers int) error { C.setThreads(C.int(workers)); return nil },
		Run32:     run[float32],
		Run64:     run[float64],
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

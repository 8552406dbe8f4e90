// Command onednn is the peer oneDNN. It computes products by dnnl_sgemm and convolutions by the
// primitive. It has no float64.
package main

/*
#cgo LDFLAGS: -ldnnl -lgomp
#include <oneapi/dnnl/dnnl.h>

void omp_set_num_threads(int threads);

static int run(int transA, int transB, int m, int n, int k, float **a, int lda, float **b, int ldb, float **c, int ldc,
		int sets, int set, int times) {
	char tA = transA ? 'T' : 'N';
	char tB = transB ? 'T' : 'N';
	int failed = 0;
	while (times-- > 0) {
		failed |= dnnl_sgemm(tA, tB, m, n, k, 1, a[set], lda, b[set], ldb, 0, c[set], ldc);
		if (++set == sets) set = 0;
	}
	return failed;
}

static int openMP(void) { return DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP; }
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/steppe-ml/steppe/bench/peers/child"
)

func main() {
	v := C.dnnl_version()
	child.Main(child.Library{
		Version:   fmt.Sprintf("oneDNN %d.%d.%d (%s kernels)", v.major, v.minor, v.patch, isa()),
		OneThread: true,
		Workers: func(workers int) error {
			if C.openMP() == 0 {
				return errors.New("this oneDNN is built for another runtime than OpenMP")
			}
			C.omp_set_num_threads(C.int(workers))
			return nil
		},
		Run32: func(p *child.Product[float32], first, times int) {
			failed := C.run(flag(p.TransA), flag(p.TransB), C.int(p.M), C.int(p.N), C.int(p.K),
				pointers(&p.A), C.int(p.LdA), pointers(&p.B), C.int(p.LdB), pointers(&p.C), C.int(p.LdC),
				child.Sets, C.int(first), C.int(times))
			if failed != 0 {
				panic(fmt.Sprintf("dnnl_sgemm of %v: status %d", p.Shape, failed))
			}
		},
		Convolve: convolve,
	})
}

// isa returns the largest instruction set that oneDNN uses on this CPU.
func isa() string {
	switch isa := C.dnnl_get_effective_cpu_isa(); isa {
	case C.dnnl_cpu_isa_sse41:
		return "sse41"
	case C.dnnl_cpu_isa_avx:
		return "avx"
	case C.dnnl_cpu_isa_avx2:
		return "avx2"
	case C.dnnl_cpu_isa_avx512_core:
		return "avx512_core"
	case C.dnnl_cpu_isa_avx512_core_vnni:
		return "avx512_core_vnni"
	case C.dnnl_cpu_isa_avx512_core_bf16:
		return "avx512_core_bf16"
	default:
		return fmt.Sprintf("ISA %#x", uint(isa))
	}
}

func pointers(p *[child.Sets]*float32) **C.float { return (**C.float)(unsafe.Pointer(p)) }

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// Package bench measures what the packages below it do in a second. It has benchmarks only:
//
//	go test -run '^$' -bench . ./bench
//	go test -run '^$' -bench 'Sgemm$/isa=avx512/m=512' -count 10 ./bench | tee new.txt
//
// # Names
//
// What varies stands in a benchmark's name as key=value, which benchstat can compare and sort by:
//
//	go run golang.org/x/perf/cmd/benchstat@latest old.txt new.txt
//	go run golang.org/x/perf/cmd/benchstat@latest -col /isa new.txt
//
//	isa      instruction set; the environment variable STEPPE_SIMD leaves one of them
//	m, n, k  a product of an m x k matrix by a k x n matrix, all row-major
//	count    products of a batch
//	trans    which of A and B is stored transposed, if any
//	workers  1, or as many as pay on this machine
//	pass     forward or backward, of attention with 2 heads of 64 features, on 8 samples
//	length   rows of a sample
//	mask     causal if a row sees only itself and those before it, or none
//	kernel   function of package simd
//	n        of a vector kernel: elements of each slice
//
// # Metrics
//
//	GFLOP/s  billions of floating-point operations a second, two to a multiply-add
//	ceiling  GFLOP/s as a fraction of what as many cores do with the best
//	         instruction set on registers alone (simd.FMACeiling, half of it
//	         for float64), measured once in the same process. Of causal
//	         attention, only operations on keys that a query sees count
//	GB/s     billions of bytes read and written a second, by what the operation
//	         needs; that a cache reads a line before it is written is not counted
//
// # What is inside the timing
//
// Everything that a caller would wait for: packing, dispatch, waking workers. Buffers have grown
// before, so that each benchmark shows 0 B/op. (A few bytes an operation, in 0 allocations, are a
// thread that the Go runtime started.)
//
// Matrix products take turns between three sets of operands, as the layers of a network do, so that
// a small product is not timed with all of it in L1. Vector kernels stay on one set, since what
// their lengths are for is a level of the memory: 1e3 elements are in L1, 1e5 in L2, give or take,
// and 1e7 in none.
//
// Times mean something on a quiet machine only. A ceiling fraction above 1 says that the ceiling
// was measured while others were at work, or that the clock rose since.
package bench

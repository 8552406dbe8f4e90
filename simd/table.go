package simd

// table is the vector kernels of one instruction set. All slices that a
// kernel is given have the same length, which may be 0.
type table struct {
	axpy         func(alpha float32, x, y []float32)
	axpyTo       func(dst []float32, alpha float32, x, y []float32)
	scale        func(alpha float32, x []float32)
	add          func(dst, x, y []float32)
	mul          func(dst, x, y []float32)
	dot          func(x, y []float32) float32
	dot64        func(x, y []float32) float64
	max          func(x []float32) float32
	relu         func(dst, x []float32)
	reluBackward func(dst, dy, y []float32)
	momentum     func(w, v, g []float32, lr, mu, decay, vel, grad float32)

	peak      func(iterations int) // FMAs in registers alone
	peakFlops float64              // of one iteration of peak
}

// kernels returns the table of the active instruction set.
func kernels() *table { return &tables[Active()] }

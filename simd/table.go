package simd

// table is the vector kernels of one instruction set. All slices that a
// kernel is given have the same length, which may be 0.
type table struct {
	axpy          func(alpha float32, x, y []float32)
	axpyTo        func(dst []float32, alpha float32, x, y []float32)
	scale         func(alpha float32, x []float32)
	add           func(dst, x, y []float32)
	mul           func(dst, x, y []float32)
	dot           func(x, y []float32) float32
	dot64         func(x, y []float32) float64
	squares       func(x []float32) float64
	max           func(x []float32) float32
	scaledSquares func(eta float32, x, y []float32) float64
	scaledAxpyTo  func(dst []float32, alpha, eta float32, x, y []float32)
	relu          func(dst, x []float32)
	reluBackward  func(dst, dy, y []float32)
	momentum      func(w, v, g []float32, scale, lr, mu, decay, vel, grad float32)
	adamW         func(w, m, v, g []float32, scale, beta1, rest1, beta2, rest2, root, eps, lr, decay float32)

	// Matrices of rows of channels, with vectors of one element a channel; rows,
	// channels >= 1. The sums are added to.
	channelSums           func(rows, channels int, x *float32, sum, squares *float64)
	scaleShift            func(rows, channels int, dst, x, center, scale, shift *float32, floor float32)
	scaleShiftAdd         func(rows, channels int, dst, x, center, scale, shift, z *float32, floor float32)
	channelGradSums       func(rows, channels int, d, x *float32, sumD, sumDX *float64)
	channelGradSumsOutput func(rows, channels int, dst, d, x, y *float32, sumD, sumDX *float64)
	channelGradSumsAffine func(rows, channels int, d, x, center, scale, shift *float32, sumD, sumDX *float64)
	scaleAddShift         func(rows, channels int, dst, d, x, center, scale, q, r *float32)
	scaleAddShiftAffine   func(rows, channels int, dst, d, x, center, scale, shift, q, r *float32)

	// Layer normalization of rows of channels; rows, channels >= 1. kept has NormalizeRowsKept
	// floats a row, and share is 1/channels. The sums are added to.
	layerNorm         func(rows, channels, block int, dst, x, scale, shift, kept *float32, share, epsilon float32)
	layerNormBackward func(rows, channels, block int, dst, d, x, scale, kept *float32, share float32)
	layerNormSums     func(rows, channels int, d, x, kept *float32, sumD, sumDZ *float64)

	exp             func(dst, x []float32)
	log             func(dst, x []float32)
	tanh            func(dst, x []float32)
	sigmoid         func(dst, x []float32)
	gelu            func(dst, x []float32)
	geluBackward    func(dst, dy, x []float32)
	geluAndSlope    func(dst, slope, x []float32)
	tanhBackward    func(dst, dy, y []float32)
	sigmoidBackward func(dst, dy, y []float32)

	// Matrices of rows of channels; rows, channels >= 1. largest and total have an
	// element a row, or are nil.
	softmaxRows func(rows, channels int, dst, x, largest, total *float32)

	// Blocks of scores: rows, columns, stride >= 1. Row r has columns + r*growth elements, and what
	// is behind them up to width is cleared. factor is negative.
	softmaxScores         func(rows, columns, growth, width, stride int, x, largest, total *float32, factor float32)
	softmaxScoresAgain    func(rows, columns, growth, width, stride int, x, largest, total *float32, factor float32)
	softmaxScoresBackward func(rows, columns, growth, width, stride int, d, p, delta *float32, scale float32)

	// Rows of columns elements; rows, columns >= 1.
	rowDots func(rows, columns, strideA, strideB int, dst, a, b *float32)

	// Rows of blocks of two halves; rows, blocks, half >= 1. cos and sin have half elements a row.
	rotateHalves func(rows, blocks, half, stride int, dst, x, cos, sin *float32, sign float32)

	peak      func(iterations int) // FMAs in registers alone
	peakFlops float64              // of one iteration of peak
}

// kernels returns the table of the active instruction set.
func kernels() *table { return &tables[Active()] }

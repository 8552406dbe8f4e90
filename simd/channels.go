package simd

import "fmt"

// The kernels of normalization take matrices of rows of channels, stored row by row,
// with vectors of one element a channel: a batch of feature maps in NHWC has a row
// for each pixel. Sums are in float64, in an order that depends on the shape and the
// instruction set alone. All panic if a matrix has no whole number of rows, or
// another than the rest.

// ChannelSums adds to sum each channel's sum of x, and to squares that of x*x.
func ChannelSums(x []float32, sum, squares []float64) {
	channels := len(sum)
	rows := rowsOf("ChannelSums", channels, len(x))
	sameLength("ChannelSums", channels, len(squares))
	for row := range pieces(rows, channels, columnBytes) {
		kernels().channelSums(row.n, channels, &x[row.at], &sum[0], &squares[0])
	}
}

// ScaleShift sets dst to (x-center)*scale + shift and, with relu, to 0 where that is
// negative. NaN stays NaN.
func ScaleShift(dst, x, center, scale, shift []float32, relu bool) {
	channels := len(center)
	rows := rowsOf("ScaleShift", channels, len(dst), len(x))
	sameLength("ScaleShift", channels, len(scale), len(shift))
	for row := range pieces(rows, channels, rowBytes) {
		kernels().scaleShift(row.n, channels, &dst[row.at], &x[row.at], &center[0], &scale[0], &shift[0], floor(relu))
	}
}

// ScaleShiftAdd sets dst to (x-center)*scale + shift + z and, with relu, to 0 where
// that is negative. NaN stays NaN.
func ScaleShiftAdd(dst, x, center, scale, shift, z []float32, relu bool) {
	channels := len(center)
	rows := rowsOf("ScaleShiftAdd", channels, len(dst), len(x), len(z))
	sameLength("ScaleShiftAdd", channels, len(scale), len(shift))
	for row := range pieces(rows, channels, rowBytes) {
		kernels().scaleShiftAdd(row.n, channels, &dst[row.at], &x[row.at], &center[0], &scale[0], &shift[0], &z[row.at], floor(relu))
	}
}

// ChannelGradSums adds to sumD each channel's sum of d, and to sumDX that of d*x.
func ChannelGradSums(d, x []float32, sumD, sumDX []float64) {
	channels := len(sumD)
	rows := rowsOf("ChannelGradSums", channels, len(d), len(x))
	sameLength("ChannelGradSums", channels, len(sumDX))
	for row := range pieces(rows, channels, columnBytes) {
		kernels().channelGradSums(row.n, channels, &d[row.at], &x[row.at], &sumD[0], &sumDX[0])
	}
}

// ChannelGradSumsOutput is ChannelGradSums behind a ReLU whose output is y: it sets
// dst to d where y > 0 or y is NaN, and to 0 elsewhere, and adds the sums of dst and
// of dst*x. dst may be d.
func ChannelGradSumsOutput(dst, d, x, y []float32, sumD, sumDX []float64) {
	channels := len(sumD)
	rows := rowsOf("ChannelGradSumsOutput", channels, len(dst), len(d), len(x), len(y))
	sameLength("ChannelGradSumsOutput", channels, len(sumDX))
	for row := range pieces(rows, channels, columnBytes) {
		kernels().channelGradSumsOutput(row.n, channels, &dst[row.at], &d[row.at], &x[row.at], &y[row.at], &sumD[0], &sumDX[0])
	}
}

// ChannelGradSumsAffine is ChannelGradSums behind ScaleShift with a ReLU: it counts d
// as 0 where ScaleShift gives 0.
func ChannelGradSumsAffine(d, x, center, scale, shift []float32, sumD, sumDX []float64) {
	channels := len(sumD)
	rows := rowsOf("ChannelGradSumsAffine", channels, len(d), len(x))
	sameLength("ChannelGradSumsAffine", channels, len(center), len(scale), len(shift), len(sumDX))
	for row := range pieces(rows, channels, columnBytes) {
		kernels().channelGradSumsAffine(row.n, channels, &d[row.at], &x[row.at], &center[0], &scale[0], &shift[0], &sumD[0], &sumDX[0])
	}
}

// ScaleAddShift sets dst to scale*d + q*(x-center) + r. dst may be d or x.
func ScaleAddShift(dst, d, x, center, scale, q, r []float32) {
	channels := len(center)
	rows := rowsOf("ScaleAddShift", channels, len(dst), len(d), len(x))
	sameLength("ScaleAddShift", channels, len(scale), len(q), len(r))
	for row := range pieces(rows, channels, rowBytes) {
		kernels().scaleAddShift(row.n, channels, &dst[row.at], &d[row.at], &x[row.at], &center[0], &scale[0], &q[0], &r[0])
	}
}

// ScaleAddShiftAffine is ScaleAddShift behind ScaleShift with a ReLU: it counts d as
// 0 where ScaleShift gives 0.
func ScaleAddShiftAffine(dst, d, x, center, scale, shift, q, r []float32) {
	channels := len(center)
	rows := rowsOf("ScaleAddShiftAffine", channels, len(dst), len(d), len(x))
	sameLength("ScaleAddShiftAffine", channels, len(scale), len(shift), len(q), len(r))
	for row := range pieces(rows, channels, rowBytes) {
		kernels().scaleAddShiftAffine(row.n, channels, &dst[row.at], &d[row.at], &x[row.at], &center[0], &scale[0], &shift[0], &q[0], &r[0])
	}
}

const (
	// columnBytes is what a kernel that goes down the columns takes of a matrix at a
	// time: its next columns are in the L1 cache by then.
	columnBytes = 8 << 10
	// rowBytes is what one that goes along the rows takes: some microseconds, so that
	// the scheduler and the garbage collector needn't wait.
	rowBytes = 256 << 10
)

// piece is n rows from element at of a matrix.
type piece struct{ at, n int }

// pieces cuts a matrix into rows of about so many bytes.
func pieces(rows, channels, bytes int) func(yield func(piece) bool) {
	return func(yield func(piece) bool) {
		if channels == 0 {
			return
		}
		most := max(4, bytes/4/channels&^3)
		for first := 0; first < rows; first += most {
			if !yield(piece{first * channels, min(most, rows-first)}) {
				return
			}
		}
	}
}

// floor is the least result of a kernel that may end in a ReLU.
func floor(relu bool) float32 {
	if relu {
		return 0
	}
	return minusInf
}

// rowsOf returns the rows of matrices with so many elements.
func rowsOf(name string, channels, n int, others ...int) int {
	sameLength(name, n, others...)
	if channels == 0 && n > 0 || channels > 0 && n%channels != 0 {
		panic(fmt.Sprintf("simd: %s: %d elements are no rows of %d channels", name, n, channels))
	}
	return n / max(channels, 1)
}

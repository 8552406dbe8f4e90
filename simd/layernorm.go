package simd

// The kernels of layer normalization take matrices of rows of channels, stored row by row, and
// normalize each row by itself:
//
//	z = (x - mean) / sqrt(variance + epsilon)    y = scale*z + shift
//
// A row's bits depend on its elements and the instruction set alone, not on the rows around it.
// What isn't finite stays in its row: a row of x with a NaN or an Inf in it becomes NaN, and so
// does its gradient. A row with a NaN in d gets a gradient of NaN, one with an Inf a gradient that
// isn't finite.

// NormalizeRowsKept is the number of floats that [NormalizeRows] keeps of a row: a center near the
// mean, c; the inverse deviation, i = 1/sqrt(variance + epsilon); and an offset, o = (c - mean)*i.
// The normalized element is z = (x-c)*i + o. The three are as good as a mean in twice float32's
// precision, so a row whose mean is far larger than its deviation loses no digits.
const NormalizeRowsKept = 3

// NormalizeRows sets the rows of dst to those of x, normalized, scaled and shifted. scale and
// shift have an element a channel; kept gets [NormalizeRowsKept] floats a row. dst may be x.
//
// With n channels, an element of z is within (n/8 + 20)*(|z|+1) * 2^-24, and half an ULP of
// scale*z and of the sum are added to that. It is so as long as the deviation is above the
// distance of float32 numbers around the largest |x|. A row may become NaN, and never wrong, where
// squares of its deviations from the mean overflow: from 1e18 on.
func NormalizeRows(dst, x, scale, shift, kept []float32, epsilon float64) {
	channels := len(scale)
	rows := rowsOf("NormalizeRows", channels, len(dst), len(x))
	sameLength("NormalizeRows", channels, len(shift))
	sameLength("NormalizeRows", NormalizeRowsKept*rows, len(kept))
	for row := range pieces(rows, channels, rowBytes) {
		kernels().layerNorm(row.n, channels, normBlock(channels, 16<<10), &dst[row.at], &x[row.at], &scale[0], &shift[0], &kept[row.keeps(channels)], share(channels), float32(epsilon))
	}
}

// NormalizeRowsBackward sets dst to the gradient of NormalizeRows's input x, d being that of its
// output and kept what NormalizeRows kept:
//
//	dst = i * (e - mean(e) - z*mean(e*z)),  e = scale*d
//
// with means over the row. dst may be d or x.
func NormalizeRowsBackward(dst, d, x, scale, kept []float32) {
	channels := len(scale)
	rows := rowsOf("NormalizeRowsBackward", channels, len(dst), len(d), len(x))
	sameLength("NormalizeRowsBackward", NormalizeRowsKept*rows, len(kept))
	for row := range pieces(rows, channels, rowBytes) {
		kernels().layerNormBackward(row.n, channels, normBlock(channels, 8<<10), &dst[row.at], &d[row.at], &x[row.at], &scale[0], &kept[row.keeps(channels)], share(channels))
	}
}

// NormalizeRowsGradSums adds each channel's sum of d to sumD, and that of d*z to sumDZ: the
// gradients of NormalizeRows's shift and scale. kept is what NormalizeRows kept. Rows are summed
// in float32 by 16, and in float64 beyond that.
func NormalizeRowsGradSums(d, x, kept []float32, sumD, sumDZ []float64) {
	channels := len(sumD)
	rows := rowsOf("NormalizeRowsGradSums", channels, len(d), len(x))
	sameLength("NormalizeRowsGradSums", channels, len(sumDZ))
	sameLength("NormalizeRowsGradSums", NormalizeRowsKept*rows, len(kept))
	for row := range pieces(rows, channels, rowBytes) {
		kernels().layerNormSums(row.n, channels, &d[row.at], &x[row.at], &kept[row.keeps(channels)], &sumD[0], &sumDZ[0])
	}
}

// normBlock is the rows of a block of so many bytes of a matrix, in fours, from 4 to 32. A kernel
// goes over a block several times, with the L1 cache in mind.
func normBlock(channels, bytes int) int { return min(max(4, bytes/4/channels&^3), 32) }

// keeps is the index of the first kept float of the piece's rows.
func (p piece) keeps(channels int) int { return NormalizeRowsKept * (p.at / channels) }

// share is what a sum over n channels is multiplied by for their mean.
func share(n int) float32 { return float32(1 / float64(n)) }

package simd

import "math"

// The reference of the kernels on blocks of scores.

// eachScores calls do with the index of each row, its elements in x, which are cleared behind, and
// its place in x.
func eachScores(rows, columns, growth, width, stride int, x *float32, do func(row int, x []float32, at int)) {
	all := floats((rows-1)*stride+width, x)
	for row := range rows {
		n := columns + row*growth
		do(row, all[row*stride:][:n], row*stride)
		clear(all[row*stride:][n:width])
	}
}

// scoreExponential is exp(scale*(x-largest)), factor being that of powerFactor.
func scoreExponential(x, largest, factor float32) float32 {
	return float32(exp(float64(float64(factor)*math.Ln2) * (float64(largest) - float64(x))))
}

func softmaxScores(rows, columns, growth, width, stride int, x, largest, total *float32, factor float32) {
	most, sums := floats(rows, largest), floats(rows, total)
	eachScores(rows, columns, growth, width, stride, x, func(row int, x []float32, _ int) {
		most[row], sums[row] = minusInf, 0
		for _, v := range x {
			most[row] = max(most[row], v)
		}
		for i, v := range x {
			x[i] = scoreExponential(v, most[row], factor)
			sums[row] += x[i]
		}
		share := 1 / sums[row]
		for i := range x {
			x[i] *= share
		}
	})
}

func softmaxScoresAgain(rows, columns, growth, width, stride int, x, largest, total *float32, factor float32) {
	most, sums := floats(rows, largest), floats(rows, total)
	eachScores(rows, columns, growth, width, stride, x, func(row int, x []float32, _ int) {
		share := 1 / sums[row]
		for i, v := range x {
			x[i] = scoreExponential(v, most[row], factor) * share
		}
	})
}

func softmaxScoresBackward(rows, columns, growth, width, stride int, d, p, delta *float32, scale float32) {
	ps, deltas := floats((rows-1)*stride+width, p), floats(rows, delta)
	eachScores(rows, columns, growth, width, stride, d, func(row int, d []float32, at int) {
		for i := range d {
			d[i] = float32(scale*ps[at+i]) * (d[i] - deltas[row])
		}
	})
}

func rowDots(rows, columns, strideA, strideB int, dst, a, b *float32) {
	to := floats(rows, dst)
	as, bs := floats((rows-1)*strideA+columns, a), floats((rows-1)*strideB+columns, b)
	for row := range to {
		y, sum := bs[row*strideB:][:columns], float32(0)
		for i, v := range as[row*strideA:][:columns] {
			sum += float32(v * y[i])
		}
		to[row] = sum
	}
}

package find

import (
	"math"

	"github.com/steppe-ml/steppe/sam"
)

const (
	// mostRho is the default for SAM on batches of usualBatch samples and more: that of Foret et
	// al. (arXiv 2010.01412), who trained with batches of that size.
	mostRho    = 0.05
	usualBatch = 128
	// momentumRho is the default of Momentum-SAM: that of its authors' code for SGD.
	momentumRho = 0.3
)

// DefaultRho returns a rho to begin with, for SAM and mSAM with shards of so many samples: 0.05 for
// 128 samples and more, and for fewer 0.05 times the fourth root of samples/128. A shard of 8
// samples has 0.025, and one of a single sample 0.015.
//
// The fewer the samples of a shard, the longer is its gradient, since fewer of its parts that are
// noise cancel; a perturbation of the same norm then raises the loss by more. Were a shard's
// gradient all noise, its norm would grow as the square root of its samples falls. Measured, the
// tolerance falls more slowly. The rho that raises the validation loss by a given amount was 1.2 to
// 2.5 times as large with shards of 64 samples as with shards of one for an MLP and LeNet on the
// digits, and 2.1 to 4.3 times for LeNet on MNIST; the larger the amount, the larger was the ratio
// (docs/results/rho-zen3.md). The fourth root makes 2.8 of it. On Fashion-MNIST, a rho of 0.2 costs
// SAM three points of accuracy on a batch of 128, six or more with shards of 8 samples, and
// everything with shards of 4 (docs/results/compare-emerald-rapids.md).
//
// The best rho depends on the model and the data, too: Rho finds it. Perturbations that are scaled
// by the weights (sam.Ascent.Adaptive) or of normalizations alone (NormOnly) want some ten times as
// much.
func DefaultRho(samples int) float64 {
	part := min(1, float64(max(1, samples))/usualBatch)
	return round(mostRho * math.Sqrt(math.Sqrt(part)))
}

// defaultRho is DefaultRho for any ascent.
func defaultRho(ascent sam.Ascent, samples int) float64 {
	rho := DefaultRho(samples)
	switch {
	case ascent.Adaptive || ascent.NormOnly:
		rho = round(10 * rho)
	case ascent.Momentum:
		rho = momentumRho
	}
	return rho
}

// defaultRhos returns the values of rho that Rho tries unless it is told others: five of 1, 2 and 5
// times the powers of ten, so that numbers of shards share some. The middle one is the nearest to
// the default.
func defaultRhos(ascent sam.Ascent, samples int) []float64 {
	const some = -9 // the power of ten that the series begins with, far below any default
	var series []float64
	for power := some; power <= 3; power++ {
		for _, factor := range []float64{1, 2, 5} {
			series = append(series, round(factor*math.Pow(10, float64(power))))
		}
	}
	middle, rho := 0, defaultRho(ascent, samples)
	for i, x := range series {
		if math.Abs(math.Log(x/rho)) < math.Abs(math.Log(series[middle]/rho)) {
			middle = i
		}
	}
	return series[middle-2 : middle+3]
}

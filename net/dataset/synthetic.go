package dataset

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/steppe-ml/steppe/net"
)

// Synthetic returns n samples of standard-normal noise with uniformly random labels. They are the
// same for a seed on every platform. Nothing can be learned from them: they are for timing a
// network.
//
// Synthetic panics if shape is not valid or classes is not positive.
func Synthetic(shape net.Shape, classes, n int, seed uint64) *Set {
	if shape.Validate() != nil || classes <= 0 {
		panic(fmt.Sprintf("dataset: no samples of shape %v in %d classes", shape, classes))
	}
	s := &Set{
		Name:    "synthetic:" + shape.String(),
		Shape:   slices.Clone(shape),
		Classes: classes,
		X:       make([]float32, n*shape.Size()),
		Labels:  make([]int32, n),
	}
	labels, pixels := NewRandom(seed, 0), NewRandom(seed, 1)
	for i := range s.Labels {
		s.Labels[i] = int32(labels.Below(classes))
	}
	quantiles := normalQuantiles()
	var draw uint64 // 16 bits a pixel
	for i := range s.X {
		if i%4 == 0 {
			draw = pixels.Uint64()
		}
		s.X[i] = quantiles[draw&0xffff]
		draw >>= 16
	}
	return s
}

// normalQuantiles returns 2^16 midpoint quantiles of the standard normal distribution. Drawn with
// equal odds they lie within ±4.325, with a mean of 0 and a standard deviation of 0.99999.
//
// rand.NormFloat64 will not do. It decides by math.Exp, math.Log and products that a compiler may
// fuse, so that platforms can part company over a last bit. The quantiles are rounded to multiples
// of 2^-16, which such bits do not reach: none lies within 1e-12 of a tie (a test says so).
var normalQuantiles = sync.OnceValue(func() *[1 << 16]float32 {
	var quantiles [1 << 16]float32
	for i := range quantiles {
		quantiles[i] = float32(math.Round(normalQuantile(i)*(1<<16)) / (1 << 16))
	}
	return &quantiles
})

// normalQuantile returns quantile i of normalQuantiles before rounding.
func normalQuantile(i int) float64 {
	return math.Sqrt2 * math.Erfinv(float64(2*i+1-1<<16)/(1<<16))
}

package net

import (
	"fmt"

	"github.com/steppe-ml/steppe/net/op"
)

// Dropout sets each element to 0 with probability Rate in training, and divides the others by
// 1-Rate, so that the mean stays the same (Srivastava et al., JMLR 15, 2014). In prediction it does
// nothing.
//
// The seed, the step, the layer, the sample's index in the batch and the element's index in the
// sample decide which elements are dropped. They are the same on any number of workers, in shards
// of any size, and in both passes of SAM.
type Dropout struct {
	Rate float64 // probability, from 0 to less than 1
}

// Build implements Layer.
func (l Dropout) Build(b op.Builder, in op.Value) (op.Value, error) {
	if !(l.Rate >= 0 && l.Rate < 1) {
		return 0, fmt.Errorf("Rate is %v, want 0 or more and less than 1", l.Rate)
	}
	return b.Add(dropout{threshold: uint64(l.Rate * (1 << 32)), scale: float32(1 / (1 - l.Rate))}, b.Shape(in), in)
}

// dropout is the op. It keeps no mask: Backward draws the same random bits again.
type dropout struct {
	noParams
	threshold uint64 // an element is dropped if its 32 random bits are below
	scale     float32
}

func (dropout) Traits() op.Traits { return op.Traits{InPlace: true, FreesIn: true, FreesOut: true} }

func (o dropout) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	if drops(c) {
		o.apply(c, out, in[0])
	} else if &out.Data[0] != &in[0].Data[0] {
		op.Elementwise(c.Team, copyTo, out.Data, in[0].Data, nil)
	}
}

func (o dropout) Backward(c *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	switch {
	case !din[0].Wanted():
	case drops(c):
		o.apply(c, din[0], dout)
	case &din[0].Data[0] != &dout.Data[0]:
		op.Elementwise(c.Team, copyTo, din[0].Data, dout.Data, nil)
	}
}

// drops reports whether elements are dropped in a call.
func drops(c *op.Call) bool { return c.Train && !c.Still }

// apply sets y to 0 where elements are dropped, and to x times scale elsewhere.
func (o dropout) apply(c *op.Call, y, x op.Tensor) {
	for i := range x.N {
		bits := newRandomBits(c, i)
		from, to := x.Slice(i, 1).Data, y.Slice(i, 1).Data
		for j, v := range from {
			if bits.at(j) < o.threshold {
				to[j] = 0
			} else {
				to[j] = o.scale * v
			}
		}
	}
}

// randomBits is a sample's stream of random numbers, with random access: the outputs of SplitMix64
// (Steele et al., OOPSLA 2014).
type randomBits uint64

func newRandomBits(c *op.Call, sample int) randomBits {
	state := c.Seed
	for _, v := range []uint64{c.Step, uint64(c.Op), uint64(c.Index(sample))} {
		state = mix(state + golden*(v+1))
	}
	return randomBits(state)
}

// at returns 32 bits for element i.
func (b randomBits) at(i int) uint64 { return mix(uint64(b)+golden*uint64(i+1)) >> 32 }

const golden = 0x9e3779b97f4a7c15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

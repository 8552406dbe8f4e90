package main

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/conv"

	"github.com/steppe-ml/steppe/bench/peers/child"
	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// convolve calls conv's passes on unpacked filters, so each call packs them.
func convolve(team *blas.Team, c *child.Convolution) (child.Convolving, error) {
	var pass func(set int) error
	var x, w, y [child.Sets][]float32
	for i := range child.Sets {
		x[i], w[i], y[i] = c.SliceX(i), c.SliceW(i), c.SliceY(i)
	}
	switch c.Pass {
	case protocol.Forward:
		pass = func(set int) error { return conv.Forward(team, c.Geometry, y[set], x[set], w[set], conv.Options{}) }
	case protocol.BackwardData:
		pass = func(set int) error {
			return conv.BackwardData(team, c.Geometry, x[set], y[set], w[set], conv.Options{})
		}
	default:
		pass = func(set int) error {
			return conv.BackwardFilter(team, c.Geometry, w[set], x[set], y[set], conv.Options{})
		}
	}
	return child.Convolving{Run: func(set, times int) {
		for range times {
			if err := pass(set); err != nil {
				panic(err) // can't happen: the job's geometry is valid
			}
			if set++; set == child.Sets {
				set = 0
			}
		}
	}}, nil
}

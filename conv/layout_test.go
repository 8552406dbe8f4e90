package conv_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/conv"
)

func TestLayouts(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	for _, dims := range [][4]int{{1, 1, 1, 1}, {2, 3, 5, 7}, {3, 17, 16, 33}, {1, 40, 1, 2}} {
		a, b, c, d := dims[0], dims[1], dims[2], dims[3]
		x := random(r, a*b*c*d)
		y, back := nans(len(x)), nans(len(x))
		// x is [batch a, channels b, c, d].
		require.NoError(t, conv.NCHWToNHWC(y, x, a, c, d, b))
		for n := range a {
			for ch := range b {
				for i := range c {
					for j := range d {
						require.Equal(t, x[((n*b+ch)*c+i)*d+j], y[((n*c+i)*d+j)*b+ch])
					}
				}
			}
		}
		require.NoError(t, conv.NHWCToNCHW(back, y, a, c, d, b))
		requireSameBits(t, x, back, "images %v", dims)

		// x is [out a, in b, c, d].
		require.NoError(t, conv.OIHWToHWIO(y, x, a, b, c, d))
		for o := range a {
			for in := range b {
				for i := range c {
					for j := range d {
						require.Equal(t, x[((o*b+in)*c+i)*d+j], y[((i*d+j)*b+in)*a+o])
					}
				}
			}
		}
		require.NoError(t, conv.HWIOToOIHW(back, y, a, b, c, d))
		requireSameBits(t, x, back, "filters %v", dims)
	}
	assert.EqualError(t, conv.NCHWToNHWC(make([]float32, 3), make([]float32, 4), 1, 2, 2, 1), "conv: NCHWToNHWC from 4 floats to 3, want 4")
	assert.EqualError(t, conv.HWIOToOIHW(make([]float32, 3), make([]float32, 3), 1, 2, 2, 1), "conv: HWIOToOIHW from 3 floats to 3, want 4")
}

package conv_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// Instruction sets with the same arithmetic, as AVX-512's two, give the same bits, and take filters
// that were packed under each other.
func TestArithmeticDecidesBits(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 12))
	list := hard()
	for channels := 1; channels <= 34; channels++ {
		list = append(list, geometry(2, 9, 14, channels, 35-channels, 3, 1+channels%2, 1))
	}
	compared := false
	for _, isa := range simdtest.ISAs() {
		if isa == isa.Arithmetic() {
			continue
		}
		compared = true
		for _, g := range list {
			p := newProblem(r, g)
			for _, a := range algorithms(g) {
				simdtest.Use(t, isa)
				y, dx, dw := p.passes(t, nil, conv.Options{Algorithm: a})
				forward, backward := p.packed(t, a, conv.ForForward), p.packed(t, a, conv.ForBackwardData)

				simdtest.Use(t, isa.Arithmetic())
				wantY, wantDX, wantDW := p.passes(t, nil, conv.Options{Algorithm: a})
				requireSameBits(t, wantY, y, "%+v, %v, Forward on %v", g, a, isa)
				requireSameBits(t, wantDX, dx, "%+v, %v, BackwardData on %v", g, a, isa)
				requireSameBits(t, wantDW, dw, "%+v, %v, BackwardFilter on %v", g, a, isa)
				require.NoError(t, conv.Forward(nil, g, y, p.x, nil, conv.Options{Algorithm: a, Filter: forward}))
				require.NoError(t, conv.BackwardData(nil, g, dx, p.dy, nil, conv.Options{Algorithm: a, Filter: backward}))
				requireSameBits(t, wantY, y, "%+v, %v, Forward with a filter packed on %v", g, a, isa)
				requireSameBits(t, wantDX, dx, "%+v, %v, BackwardData with a filter packed on %v", g, a, isa)
			}
		}
	}
	if !compared {
		t.Skip("no two instruction sets of this machine have the same arithmetic")
	}
}

// packed returns the problem's filter, packed.
func (p *problem) packed(t *testing.T, a conv.Algorithm, purpose conv.Purpose) *conv.PackedFilter {
	t.Helper()
	f, err := conv.NewPackedFilter(p.Geometry, purpose, a)
	require.NoError(t, err)
	require.NoError(t, f.Pack(nil, p.w))
	return f
}

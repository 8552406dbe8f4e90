package program_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// absorbing is a biasOp that absorbs whatever is behind it into an op of the test's.
type absorbing struct {
	biasOp
	into op.Op
}

func (o absorbing) Absorb(op.Op) op.Op { return o.into }

// The parameters and the state of a fused op lie where those of the two lay, so it must have as
// many floats of each. An op that says otherwise is refused when the program is compiled.
func TestFusedOpsMustHaveTheParametersOfBoth(t *testing.T) {
	bias := func(n int) op.Param { return op.Param{Name: "bias", Shape: op.Shape{n}, Role: op.Bias} }
	couples := op.Traits{Params: []op.Param{bias(6), bias(6)}, State: []op.Param{{Name: "mean", Shape: op.Shape{6}}}, Couples: true}
	for want, into := range map[string]op.Op{
		"": strange{traits: op.Traits{Params: []op.Param{bias(6), bias(6)}}},
		"net: layer 0.build+build: program_test.absorbing absorbs program_test.biasOp: program_test.biasOp has 6 floats of parameters, want 12, the 6 and the 6 of the two":   biasOp{6, false},
		"net: layer 0.build+build: program_test.absorbing absorbs program_test.biasOp: program_test.strange has 13 floats of parameters, want 12, the 6 and the 6 of the two": strange{traits: op.Traits{Params: []op.Param{bias(6), bias(7)}}},
		"net: layer 0.build+build: program_test.absorbing absorbs program_test.biasOp: program_test.sumOp has 0 floats of parameters, want 12, the 6 and the 6 of the two":    sumOp{},
		"net: layer 0.build+build: program_test.absorbing absorbs program_test.biasOp: program_test.stateful has 6 floats of state, want 0, the 0 and the 0 of the two":       stateful{strange{traits: couples}},
		"net: layer 0.build+build: program_test.absorbing absorbs program_test.biasOp: op program_test.strange leaves the gradient of input 1 of 1 in dout":                   strange{traits: op.Traits{Params: []op.Param{bias(12)}, DinFromDout: 1}},
	} {
		first := build(func(b op.Builder, in op.Value) (op.Value, error) {
			return b.Add(absorbing{biasOp{6, false}, into}, op.Shape{6}, in)
		})
		second := build(func(b op.Builder, in op.Value) (op.Value, error) {
			return b.Add(biasOp{6, false}, op.Shape{6}, in)
		})
		_, err := net.Compile(op.Shape{6}, first, second)
		if want == "" {
			assert.NoError(t, err)
		} else {
			assert.EqualError(t, err, want)
		}
		_, err = compilePlain(op.Shape{6}, first, second)
		require.NoError(t, err, "without fusion nobody asks")
	}
}

package net

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// reference returns the float64 form of layers, and the shape of what they make.
func reference(in Shape, layers ...Layer) (oracle ref.Net, out Shape) {
	b := &Builder{}
	for _, l := range layers {
		v := b.value(in)
		made, err := b.Chain(v, l)
		if err != nil {
			panic(err)
		}
		out := b.Shape(made)
		channels := in[len(in)-1]
		switch l := l.(type) {
		case Dense:
			oracle = append(oracle, ref.Dense{In: channels, Out: l.Out})
		case Conv2D:
			g, _ := l.geometry(in)
			oracle = append(oracle, ref.Conv2D{Geometry: g, Bias: !l.NoBias})
		case BatchNorm:
			oracle = append(oracle, ref.BatchNorm{Features: channels, Eps: defaultEps})
		case LayerNorm:
			oracle = append(oracle, ref.LayerNorm{Features: channels, Eps: defaultEps})
		case ReLU:
			oracle = append(oracle, ref.ReLU{})
		case Tanh:
			oracle = append(oracle, ref.Pointwise{F: math.Tanh, Derivative: func(x float64) float64 { return 1 - math.Tanh(x)*math.Tanh(x) }})
		case Sigmoid:
			f := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
			oracle = append(oracle, ref.Pointwise{F: f, Derivative: func(x float64) float64 { return f(x) * (1 - f(x)) }})
		case GELU:
			phi := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
			oracle = append(oracle, ref.Pointwise{
				F:          func(x float64) float64 { return x * phi(x) },
				Derivative: func(x float64) float64 { return phi(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi) },
			})
		case MaxPool:
			oracle = append(oracle, ref.MaxPool{Window: pooled(in, l.Size, l.Stride, l.Padding)})
		case AvgPool:
			oracle = append(oracle, ref.AvgPool{Window: pooled(in, l.Size, l.Stride, l.Padding)})
		case GlobalAvgPool:
			g := conv.Geometry{Batch: 1, InH: in[0], InW: in[1], InC: channels, OutC: channels, KernelH: in[0], KernelW: in[1]}
			oracle = append(oracle, ref.AvgPool{Window: g})
		case Subsample:
			oracle = append(oracle, ref.Subsample{H: in[0], W: in[1], C: channels, Stride: l.Stride, Out: out[2]})
		case Sequential:
			inner, _ := reference(in, l...)
			oracle = append(oracle, inner...)
		case Residual:
			shortcut, _ := reference(in, l.Shortcut...)
			body, _ := reference(in, l.Body...)
			oracle = append(oracle, ref.Residual{Shortcut: shortcut, Body: body})
		case Flatten:
		default:
			panic(fmt.Sprintf("no oracle for %T", l))
		}
		in = out
	}
	return oracle, in
}

// pooled is the windows of a pooling as a convolution's.
func pooled(in Shape, size, stride, pixels int) conv.Geometry {
	if stride == 0 {
		stride = size
	}
	g := conv.Geometry{Batch: 1, InH: in[0], InW: in[1], InC: in[2], OutC: in[2], KernelH: size, KernelW: size, StrideH: stride, StrideW: stride}
	g.PadTop, g.PadBottom = padding(pixels, in[0], size, stride, 1)
	g.PadLeft, g.PadRight = padding(pixels, in[1], size, stride, 1)
	return g
}

// images are models of all layers for images, fused in every way that there is and in
// none.
var images = map[string][]Layer{
	"lenet": {
		Conv2D{Out: 5, Kernel: 3, Padding: SamePadding}, ReLU{}, MaxPool{Size: 2},
		Conv2D{Out: 7, Kernel: 3}, MaxPool{Size: 2, Stride: 1}, ReLU{}, Flatten{}, Dense{Out: 9}, ReLU{}, Dense{Out: 4},
	},
	"residual": {
		Conv2D{Out: 6, Kernel: 3, Padding: 1, NoBias: true}, BatchNorm{}, ReLU{},
		Residual{Body: []Layer{
			Conv2D{Out: 6, Kernel: 3, Padding: 1, NoBias: true}, BatchNorm{}, ReLU{},
			Conv2D{Out: 6, Kernel: 3, Padding: 1, NoBias: true}, BatchNorm{},
		}}, ReLU{},
		Residual{Body: []Layer{Conv2D{Out: 6, Kernel: 3, Padding: 1, NoBias: true}, BatchNorm{}}}, // without ReLU, and adding what it reads
		Residual{
			Body:     []Layer{Conv2D{Out: 10, Kernel: 3, Stride: 2, Padding: 1, NoBias: true}, BatchNorm{}, ReLU{}, Conv2D{Out: 10, Kernel: 3, Padding: 1, NoBias: true}, BatchNorm{}},
			Shortcut: []Layer{Subsample{Stride: 2, Out: 10}},
		}, ReLU{},
		Residual{
			Body:     []Layer{Conv2D{Out: 8, Kernel: 3, Stride: 2, Padding: 1, NoBias: true}, BatchNorm{}},
			Shortcut: []Layer{Conv2D{Out: 8, Kernel: 1, Stride: 2, NoBias: true}, BatchNorm{}},
		}, ReLU{},
		GlobalAvgPool{}, Dense{Out: 4},
	},
	"pre-activated": {
		Conv2D{Out: 6, Kernel: 5, Stride: 2, Padding: 2}, LayerNorm{}, GELU{},
		Residual{Body: []Layer{BatchNorm{}, ReLU{}, Conv2D{Out: 6, Kernel: 3, Padding: 2, Dilation: 2}, Tanh{}, Conv2D{Out: 6, Kernel: 1}}},
		Residual{Body: []Layer{BatchNorm{}, Conv2D{Out: 9, Kernel: 1}}, Shortcut: []Layer{Subsample{Stride: 1, Out: 9}}},
		AvgPool{Size: 3, Stride: 2, Padding: 1}, Sigmoid{}, Conv2D{Out: 5, Kernel: 1}, ReLU{}, Flatten{}, Dense{Out: 7}, GELU{}, Dense{Out: 4},
	},
	"bare": {
		Conv2D{Out: 3, Kernel: 3, NoBias: true}, AvgPool{Size: 2}, ReLU{}, Sequential{BatchNorm{}, Tanh{}},
		Conv2D{Out: 4, Kernel: 2, Padding: SamePadding}, BatchNorm{}, Flatten{}, LayerNorm{}, Dense{Out: 4}, // a bias before a normalisation
	},
}

// Losses and gradients of whole models against float64, with all that passes can be
// asked for, and the same by ops that are not fused.
func TestImageModelsAgainstOracle(t *testing.T) {
	input := Shape{9, 8, 3}
	simdtest.EachISA(t, func(t *testing.T) {
		for name, layers := range images {
			t.Run(name, func(t *testing.T) {
				for _, plain := range []bool{false, true} {
					m, err := compile(input, plain, layers...)
					require.NoError(t, err)
					oracle, _ := reference(input, layers...)
					require.Equal(t, oracle.Params(), m.NumParams())
					r := rand.New(rand.NewPCG(1, 1))
					checkPass(t, twin{m, oracle}, randomParams(r, m), randomBatch(r, m, 14), shardsFrom(1, 4, 3, 5))
				}
			})
		}
	})
}

// Fusion leaves no op behind that it knows how to take along.
func TestFusion(t *testing.T) {
	for name, want := range map[string][]string{
		"lenet": {"0.Conv2D", "1.ReLU+MaxPool", "3.Conv2D", "4.MaxPool+ReLU", "7.Dense+ReLU", "9.Dense"},
		"residual": {
			"0.Conv2D+BatchNorm+ReLU",
			"3.Residual.body.0.Conv2D+BatchNorm+ReLU", "3.Residual.body.3.Conv2D+BatchNorm+Residual+ReLU",
			"5.Residual.body.0.Conv2D+BatchNorm+Residual",
			"6.Residual.shortcut.0.Subsample", "6.Residual.body.0.Conv2D+BatchNorm+ReLU", "6.Residual.body.3.Conv2D+BatchNorm+Residual+ReLU",
			"8.Residual.shortcut.0.Conv2D+BatchNorm", "8.Residual.body.0.Conv2D+BatchNorm+Residual+ReLU",
			"10.GlobalAvgPool", "11.Dense",
		},
	} {
		m, err := Compile(Shape{9, 8, 3}, images[name]...)
		require.NoError(t, err)
		var got []string
		for _, op := range m.Ops() {
			got = append(got, op.Name)
		}
		assert.Equal(t, want, got)
	}
}

// In prediction, samples are normalised by the running state, fused or not.
func TestImageModelsPredictAlike(t *testing.T) {
	for name, layers := range images {
		fused, err := Compile(Shape{9, 8, 3}, layers...)
		require.NoError(t, err)
		plain, err := compile(Shape{9, 8, 3}, true, layers...)
		require.NoError(t, err)
		r := rand.New(rand.NewPCG(2, 2))
		params := randomParams(r, fused)
		for i := range params.State {
			params.State[i] = float32(0.5 + r.Float64())
		}
		x := normal(r, 5*fused.InputShape().Size())
		want, err := plain.Outputs(params, x)
		require.NoError(t, err)
		got, err := fused.Outputs(params, x)
		require.NoError(t, err)
		requireNear(t, ref.Float64s(want), got, bound(8, 100), name)
	}
}

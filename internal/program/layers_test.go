package program_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// reference returns the float64 form of layers, and the shape of what they make.
func reference(in op.Shape, layers ...op.Layer) (oracle ref.Net, out op.Shape) {
	for _, l := range layers {
		b, v := program.NewBuilder(in)
		made, err := b.Chain(v, l)
		if err != nil {
			panic(err)
		}
		out := b.Shape(made)
		channels := in[len(in)-1]
		switch l := l.(type) {
		case net.Dense:
			oracle = append(oracle, ref.ByRow{Layer: ref.Dense{In: channels, Out: l.Out}, Width: channels})
		case net.MultiHeadAttention:
			oracle = append(oracle, ref.MultiHeadAttention(l.Heads, channels, l.Causal, l.Rotary)...)
		case net.Embedding:
			oracle = append(oracle, ref.Embedding{
				Vocabulary: l.Vocabulary, Length: in[0], Width: l.Width, Segments: l.Segments,
				Learned: l.Positions == net.LearnedPositions, Sinusoidal: l.Positions == net.SinusoidalPositions,
			})
		case net.AddPositions:
			oracle = append(oracle, ref.Embedding{Length: in[0], Width: channels, Learned: !l.Sinusoidal, Sinusoidal: l.Sinusoidal})
		case net.Pooling:
			oracle = append(oracle, ref.Pooling{Width: channels, First: l.First})
		case net.Conv2D:
			g := geometry(in, l.Kernel, l.Stride, l.Padding, l.Dilation)
			g.OutC = l.Out
			oracle = append(oracle, ref.Conv2D{Geometry: g, Bias: !l.NoBias})
		case net.BatchNorm:
			oracle = append(oracle, ref.BatchNorm{Features: channels, Epsilon: 1e-5})
		case net.LayerNorm:
			oracle = append(oracle, ref.LayerNorm{Features: channels, Epsilon: 1e-5})
		case net.ReLU:
			oracle = append(oracle, ref.ReLU{})
		case net.Tanh:
			oracle = append(oracle, ref.Pointwise{F: math.Tanh, Derivative: func(x float64) float64 { return 1 - math.Tanh(x)*math.Tanh(x) }})
		case net.Sigmoid:
			f := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
			oracle = append(oracle, ref.Pointwise{F: f, Derivative: func(x float64) float64 { return f(x) * (1 - f(x)) }})
		case net.GELU:
			phi := func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
			oracle = append(oracle, ref.Pointwise{
				F:          func(x float64) float64 { return x * phi(x) },
				Derivative: func(x float64) float64 { return phi(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi) },
			})
		case net.MaxPool:
			oracle = append(oracle, ref.MaxPool{Window: pooled(in, l.Size, l.Stride, l.Padding)})
		case net.AvgPool:
			oracle = append(oracle, ref.AvgPool{Window: pooled(in, l.Size, l.Stride, l.Padding)})
		case net.GlobalAvgPool:
			g := conv.Geometry{Batch: 1, InH: in[0], InW: in[1], InC: channels, OutC: channels, KernelH: in[0], KernelW: in[1]}
			oracle = append(oracle, ref.AvgPool{Window: g})
		case net.Subsample:
			oracle = append(oracle, ref.Subsample{H: in[0], W: in[1], C: channels, Stride: l.Stride, Out: out[2]})
		case net.Sequential:
			inner, _ := reference(in, l...)
			oracle = append(oracle, inner...)
		case net.Residual:
			shortcut, _ := reference(in, l.Shortcut...)
			body, _ := reference(in, l.Body...)
			oracle = append(oracle, ref.Residual{Shortcut: shortcut, Body: body})
		case net.Flatten:
		default:
			panic(fmt.Sprintf("no oracle for %T", l))
		}
		in = out
	}
	return oracle, in
}

// pooled is the windows of a pooling as a convolution's.
func pooled(in op.Shape, size, stride, pixels int) conv.Geometry {
	if stride == 0 {
		stride = size
	}
	return geometry(in, size, stride, pixels, 1)
}

// geometry is that of one image's windows, with as many channels as the input has.
func geometry(in op.Shape, size, stride, pixels, dilation int) conv.Geometry {
	g := conv.Geometry{
		Batch: 1, InH: in[0], InW: in[1], InC: in[2], OutC: in[2], KernelH: size, KernelW: size,
		StrideH: stride, StrideW: stride, DilationH: dilation, DilationW: dilation,
		PadTop: pixels, PadBottom: pixels, PadLeft: pixels, PadRight: pixels,
	}
	if pixels == net.Same {
		g.PadTop, g.PadBottom = conv.Same(in[0], size, max(1, stride), max(1, dilation))
		g.PadLeft, g.PadRight = conv.Same(in[1], size, max(1, stride), max(1, dilation))
	}
	return g
}

// images are models of all layers for images, fused in every way that there is and in none.
var images = map[string][]op.Layer{
	"lenet": {
		net.Conv2D{Out: 5, Kernel: 3, Padding: net.Same}, net.ReLU{}, net.MaxPool{Size: 2},
		net.Conv2D{Out: 7, Kernel: 3}, net.MaxPool{Size: 2, Stride: 1}, net.ReLU{}, net.Flatten{}, net.Dense{Out: 9}, net.ReLU{}, net.Dense{Out: 4},
	},
	"residual": {
		net.Conv2D{Out: 6, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{}, net.ReLU{},
		net.Residual{Body: []op.Layer{
			net.Conv2D{Out: 6, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{}, net.ReLU{},
			net.Conv2D{Out: 6, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{},
		}}, net.ReLU{},
		net.Residual{Body: []op.Layer{net.Conv2D{Out: 6, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{}}}, // without ReLU, and adding what it reads
		net.Residual{
			Body:     []op.Layer{net.Conv2D{Out: 10, Kernel: 3, Stride: 2, Padding: 1, NoBias: true}, net.BatchNorm{}, net.ReLU{}, net.Conv2D{Out: 10, Kernel: 3, Padding: 1, NoBias: true}, net.BatchNorm{}},
			Shortcut: []op.Layer{net.Subsample{Stride: 2, Out: 10}},
		}, net.ReLU{},
		net.Residual{
			Body:     []op.Layer{net.Conv2D{Out: 8, Kernel: 3, Stride: 2, Padding: 1, NoBias: true}, net.BatchNorm{}},
			Shortcut: []op.Layer{net.Conv2D{Out: 8, Kernel: 1, Stride: 2, NoBias: true}, net.BatchNorm{}},
		}, net.ReLU{},
		net.GlobalAvgPool{}, net.Dense{Out: 4},
	},
	"pre-activated": {
		net.Conv2D{Out: 6, Kernel: 5, Stride: 2, Padding: 2}, net.LayerNorm{}, net.GELU{},
		net.Residual{Body: []op.Layer{net.BatchNorm{}, net.ReLU{}, net.Conv2D{Out: 6, Kernel: 3, Padding: 2, Dilation: 2}, net.Tanh{}, net.Conv2D{Out: 6, Kernel: 1}}},
		net.Residual{Body: []op.Layer{net.BatchNorm{}, net.Conv2D{Out: 9, Kernel: 1}}, Shortcut: []op.Layer{net.Subsample{Stride: 1, Out: 9}}},
		net.AvgPool{Size: 3, Stride: 2, Padding: 1}, net.Sigmoid{}, net.Conv2D{Out: 5, Kernel: 1}, net.ReLU{}, net.Flatten{}, net.Dense{Out: 7}, net.GELU{}, net.Dense{Out: 4},
	},
	"bare": {
		net.Conv2D{Out: 3, Kernel: 3, NoBias: true}, net.AvgPool{Size: 2}, net.ReLU{}, net.Sequential{net.BatchNorm{}, net.Tanh{}},
		net.Conv2D{Out: 4, Kernel: 2, Padding: net.Same}, net.BatchNorm{}, net.Flatten{}, net.LayerNorm{}, net.Dense{Out: 4}, // a bias before a normalization
	},
}

// Losses and gradients of whole models against float64, with all that passes can be asked for, and
// the same by ops that are not fused.
func TestImageModelsAgainstOracle(t *testing.T) {
	input := op.Shape{9, 8, 3}
	simdtest.EachISA(t, func(t *testing.T) {
		for name, layers := range images {
			t.Run(name, func(t *testing.T) {
				for _, plain := range []bool{false, true} {
					compile := compile
					if plain {
						compile = compilePlain
					}
					m, err := compile(input, layers...)
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
		m, err := compile(op.Shape{9, 8, 3}, images[name]...)
		require.NoError(t, err)
		var got []string
		for _, op := range m.Ops() {
			got = append(got, op.Name)
		}
		assert.Equal(t, want, got)
	}
}

// In prediction, samples are normalized by the running state, fused or not.
func TestImageModelsPredictAlike(t *testing.T) {
	for name, layers := range images {
		fused, err := compile(op.Shape{9, 8, 3}, layers...)
		require.NoError(t, err)
		plain, err := compilePlain(op.Shape{9, 8, 3}, layers...)
		require.NoError(t, err)
		r := rand.New(rand.NewPCG(2, 2))
		params := randomParams(r, fused)
		for i := range params.State {
			params.State[i] = float32(0.5 + r.Float64())
		}
		x := ref.Normal(r, 5*fused.InputShape().Size())
		want := outputs(plain, params, x)
		got := outputs(fused, params, x)
		ref.RequireNear(t, ref.Float64s(want), got, ref.Bound(8, 100), name)
	}
}

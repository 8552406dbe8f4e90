package net

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// Dense is a fully connected layer, y = x W + b, on flat samples: [In] to
// [Out]. W is [In, Out], b is [Out], initially zero.
type Dense struct {
	Out  int         // features of the output
	Init Initializer // of W; nil is KaimingNormal
}

// Build implements Layer.
func (d Dense) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	if len(s) != 1 {
		return 0, errors.New("samples must be flat: put Flatten{} before it")
	}
	if d.Out < 1 {
		return 0, fmt.Errorf("Out is %d, want at least 1", d.Out)
	}
	return b.Add(dense{in: s[0], out: d.Out, init: d.Init.or(KaimingNormal).fans(s[0], d.Out)}, Shape{d.Out}, in)
}

// dense is the op, with a ReLU behind it or not: its parameters are W, then b.
type dense struct {
	in, out int
	relu    bool
	init    func(*rand.Rand, []float32)
}

func (d dense) Traits() op.Traits {
	unit := int64(2 * d.in * d.out)
	return op.Traits{
		Params: []op.Param{
			{Name: "weight", Shape: Shape{d.in, d.out}, Role: Weight, Init: d.init},
			{Name: "bias", Shape: Shape{d.out}, Role: Bias},
		},
		Deferred: true,
		FreesOut: !d.relu, InForGradient: true, OutForPrepare: true,
		Flops: op.Flops{Forward: unit, Backward: unit, Gradient: unit},
	}
}

func (d dense) split(p []float32) (w blas.Mat[float32], b []float32) {
	return blas.RowMajor(p[:d.in*d.out], d.in, d.out), p[d.in*d.out:]
}

// rows views a tensor of flat samples as a matrix, a sample a row.
func rows(t op.Tensor) blas.Mat[float32] { return blas.RowMajor(t.Data, t.N, t.Shape.Size()) }

func (d dense) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	w, b := d.split(p)
	blas.MatMul(c.Team, rows(out), rows(in[0]), w, blas.Options[float32]{Accumulate: c.Accumulate, Bias: b, ReLU: d.relu, PackedB: op.Pack[*blas.PackedB[float32]](c, 0)})
}

// Absorb implements op.Absorber: a ReLU.
func (d dense) Absorb(next op.Op) op.Op {
	if d.relu || next.Traits().Function != op.Rectify {
		return nil
	}
	d.relu = true
	return d
}

// Prepare implements op.Preparer.
func (d dense) Prepare(c *op.Call, _ []float32, _ []op.Tensor, out, dout op.Tensor) {
	if d.relu {
		op.Elementwise(c.Team, simd.ReLUBackward, dout.Data, dout.Data, out.Data)
	}
}

func (d dense) Backward(c *op.Call, p []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	if din[0].Wanted() {
		w, _ := d.split(p)
		blas.MatMul(c.Team, rows(din[0]), rows(dout), w.T(), blas.Options[float32]{PackedB: op.Pack[*blas.PackedB[float32]](c, 1)})
	}
}

func (d dense) Gradient(c *op.Call, in []op.Tensor, _, dout op.Tensor, g []float32) {
	w, b := d.split(g)
	blas.MatMul(c.Team, w, rows(in[0]).T(), rows(dout), blas.Options[float32]{Accumulate: c.Accumulate})
	if !c.Accumulate {
		clear(b)
	}
	for i := range dout.N {
		simd.Axpy(1, dout.Data[i*d.out:][:d.out], b)
	}
}

// NewPacks implements op.Packer: W for Forward, its transpose for Backward.
func (d dense) NewPacks(wanted op.Directions) []op.Packed {
	packs := make([]op.Packed, 2)
	if wanted.Forward {
		packs[0] = blas.NewPackedB[float32](d.in, d.out)
	}
	if wanted.Backward {
		packs[1] = blas.NewPackedB[float32](d.out, d.in)
	}
	return packs
}

func (d dense) Pack(team *blas.Team, p []float32, packs []op.Packed) {
	w, _ := d.split(p)
	for i, w := range []blas.Mat[float32]{w, w.T()} {
		if packs[i] != nil {
			packs[i].(*blas.PackedB[float32]).Pack(team, w)
		}
	}
}

// The factored gradient. With X the shard's inputs and D its output gradients,
// one row a sample, the gradient is G = X'D for the weights and D'1 for the
// bias, and so (writing ' for the transpose, o for the elementwise product)
//
//	||G||^2 + ||D'1||^2 = sum of (D D') o (X X' + 1)
//	Z G + D'1           = (Z X' + 1) D        for inputs Z
//	E G'                = (E D') X            for output gradients E
//
// which costs products with the shard's few samples in place of the weights'
// many rows. The first is a sum of what may be large and cancel: it is summed
// in float64, and never below 0.

func (d dense) GradNormSq(c *op.Call, in, dout op.Tensor) float64 {
	xx, dd := c.Kept[:in.N*in.N], c.Scratch[:in.N*in.N]
	d.gram(c, in, in, 1, xx)
	d.gram(c, dout, dout, 0, dd)
	if !inRange(dd, dout.N) || !inRange(xx, in.N) {
		return normSqFar(in, dout)
	}
	return max(0, simd.Dot64(dd, xx))
}

// inRange reports whether the squared norms of n rows, on the diagonal of their Gram
// matrix, are far from where float32 loses digits or overflows. Products that vanish
// below 2^-149 are nothing beside a largest square above 2^-110.
func inRange(gram []float32, n int) bool {
	largest := float32(0)
	for i := range n {
		square := gram[i*n+i]
		if square-square != 0 {
			return false
		}
		largest = max(largest, square)
	}
	return largest > 0x1p-110
}

// normSqFar is GradNormSq in float64, for operands whose squares are beyond float32.
func normSqFar(in, dout op.Tensor) (sum float64) {
	for a := range in.N {
		sum += float64(dot64(dout, a, dout, a) * (dot64(in, a, in, a) + 1))
		for b := range a {
			sum += 2 * float64(dot64(dout, a, dout, b)*(dot64(in, a, in, b)+1))
		}
	}
	return max(0, sum)
}

// forwardDeltaFar is ForwardDelta in float64, for inputs whose squares are beyond float32.
func forwardDeltaFar(x, in, dout, out op.Tensor) {
	size := out.Shape.Size()
	sums := make([]float64, size)
	for a := range x.N {
		clear(sums)
		for b := range in.N {
			product := dot64(x, a, in, b) + 1
			for j, d := range dout.Slice(b, 1).Data {
				sums[j] += float64(product * float64(d))
			}
		}
		for j, sum := range sums {
			out.Data[a*size+j] = float32(sum)
		}
	}
}

// dot64 is the product of sample i of x with sample j of y, in float64.
func dot64(x op.Tensor, i int, y op.Tensor, j int) (sum float64) {
	to := y.Slice(j, 1).Data
	for k, v := range x.Slice(i, 1).Data {
		sum += float64(float64(v) * float64(to[k]))
	}
	return sum
}

// gram sets to to the products of a's samples with b's, plus constant.
func (d dense) gram(c *op.Call, a, b op.Tensor, constant float32, to []float32) {
	for i := range to {
		to[i] = constant
	}
	blas.MatMul(c.Team, blas.RowMajor(to, a.N, b.N), rows(a), rows(b).T(), blas.Options[float32]{Accumulate: true})
}

func (d dense) ForwardDelta(c *op.Call, x, in, dout, out op.Tensor) {
	if !inRange(c.Kept, in.N) {
		forwardDeltaFar(x, in, dout, out)
		return
	}
	zx := c.Kept[:in.N*in.N] // the model's input is the same in both passes: GradNormSq's product serves
	if &x.Data[0] != &in.Data[0] {
		zx = c.Scratch[:x.N*in.N]
		d.gram(c, x, in, 1, zx)
	}
	blas.MatMul(c.Team, rows(out), blas.RowMajor(zx, x.N, in.N), rows(dout), blas.Options[float32]{})
}

func (d dense) BackwardDelta(c *op.Call, e, in, dout, din op.Tensor) {
	ed := c.Scratch[:e.N*dout.N]
	d.gram(c, e, dout, 0, ed)
	blas.MatMul(c.Team, rows(din), blas.RowMajor(ed, e.N, dout.N), rows(in), blas.Options[float32]{Accumulate: true})
}

func (d dense) Kept(n int) int    { return n * n }
func (d dense) Scratch(n int) int { return n * n }

func (d dense) DeltaFlops(n int, first bool) int64 {
	square := int64(2 * n * n)
	in, out := int64(d.in), int64(d.out)
	flops := square * (in + out + out) // XX', DD', and one product with D
	if !first {
		flops += square * (in + out + in) // ZX', ED', and one product with X
	}
	return flops
}

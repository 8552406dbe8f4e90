package net

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// Dense is a fully connected layer, y = x W + b, from flat samples [In] to flat samples [Out], or
// from rows [L, In] of each sample to rows [L, Out]. Its parameters are the weights W [In, Out] and
// the bias b [Out], initially 0.
type Dense struct {
	Out  int         // features of the output, at least 1
	Init Initializer // of W; nil is KaimingNormal
}

// Build implements Layer.
func (d Dense) Build(b op.Builder, in op.Value) (op.Value, error) {
	s := b.Shape(in)
	if len(s) > 2 {
		return 0, errors.New("samples must be flat: put Flatten{} before it")
	}
	if d.Out < 1 {
		return 0, fmt.Errorf("Out is %d, want at least 1", d.Out)
	}
	width := s[len(s)-1]
	out := append(slices.Clone(s[:len(s)-1]), d.Out)
	return b.Add(dense{rows: s.Size() / width, in: width, out: d.Out, init: d.Init.or(KaimingNormal).fans(width, d.Out)}, out, in)
}

// dense is the op, possibly fused with the ReLU behind it.
type dense struct {
	rows    int // of a sample, at most
	in, out int
	relu    bool
	init    func(*rand.Rand, []float32)
}

func (d dense) Traits() op.Traits {
	unit := int64(2*d.in*d.out) * int64(d.rows)
	return op.Traits{
		Params: []op.Param{
			{Name: "weight", Shape: Shape{d.in, d.out}, Role: Weight, Init: d.init},
			{Name: "bias", Shape: Shape{d.out}, Role: Bias},
		},
		Deferred: d.rows == 1, Rounds: true,
		FreesOut: !d.relu, InForGradient: true, OutForPrepare: true,
		Flops: op.Flops{Forward: unit, Backward: unit, Gradient: unit},
	}
}

// split cuts parameters into W and b.
func (d dense) split(p []float32) (w blas.Mat[float32], b []float32) {
	return blas.RowMajor(p[:d.in*d.out], d.in, d.out), p[d.in*d.out:]
}

// rows views a tensor as a matrix of its rows: a row a sample if samples are flat.
func rows(t op.Tensor) blas.Mat[float32] { return blas.RowMajor(t.Data, t.Rows(), t.Width()) }

func (d dense) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	w, b := d.split(p)
	blas.MatMul(c.Team, rows(out), rows(in[0]), w, blas.Options[float32]{
		Accumulate: c.Accumulate, Bias: b, ReLU: d.relu, PackedB: op.Pack[*blas.PackedB[float32]](c, 0), Precision: c.Precision,
	})
}

// Absorb implements op.Absorber. It absorbs a ReLU.
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
		blas.MatMul(c.Team, rows(din[0]), rows(dout), w.T(), blas.Options[float32]{PackedB: op.Pack[*blas.PackedB[float32]](c, 1), Precision: c.Precision})
	}
}

func (d dense) Gradient(c *op.Call, in []op.Tensor, _, dout op.Tensor, g []float32) {
	w, b := d.split(g)
	if c.Only != Bias {
		blas.MatMul(c.Team, w, rows(in[0]).T(), rows(dout), blas.Options[float32]{Accumulate: c.Accumulate, Precision: c.Precision})
	}
	if c.Only == Weight {
		return
	}
	if !c.Accumulate {
		clear(b)
	}
	for i := range dout.Rows() {
		simd.Axpy(1, dout.Data[i*d.out:][:d.out], b)
	}
}

// NewPacks implements op.Packer. The packs are W for Forward, and its transpose for Backward.
func (d dense) NewPacks(wanted op.Directions) []op.Packed {
	packs := make([]op.Packed, 2)
	if wanted.Forward {
		packs[0] = newPacked(wanted.Precision, d.in, d.out)
	}
	if wanted.Backward {
		packs[1] = newPacked(wanted.Precision, d.out, d.in)
	}
	return packs
}

// newPacked returns the packed form of matrices of k rows and n columns for products of a precision.
func newPacked(precision blas.Precision, k, n int) *blas.PackedB[float32] {
	if precision == blas.BFloat16 {
		return blas.NewRoundedB(k, n)
	}
	return blas.NewPackedB[float32](k, n)
}

func (d dense) Pack(team *blas.Team, p []float32, packs []op.Packed) {
	w, _ := d.split(p)
	for i, w := range []blas.Mat[float32]{w, w.T()} {
		if packs[i] != nil {
			packs[i].(*blas.PackedB[float32]).Pack(team, w)
		}
	}
}

// The factored gradient. X is the shard's inputs and D its output gradients, one row a sample. The
// gradient is G = X'D for the weights and D'1 for the bias, where ' is the transpose. With o for
// the elementwise product,
//
//	||G||^2 + ||D'1||^2 = sum of (D D') o (X X' + 1)
//	Z G + D'1           = (Z X' + 1) D        for inputs Z
//	E G'                = (E D') X            for output gradients E
//
// These are products with the shard's few samples in place of the weights' many rows. The terms of
// the first may be large and cancel, so they are summed in float64, and the sum is at least 0.

// The products of samples, such as D D' and X X' + 1, usually fit into float32. If one overflows,
// or if all its elements are so small that digits are lost, the method at hand computes in float64
// (dense_far.go).

// Each call computes the products of all shards at once, as the blocks of a block-diagonal matrix.

// Samples of several rows count as several samples there: ofRows has the shards' rows.

func (d dense) GradNormSq(c *op.Call, in, dout op.Tensor, shards []op.Shard, sq []float64) {
	r := ofRows(shards, in)
	defer r.release()
	in, dout, shards = byRow(in), byRow(dout), r.shards
	n := blocks(shards)
	dd, xx := c.Scratch[:n], c.Scratch[n:]
	if len(c.Kept) > 0 {
		xx = c.Kept
	}
	xx = xx[:n]
	blas.Grams(c.Team, xx, rows(in), rows(in), shards, 1)
	blas.Grams(c.Team, dd, rows(dout), rows(dout), shards, 0)
	for s, shard := range shards {
		n := shard.N * shard.N
		if gramInRange(dd[:n], shard.N) && gramInRange(xx[:n], shard.N) {
			sq[s] = max(0, simd.Dot64(dd[:n], xx[:n]))
		} else {
			sq[s] = gradNormSqFar(in.Of(shard), dout.Of(shard))
		}
		xx, dd = xx[n:], dd[n:]
	}
}

func (d dense) ForwardDelta(c *op.Call, x, in, dout, out op.Tensor, shards []op.Shard) {
	r := ofRows(shards, in)
	defer r.release()
	x, in, dout, out, shards = byRow(x), byRow(in), byRow(dout), byRow(out), r.shards
	// Where x is in, as for the model's input, which is the same in both passes, GradNormSq's
	// products serve.
	n, zx := blocks(shards), c.Kept
	if len(zx) > 0 && &x.Data[0] == &in.Data[0] {
		zx = zx[:n]
	} else {
		zx = c.Scratch[:n]
		blas.Grams(c.Team, zx, rows(x), rows(in), shards, 1)
	}
	blas.MulBlocks(c.Team, rows(out), zx, rows(dout), shards, false)
	for _, shard := range shards {
		n := shard.N * shard.N
		if !inRange(zx[:n]) {
			forwardDeltaFar(x.Of(shard), in.Of(shard), dout.Of(shard), out.Of(shard))
		}
		zx = zx[n:]
	}
}

func (d dense) BackwardDelta(c *op.Call, e, in, dout, din op.Tensor, shards []op.Shard) {
	r := ofRows(shards, in)
	defer r.release()
	e, in, dout, din, shards = byRow(e), byRow(in), byRow(dout), byRow(din), r.shards
	ed := c.Scratch[:blocks(shards)]
	blas.Grams(c.Team, ed, rows(e), rows(dout), shards, 0)
	for s, all := 0, ed; s < len(shards); s++ {
		n := shards[s].N * shards[s].N
		if !inRange(all[:n]) {
			backwardDeltaFar(e.Of(shards[s]), in.Of(shards[s]), dout.Of(shards[s]), din.Of(shards[s]))
			clear(all[:n])
		}
		all = all[n:]
	}
	blas.MulBlocks(c.Team, rows(din), ed, rows(in), shards, true)
}

// blocks returns the elements of the shards' products of samples.
func blocks(shards []op.Shard) (n int) {
	for _, s := range shards {
		n += s.N * s.N
	}
	return n
}

func (d dense) Kept(n int, first bool) int {
	if !first {
		return 0
	}
	return d.square(n)
}

// square is the size of the product of n samples with each other, at most; the largest int if that
// is more, as of long texts.
func (d dense) square(n int) int {
	rows := num.Times(n, d.rows)
	return num.Times(rows, rows)
}

func (d dense) Scratch(n int, first bool) int {
	if first {
		return d.square(n)
	}
	return num.Times(2, d.square(n))
}

func (d dense) DeltaFlops(n int, first bool) int64 {
	features := d.in + d.out + d.out // XX', DD', and one product with D
	if !first {
		features += d.in + d.out + d.in // ZX', ED', and one product with X
	}
	// Of many rows an int64 hasn't room for the operations, and the sum of several layers' is
	// taken. Below 2^53, floats are exact.
	rows := float64(n) * float64(d.rows)
	return int64(min(2*rows*rows*float64(features), 1<<56))
}

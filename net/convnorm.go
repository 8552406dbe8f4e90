package net

import "github.com/steppe-ml/steppe/net/op"

// convNorm is a convolution fused with the batch normalization behind it, and possibly with the
// addition of a second input and with a ReLU. Of the values between them, only the convolution's
// output is written to memory. Its statistics are summed while it is in the cache, and Aux keeps
// it. In the backward pass its gradient takes its place.
type convNorm struct {
	convolution
	norm normalization
	adds bool // adds the second input
}

func (o convNorm) Traits() op.Traits {
	t := o.convolution.Traits()
	t.Params = append(t.Params, o.norm.params()...)
	t.State, t.MinShard = o.norm.state(), o.norm.minShard()
	t.Aux = op.Aux{Sample: o.geometry.OutSize(), Call: o.norm.auxFloats()}
	t.Couples, t.Selects = true, true
	t.Adds = !o.adds
	t.DoutForPrepare = true              // Prepare leaves its result in Aux
	t.FreesOut = !o.norm.relu || !o.adds // otherwise Prepare reads where the ReLU gave 0
	if o.adds {
		t.DinFromDout = 1
	}
	return t
}

// kept returns the parts of Aux: the convolution's output, and the normalization's vectors.
func (o convNorm) kept(c *op.Call, n int) (x op.Tensor, aux []float32) {
	floats := n * o.geometry.OutSize()
	return op.Tensor{N: n, Shape: o.out, Data: c.Aux[:floats]}, c.Aux[floats:]
}

// parts cuts parameters, or their gradients, into the convolution's and the normalization's.
func (o convNorm) parts(p []float32) (filter, norm []float32) {
	at := len(p) - 2*o.norm.channels
	return p[:at], p[at:]
}

// added returns the second input, or nil if there is none.
func (o convNorm) added(in []op.Tensor) []float32 {
	if !o.adds {
		return nil
	}
	return in[1].Data
}

func (o convNorm) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	filter, norm := o.parts(p)
	x, aux := o.kept(c, out.N)
	if o.norm.measures(c) {
		j := newChannelJob(x, nil)
		sums := j.buffer(2 * o.norm.channels)
		o.forward(c, filter, in[0], x, sums)
		o.norm.measure(c, aux, j.rows, sums[:o.norm.channels], sums[o.norm.channels:])
		j.release()
	} else {
		o.forward(c, filter, in[0], x, nil)
	}
	o.norm.affine(c, aux, norm)
	o.norm.normalize(c, aux, x, o.added(in), out)
}

// Absorb implements op.Absorber. It absorbs the addition of a second input, and then a ReLU.
func (o convNorm) Absorb(next op.Op) op.Op {
	if o.norm.relu {
		return nil
	}
	switch function := next.Traits().Function; {
	case function == op.Rectify:
		o.norm.relu = true
		return o
	case function == op.Sum && !o.adds:
		o.adds = true
		return o
	}
	return nil
}

// Commit implements op.Stateful.
func (o convNorm) Commit(state, stats []float32) { o.norm.Commit(state, stats) }

// Rematerialize implements op.Rematerializer.
func (o convNorm) Rematerialize(c *op.Call, in []op.Tensor, out op.Tensor) {
	x, aux := o.kept(c, out.N)
	o.norm.normalize(c, aux, x, o.added(in), out)
}

// RematerializeReads implements op.Rematerializer.
func (convNorm) RematerializeReads(j int) bool { return j == 1 }

// Prepare implements op.Preparer. It overwrites the kept output of the convolution with its
// gradient. If there is a second input, it leaves that input's gradient in dout.
func (o convNorm) Prepare(c *op.Call, _ []float32, _ []op.Tensor, out, dout op.Tensor) {
	x, aux := o.kept(c, out.N)
	o.norm.sumGradients(c, aux, x, out, dout, o.adds)
	o.norm.backward(c.Team, aux, x, dout, x.Data, o.adds)
}

func (o convNorm) Gradient(c *op.Call, in []op.Tensor, _, dout op.Tensor, g []float32) {
	filter, norm := o.parts(g)
	dx, aux := o.kept(c, dout.N)
	if c.Only != op.Norm {
		o.convolution.Gradient(c, in, op.Tensor{}, dx, filter)
	}
	o.norm.gradient(c, aux, norm)
}

func (o convNorm) Backward(c *op.Call, p []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	filter, _ := o.parts(p)
	dx, _ := o.kept(c, dout.N)
	o.convolution.Backward(c, filter, nil, op.Tensor{}, dx, din)
	if o.adds && din[1].Wanted() && &din[1].Data[0] != &dout.Data[0] {
		op.Elementwise(c.Team, copyTo, din[1].Data, dout.Data, nil)
	}
}

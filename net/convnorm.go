package net

// convNorm is what fusion makes of a convolution, the batch normalisation of its output,
// and what may follow: the addition of a second input, and a ReLU. Between them nothing
// goes out to memory but the convolution's output, of which the statistics are summed
// while it is in the cache, and which is kept. On the way back its gradient takes its
// place.
type convNorm struct {
	convolution
	norm normalisation
	adds bool // the second input
}

func (o convNorm) Traits() Traits {
	t := o.convolution.Traits()
	t.Params = append(t.Params, o.norm.params()...)
	t.State, t.MinShard = o.norm.state(), o.norm.minShard()
	t.Aux = Aux{Sample: o.geometry.OutSize(), Call: o.norm.auxFloats()}
	t.Couples = true
	t.Adds = !o.adds
	t.DoutForPrepare = true              // which leaves its own result in Aux
	t.FreesOut = !o.norm.relu || !o.adds // otherwise it tells where the ReLU gave 0
	if o.adds {
		t.Passes = 1
	}
	return t
}

// kept returns the convolution's output, and what is kept of the normalisation.
func (o convNorm) kept(c *Call, n int) (x Tensor, aux []float32) {
	floats := n * o.geometry.OutSize()
	return Tensor{N: n, Shape: o.out, Data: c.Aux[:floats]}, c.Aux[floats:]
}

// parts cuts parameters, or their gradients, into the convolution's and the
// normalisation's.
func (o convNorm) parts(p []float32) (filter, norm []float32) {
	at := len(p) - 2*o.norm.channels
	return p[:at], p[at:]
}

// added returns the second input, nil if there is none.
func (o convNorm) added(in []Tensor) []float32 {
	if !o.adds {
		return nil
	}
	return in[1].Data
}

func (o convNorm) Forward(c *Call, p []float32, in []Tensor, out Tensor) {
	filter, norm := o.parts(p)
	x, aux := o.kept(c, out.N)
	if c.Train {
		j := newChannelJob(x, nil)
		sums := j.buffer(2 * o.norm.channels)
		o.forward(c, filter, in[0], x, sums)
		o.norm.measured(c, aux, j.rows, sums[:o.norm.channels], sums[o.norm.channels:])
		j.release()
	} else {
		o.forward(c, filter, in[0], x, nil)
	}
	o.norm.affine(c, aux, norm)
	o.norm.normalise(c, aux, x, o.added(in), out)
}

// Commit implements Stateful.
func (o convNorm) Commit(state, stats []float32) { o.norm.Commit(state, stats) }

// Remake implements Remaker.
func (o convNorm) Remake(c *Call, in []Tensor, out Tensor) {
	x, aux := o.kept(c, out.N)
	o.norm.normalise(c, aux, x, o.added(in), out)
}

// RemakeReads implements Remaker.
func (convNorm) RemakeReads(j int) bool { return j == 1 }

// Prepare implements Preparer: it sets what was the convolution's output to its
// gradient, and with a second input leaves that one's in dout.
func (o convNorm) Prepare(c *Call, _ []float32, _ []Tensor, out, dout Tensor) {
	x, aux := o.kept(c, out.N)
	o.norm.sumGradients(c, aux, x, out, dout, o.adds)
	o.norm.backward(c.Team, aux, x, dout, x.Data, o.adds)
}

func (o convNorm) Gradient(c *Call, in []Tensor, _, dout Tensor, g []float32) {
	filter, norm := o.parts(g)
	dx, aux := o.kept(c, dout.N)
	if c.Only != Norm {
		o.convolution.Gradient(c, in, Tensor{}, dx, filter)
	}
	o.norm.gradient(c, aux, norm)
}

func (o convNorm) Backward(c *Call, p []float32, _ []Tensor, _, dout Tensor, din []Tensor) {
	filter, _ := o.parts(p)
	dx, _ := o.kept(c, dout.N)
	o.convolution.Backward(c, filter, nil, Tensor{}, dx, din)
	if o.adds && din[1].Wanted() && &din[1].Data[0] != &dout.Data[0] {
		share(c.Team, copyTo, din[1].Data, dout.Data, nil)
	}
}

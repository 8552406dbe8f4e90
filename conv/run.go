package conv

// run is positions along one dimension of the target (the output of a forward
// pass; the input's gradient of a backward one) that see the same taps of the
// filter: those that fall into the padding are not among them.
type run struct {
	target, step, count int   // positions target, target+step, ...
	taps                []int // of the filter, by rising position in the source
	source, move        int   // where the first position sees the first tap, and how much further on the next does
	gap                 int   // from one tap to the next in the source
}

// dimension is one of a convolution's two dimensions.
type dimension struct{ in, out, kernel, stride, pad, dilation int }

func (g Geometry) rows() dimension {
	return dimension{g.InH, g.OutH(), g.KernelH, g.StrideH, g.PadTop, g.DilationH}
}

func (g Geometry) columns() dimension {
	return dimension{g.InW, g.OutW(), g.KernelW, g.StrideW, g.PadLeft, g.DilationW}
}

// forward returns the runs of the output's positions.
func (d dimension) forward() (runs []run) {
	for o := range d.out {
		r := run{target: o, step: 1, count: 1, move: d.stride, gap: d.dilation}
		for t := range d.kernel {
			if i := o*d.stride - d.pad + t*d.dilation; i >= 0 && i < d.in {
				if len(r.taps) == 0 {
					r.source = i
				}
				r.taps = append(r.taps, t)
			}
		}
		runs = r.extend(runs)
	}
	return runs
}

// backward returns the runs of the input's positions: position i has a part in
// output (i + pad - t*dilation) / stride for every tap t that divides it. So
// positions of one residue modulo the stride see the same taps, but for those
// beyond the edges, and are neighbors.
func (d dimension) backward() (runs []run) {
	for residue := range min(d.stride, d.in) {
		var ofResidue []run
		for i := residue; i < d.in; i += d.stride {
			r := run{target: i, step: d.stride, count: 1, move: 1, gap: d.dilation / d.common()}
			for t := d.kernel - 1; t >= 0; t-- {
				o := i + d.pad - t*d.dilation
				if o%d.stride == 0 && o >= 0 && o/d.stride < d.out {
					if len(r.taps) == 0 {
						r.source = o / d.stride
					}
					r.taps = append(r.taps, t)
				}
			}
			ofResidue = r.extend(ofResidue)
		}
		runs = append(runs, ofResidue...)
	}
	return runs
}

// backwardOrder returns the taps so that those that a run of backward sees lie
// one behind the other.
func (d dimension) backwardOrder() (order []int) {
	apart := d.stride / d.common()
	for residue := range min(apart, d.kernel) {
		for t := d.kernel - 1; t >= 0; t-- {
			if t%apart == residue {
				order = append(order, t)
			}
		}
	}
	return order
}

// common is the greatest common divisor of stride and dilation.
func (d dimension) common() int {
	a, b := d.stride, d.dilation
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// extend adds a single position to runs: to the last one if it sees the same
// taps, as a run of its own otherwise.
func (r run) extend(runs []run) []run {
	if last := len(runs) - 1; last >= 0 {
		l := &runs[last]
		follows := len(r.taps) == len(l.taps) && (len(r.taps) == 0 ||
			r.taps[0] == l.taps[0] && r.source == l.source+l.count*l.move)
		if follows {
			l.count++
			return runs
		}
	}
	return append(runs, r)
}

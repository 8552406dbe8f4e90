package net

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// LayerInfo describes an op as its layer has made it, before fusion.
type LayerInfo struct {
	Name   string // "3.Residual.body.0.Conv2D"
	Out    Shape  // of a sample's output
	Params int    // floats
	Flops  Flops  // of a sample, in products; what reads the model's input alone has no gradient to pass on
}

// Layers describes the program op by op, as it was written. Flatten has no op.
func (m *Model) Layers() []LayerInfo { return m.layers }

// describeLayers is what Layers returns, before fusion.
func (m *Model) describeLayers() {
	for _, n := range m.nodes {
		flops := n.traits.Flops
		if !slices.ContainsFunc(n.in, func(v Value) bool { return !m.isInput(v) }) {
			flops.Backward = 0
		}
		m.layers = append(m.layers, LayerInfo{n.name, m.shapes[n.out], n.params.len(), flops})
	}
}

// Summary lists the layers with the shapes of their outputs, their parameters, and the
// floating-point operations that one sample takes forward, in products alone.
func (m *Model) Summary() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "layer\toutput\tparameters\tMFLOP\n")
	fmt.Fprintf(t, "input\t%v\t\t\n", m.InputShape())
	var total Flops
	for _, l := range m.layers {
		params, flops := "", ""
		if l.Params > 0 {
			params = fmt.Sprint(l.Params)
		}
		if l.Flops.Forward > 0 {
			flops = mega(l.Flops.Forward)
		}
		fmt.Fprintf(t, "%s\t%v\t%s\t%s\n", l.Name, l.Out, params, flops)
		total.Forward += l.Flops.Forward
		total.Backward += l.Flops.Backward
		total.Gradient += l.Flops.Gradient
	}
	fmt.Fprintf(t, "in all\t\t%d\t%s\n", m.numParams, mega(total.Forward))
	t.Flush()
	fmt.Fprintf(&b, "A training step takes %s MFLOP a sample", mega(total.Forward+total.Backward+total.Gradient))
	if m.numState > 0 {
		fmt.Fprintf(&b, "; there are %d floats of running state", m.numState)
	}
	b.WriteString(".\n")
	return b.String()
}

// mega formats a number of operations in millions, to three digits at least.
func mega(flops int64) string {
	m := float64(flops) / 1e6
	if m < 100 {
		return fmt.Sprintf("%.3g", m)
	}
	return fmt.Sprintf("%.0f", m)
}

package net

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/steppe-ml/steppe/net/op"
)

// LayerInfo describes a layer, or a layer inside one.
type LayerInfo struct {
	Name   string   // as in "3.Residual.body.0.Conv2D"
	Out    Shape    // of a sample's output
	Params int      // number of parameters
	Flops  op.Flops // of the products for one sample; Backward is 0 for layers that read only the model's input
}

// Layers describes the layers that compute something, in order. Flatten isn't among them.
func (m *Model) Layers() (layers []LayerInfo) {
	for _, o := range m.program.Written() {
		flops := o.Traits.Flops
		if o.FirstInput {
			flops.Backward = 0
		}
		layers = append(layers, LayerInfo{o.Name, o.Shape, o.Params, flops})
	}
	return layers
}

// Summary returns a table of the layers with the shapes of their outputs, their numbers of
// parameters, and the millions of floating-point operations that the products of one sample's
// forward pass take.
func (m *Model) Summary() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "layer\toutput\tparameters\tMFLOP\n")
	fmt.Fprintf(t, "input\t%v\t\t\n", m.InputShape())
	var total op.Flops
	for _, l := range m.Layers() {
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
	fmt.Fprintf(t, "in all\t\t%d\t%s\n", m.NumParams(), mega(total.Forward))
	t.Flush()
	fmt.Fprintf(&b, "A training step takes %s MFLOP a sample", mega(total.Forward+total.Backward+total.Gradient))
	if m.NumState() > 0 {
		fmt.Fprintf(&b, "; there are %d floats of running state", m.NumState())
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

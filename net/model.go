package net

import (
	"errors"
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
)

// What users of networks name of package op, which is for authors of layers.
type (
	// Shape is the shape of one sample, outermost dimension first: {28, 28, 1} is
	// an image of 28 rows, 28 columns and 1 channel. The batch is not part of it.
	Shape = op.Shape
	// Batch is some samples, with labels or targets: see op.Batch.
	Batch = op.Batch
	// Layer is a part of a network: one of this package, or a type of one's own.
	Layer = op.Layer
	// Loss ends a network: SoftmaxCrossEntropy, MSE, or a type of one's own.
	Loss = op.Loss
	// View is the place of one tensor in flat parameters, with its name, shape and role.
	View = op.View
	// Role is what a parameter does in its layer.
	Role = op.Role
)

// The roles of parameters.
const (
	Weight = op.Weight // multiplies
	Bias   = op.Bias   // is added
	Norm   = op.Norm   // scales or shifts normalized values
)

// Model is a network compiled for one input shape. It is immutable, may be shared by
// any number of goroutines, and holds no parameters: those are in Params.
type Model struct {
	program *program.Program
	idle    parallel.Pool[differentiator] // memory for Gradient
}

// Compile checks that the layers fit together, from samples of shape input on, and
// compiles them. A loss may stand as the last layer; without one it is
// SoftmaxCrossEntropy. Errors name the layer and the shape it met.
func Compile(input Shape, layers ...Layer) (*Model, error) {
	p, err := program.Compile(input, SoftmaxCrossEntropy{}, layers...)
	if err != nil {
		return nil, fmt.Errorf("net: %w", err)
	}
	return &Model{program: p}, nil
}

// Program returns what package sam executes. Its type is internal.
func (m *Model) Program() *program.Program { return m.program }

// InputShape returns the shape of a sample.
func (m *Model) InputShape() Shape { return m.program.InputShape() }

// OutputShape returns the shape of a sample's output.
func (m *Model) OutputShape() Shape { return m.program.OutputShape() }

// Loss returns the loss that the model ends in.
func (m *Model) Loss() Loss { return m.program.Loss() }

// Params returns where each parameter tensor lies in Params.Values, in the order of
// the layers.
func (m *Model) Params() []View { return m.program.Params() }

// State returns where each tensor of running state lies in Params.State, in the order
// of the layers.
func (m *Model) State() []View { return m.program.State() }

// NumParams returns the length of Params.Values.
func (m *Model) NumParams() int { return m.program.NumParams() }

// NumState returns the length of Params.State.
func (m *Model) NumState() int { return m.program.NumState() }

// MinShard returns the fewest samples of a shard that the model trains on: 2 if it
// normalizes flat samples over the shard, otherwise 1.
func (m *Model) MinShard() int { return m.program.MinShard() }

// ValidateBatch returns an error unless b fits the model: its samples have the input's
// size, and its labels or targets are what the loss wants.
func (m *Model) ValidateBatch(b Batch) error { return wrap(m.program.ValidateBatch(b)) }

// Params is all that a model learns: its parameters, and the running state of its
// normalizations.
type Params struct {
	Values []float32 // Model.NumParams floats, laid out as Model.Params says
	State  []float32 // Model.NumState floats, laid out as Model.State says
}

// Clone returns a copy of p.
func (p *Params) Clone() *Params {
	return &Params{Values: slices.Clone(p.Values), State: slices.Clone(p.State)}
}

// Init returns initial parameters: random ones as each layer wants them, from the
// seed alone.
func (m *Model) Init(seed uint64) *Params {
	p := &Params{Values: make([]float32, m.NumParams()), State: make([]float32, m.NumState())}
	m.program.Init(seed, p.Values, p.State)
	return p
}

// ValidateParams returns an error if p is not of the model's lengths.
func (m *Model) ValidateParams(p *Params) error {
	switch {
	case p == nil:
		return errors.New("net: no parameters")
	case len(p.Values) != m.NumParams():
		return fmt.Errorf("net: %d parameters, the model has %d", len(p.Values), m.NumParams())
	case len(p.State) != m.NumState():
		return fmt.Errorf("net: %d floats of running state, the model has %d", len(p.State), m.NumState())
	}
	return nil
}

// wrap says that an error comes from this package.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("net: %w", err)
}

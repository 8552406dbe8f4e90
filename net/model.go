package net

import (
	"errors"
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
)

// The types of package op that users of networks need, too.
type (
	// Shape is the shape of one sample, outermost dimension first: {28, 28, 1} is an image of
	// 28 rows, 28 columns and 1 channel. The batch is not part of it.
	Shape = op.Shape
	// Batch is some samples X [N, Shape...] with Labels [N] or Targets.
	Batch = op.Batch
	// Layer is a part of a network: a type of this package, or your own.
	Layer = op.Layer
	// Loss ends a network: SoftmaxCrossEntropy, MSE, or your own.
	Loss = op.Loss
	// View is the name, the shape and the role of a tensor, and its place in flat parameters.
	View = op.View
	// Role says how a layer uses a parameter: Weight, Bias or Norm.
	Role = op.Role
)

// The roles of parameters.
const (
	Weight = op.Weight // a factor of a product
	Bias   = op.Bias   // a term of a sum
	Norm   = op.Norm   // scales or shifts normalized values
)

// Model is a network compiled for samples of one shape. It holds no parameters; Params does. A
// Model doesn't change, and any number of goroutines may use it at the same time.
type Model struct {
	program *program.Program
	idle    parallel.Pool[differentiator] // memory for Gradient
}

// Compile compiles layers, one behind the other, for samples of shape input. A Loss may be the last
// layer; otherwise the loss is SoftmaxCrossEntropy. If layers don't fit together, the error names
// the layer and the shape of its input.
func Compile(input Shape, layers ...Layer) (*Model, error) {
	p, err := program.Compile(input, SoftmaxCrossEntropy{}, layers...)
	if err != nil {
		return nil, fmt.Errorf("net: %w", err)
	}
	return &Model{program: p}, nil
}

// Program returns the compiled program, for package sam. Its type is internal.
func (m *Model) Program() *program.Program { return m.program }

// InputShape returns the shape of a sample.
func (m *Model) InputShape() Shape { return m.program.InputShape() }

// Vocabulary returns the number of token ids that the model knows, whose samples are then text:
// runs of tokens, at most InputShape()[0] of them. It is 0 if samples are floats.
func (m *Model) Vocabulary() int { return m.program.Vocabulary() }

// OutputShape returns the shape of a sample's output.
func (m *Model) OutputShape() Shape { return m.program.OutputShape() }

// Loss returns the loss that the model ends in.
func (m *Model) Loss() Loss { return m.program.Loss() }

// Params returns where each parameter tensor lies in Params.Values, in the order of the layers.
func (m *Model) Params() []View { return m.program.Params() }

// State returns where each tensor of running state lies in Params.State, in the order of the
// layers.
func (m *Model) State() []View { return m.program.State() }

// NumParams returns the number of parameters, the length of Params.Values.
func (m *Model) NumParams() int { return m.program.NumParams() }

// NumState returns the length of Params.State.
func (m *Model) NumState() int { return m.program.NumState() }

// MinShard returns the fewest samples that the model can train on at a time: 2 if a BatchNorm
// normalizes flat samples, otherwise 1.
func (m *Model) MinShard() int { return m.program.MinShard() }

// ValidateBatch returns an error unless b has at least one sample, its samples have the input's
// size, and its labels or targets fit the loss.
func (m *Model) ValidateBatch(b Batch) error { return wrap(m.program.ValidateBatch(b)) }

// Params is all that a model learns: its parameters, and the running state of its BatchNorms.
type Params struct {
	Values []float32 // Model.NumParams floats, laid out as Model.Params says
	State  []float32 // Model.NumState floats, laid out as Model.State says
}

// Clone returns a copy of p.
func (p *Params) Clone() *Params {
	return &Params{Values: slices.Clone(p.Values), State: slices.Clone(p.State)}
}

// Init returns initial parameters, as each layer initializes them. They depend on the seed alone.
func (m *Model) Init(seed uint64) *Params {
	p := &Params{Values: make([]float32, m.NumParams()), State: make([]float32, m.NumState())}
	m.program.Init(seed, p.Values, p.State)
	return p
}

// ValidateParams returns an error unless p has the model's lengths: NumParams and NumState.
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

// wrap adds the package's name to an error.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("net: %w", err)
}

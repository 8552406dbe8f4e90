package program

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net/op"
)

// Program is a network compiled for one input shape: a list of ops, and the layout of its
// parameters. It holds no parameters and no values. It doesn't change, and any number of goroutines
// may use it at the same time.
type Program struct {
	shapes     []op.Shape // of values; 0 is the input
	sequence   []bool     // by value
	vocabulary int        // of the input, if it is text; otherwise 0
	nodes      []node
	written    []OpInfo // the ops before fusion
	layers     []Layer  // as they were given
	loss       op.Loss

	params, state       []op.View
	numParams, numState int

	base        []op.Value // by value: the value that it is a reshape of, or itself
	storage     []op.Value // by value: the value whose memory it shares, or itself
	gradStorage []op.Value // by value: the value whose gradient's memory its gradient shares, or itself
	stays       []bool     // by storage: Select may leave the value where it is
	readers     []int      // by base value: the number of ops that read it, in any shape
}

// node is an op in its place in the program.
type node struct {
	op     op.Op
	traits op.Traits
	name   string // of its layer, as in "3.Dense"
	in     []op.Value
	out    op.Value
	params num.Span // in the flat parameters
	state  num.Span // in the flat state
	owner  int      // index of the op whose parameters it uses: its own, unless it is tied

	shares bool   // an op behind it uses the same parameters, so the gradient has been set when n's is computed
	adds   []bool // by input: another op has set its gradient before, and this op's is added to it
	apart  bool   // the executor adds them, since the op can't, or not all of them
}

// Compile makes a program of layers for samples of shape input. loss ends it if the layers have no
// loss. Errors name the layer and the shape it met.
func Compile(input op.Shape, loss op.Loss, layers ...op.Layer) (*Program, error) {
	return compile(input, true, loss, layers...)
}

// CompilePlain is Compile without fusion: every op is as its layer has built it.
func CompilePlain(input op.Shape, loss op.Loss, layers ...op.Layer) (*Program, error) {
	return compile(input, false, loss, layers...)
}

func compile(input op.Shape, fuse bool, loss op.Loss, layers ...op.Layer) (*Program, error) {
	if err := input.Validate(); err != nil {
		return nil, fmt.Errorf("input %w", err)
	}
	b := &Builder{}
	v, err := b.Chain(b.value(input), layers...)
	if err != nil {
		return nil, err
	}
	if b.loss == nil {
		if _, err = b.build(len(layers), loss, v); err != nil {
			return nil, fmt.Errorf("%w (the loss where no other is given)", err)
		}
	}
	p := &Program{
		shapes: b.shapes, sequence: b.sequence, vocabulary: b.vocabulary,
		base: b.base, nodes: b.nodes, layers: b.layers, loss: b.loss,
	}
	if int(v) != len(p.shapes)-1 {
		return nil, errors.New("the layers' output must be the last value they compute")
	}
	if err := p.layOut(); err != nil {
		return nil, err
	}
	p.countReaders()
	for _, n := range p.nodes {
		if p.readers[n.out] == 0 {
			return nil, fmt.Errorf("layer %s computes a value of shape %v by %T that nothing uses", n.name, p.shapes[n.out], n.op)
		}
	}
	p.written = p.Ops()
	if fuse {
		if err := p.fuse(); err != nil {
			return nil, err
		}
	}
	p.countReaders()
	p.share()
	p.addUp()
	p.findStays()
	return p, nil
}

// layOut gives every tensor of parameters and of state its place.
func (p *Program) layOut() error {
	names := map[string]bool{}
	for i := range p.nodes {
		n := &p.nodes[i]
		for _, flat := range []struct {
			of    []op.Param
			views *[]op.View
			size  *int
			place *num.Span
		}{
			{n.traits.Params, &p.params, &p.numParams, &n.params},
			{n.traits.State, &p.state, &p.numState, &n.state},
		} {
			flat.place.From = *flat.size
			for _, param := range flat.of {
				if err := param.Shape.Validate(); err != nil {
					return fmt.Errorf("layer %s: parameter %q has %w", n.name, param.Name, err)
				}
				param.Name = n.name + "." + param.Name
				if names[param.Name] {
					return fmt.Errorf("two parameters are called %q: a layer made of layers builds them by Builder.Inner or Chain", param.Name)
				}
				names[param.Name] = true
				*flat.views = append(*flat.views, op.View{Param: param, Offset: *flat.size})
				*flat.size += param.Shape.Size()
				if err := (op.Shape{*flat.size}).Validate(); err != nil {
					return fmt.Errorf("layer %s: all parameters up to %q have %w", n.name, param.Name, err)
				}
			}
			flat.place.To = *flat.size
		}
		if n.owner != i {
			n.params = p.nodes[n.owner].params
			for j := range p.nodes[:i] {
				before := &p.nodes[j]
				before.shares = before.shares || before.owner == n.owner
			}
		}
	}
	return nil
}

// isInput reports whether v is the model's input, in whatever shape.
func (p *Program) isInput(v op.Value) bool { return p.base[v] == 0 }

// InputShape returns the shape of a sample.
func (p *Program) InputShape() op.Shape { return p.shapes[0] }

// OutputShape returns the shape of a sample's output.
func (p *Program) OutputShape() op.Shape { return p.shapes[len(p.shapes)-1] }

// Loss returns the loss that the program ends in.
func (p *Program) Loss() op.Loss { return p.loss }

// Params returns where each parameter tensor lies in the flat parameters, in the program's order.
func (p *Program) Params() []op.View { return p.params }

// State returns where each tensor of running state lies in the flat state, in the program's order.
func (p *Program) State() []op.View { return p.state }

// Layers returns the layers as they were given, and the loss.
func (p *Program) Layers() []Layer { return p.layers }

// NumParams returns the length of the flat parameters.
func (p *Program) NumParams() int { return p.numParams }

// NumState returns the length of the flat running state.
func (p *Program) NumState() int { return p.numState }

// ParamAt returns the name of the parameter tensor that element i of the flat parameters is part
// of.
func (p *Program) ParamAt(i int) string { return nameAt(p.params, i) }

// StateAt returns the name of the tensor that element i of the flat running state is part of.
func (p *Program) StateAt(i int) string { return nameAt(p.state, i) }

func nameAt(views []op.View, i int) string {
	for _, v := range views {
		if i < v.Offset+v.Shape.Size() {
			return v.Name
		}
	}
	return "nothing"
}

// Init sets flat parameters and running state to initial values, as each layer initializes them.
// They depend on the seed alone.
func (p *Program) Init(seed uint64, params, state []float32) {
	for _, flat := range []struct {
		views []op.View
		data  []float32
	}{{p.params, params}, {p.state, state}} {
		for i, v := range flat.views {
			if v.Init != nil {
				v.Init(rand.New(rand.NewPCG(seed, uint64(i))), v.Of(flat.data))
			}
		}
	}
}

// ValidateBatch returns an error unless b fits the program.
func (p *Program) ValidateBatch(b op.Batch) error {
	if err := p.ValidateSamples(b); err != nil {
		return err
	}
	return p.loss.Validate(p.OutputShape(), b)
}

// ValidateSamples returns an error unless b's samples fit the program, whatever its labels and
// targets.
func (p *Program) ValidateSamples(b op.Batch) error {
	if b.N <= 0 {
		return fmt.Errorf("batch of %d samples, want at least 1", b.N)
	}
	if p.vocabulary > 0 {
		return p.validateTokens(b)
	}
	size := p.InputShape().Size()
	if b.N > len(b.X)/size || len(b.X) != b.N*size {
		return fmt.Errorf("batch of %d samples has %d floats, want %d a sample of %v", b.N, len(b.X), size, p.InputShape())
	}
	return nil
}

// Commit updates the running state after a step, from its statistics, which have the state's
// layout.
func (p *Program) Commit(state, stats []float32) {
	for _, n := range p.nodes {
		if s, ok := n.op.(op.Stateful); ok {
			s.Commit(n.state.Of(state), n.state.Of(stats))
		}
	}
}

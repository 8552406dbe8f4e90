package net

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/steppe-ml/steppe/blas"
)

// Model is a network compiled for one input shape: a program of ops, and the
// layout of its parameters. It is immutable, may be shared by any number of
// goroutines, and holds no parameters and no activations.
type Model struct {
	shapes []Shape // of values; 0 is the input
	nodes  []node
	layers []LayerInfo
	loss   Loss

	params, state       []View
	numParams, numState int

	base        []Value // the value that a value is another shape of
	storage     []Value // the value whose memory a value shares: its base's, or, if made in place, that of the op's input
	gradStorage []Value // the same of their gradients
	readers     []int   // how many ops read a base value, in any shape
}

// node is an op in its place in the program.
type node struct {
	op     Op
	traits Traits
	name   string // "3.Dense"
	in     []Value
	out    Value
	params span // in the flat parameters
	state  span // in the flat state

	adds  []bool // by input: what the op makes of its gradient is added to what other ops, or itself, have made
	apart bool   // these are made apart first, since the op can't add, or not to all that it makes
}

// span is a half-open range of indices.
type span struct{ from, to int }

func (s span) of(x []float32) []float32 { return x[s.from:s.to:s.to] }
func (s span) len() int                 { return s.to - s.from }

// View is the place of one tensor in the flat parameters, or in the flat state.
type View struct {
	Param
	Offset int
}

// Of returns v's part of flat parameters, of a gradient, or of flat state.
func (v View) Of(flat []float32) []float32 { return flat[v.Offset:][:v.Shape.Size()] }

// Compile checks that the layers fit together from samples of shape input on,
// and makes a program of them. A loss may stand as the last layer; without one
// it is SoftmaxCrossEntropy. Errors name the layer and the shape it met.
func Compile(input Shape, layers ...Layer) (*Model, error) { return compile(input, false, layers...) }

// compile is Compile; plain leaves every op as its layer has made it.
func compile(input Shape, plain bool, layers ...Layer) (*Model, error) {
	if !input.Valid() {
		return nil, fmt.Errorf("net: input shape %v, want positive dimensions", []int(input))
	}
	b := &Builder{}
	v, err := b.Chain(b.value(input), layers...)
	if err != nil {
		return nil, fmt.Errorf("net: %w", err)
	}
	if b.loss == nil {
		if _, err = b.build(len(layers), SoftmaxCrossEntropy{}, v); err != nil {
			return nil, fmt.Errorf("net: %w (the loss where no other is given)", err)
		}
	}
	m := &Model{shapes: b.shapes, base: b.base, nodes: b.nodes, loss: b.loss}
	if int(v) != len(m.shapes)-1 {
		return nil, errors.New("net: the layers' output must be the last value they compute")
	}
	if err := m.layOut(); err != nil {
		return nil, err
	}
	m.countReaders()
	for _, n := range m.nodes {
		if m.readers[n.out] == 0 {
			return nil, fmt.Errorf("net: layer %s computes a value of shape %v by %T that nothing uses", n.name, m.shapes[n.out], n.op)
		}
	}
	m.describeLayers()
	if !plain {
		m.fuse()
	}
	m.countReaders()
	m.share()
	m.addUp()
	return m, nil
}

// layOut gives every parameter and every state its place.
func (m *Model) layOut() error {
	names := map[string]bool{}
	for i := range m.nodes {
		n := &m.nodes[i]
		for _, flat := range []struct {
			of    []Param
			views *[]View
			size  *int
			place *span
		}{
			{n.traits.Params, &m.params, &m.numParams, &n.params},
			{n.traits.State, &m.state, &m.numState, &n.state},
		} {
			flat.place.from = *flat.size
			for _, p := range flat.of {
				if !p.Shape.Valid() {
					return fmt.Errorf("net: layer %s: parameter %q has shape %v, want positive dimensions", n.name, p.Name, []int(p.Shape))
				}
				p.Name = n.name + "." + p.Name
				if names[p.Name] {
					return fmt.Errorf("net: two parameters are called %q: a layer made of layers builds them by Builder.Inner or Chain", p.Name)
				}
				names[p.Name] = true
				*flat.views = append(*flat.views, View{p, *flat.size})
				*flat.size += p.Shape.Size()
			}
			flat.place.to = *flat.size
		}
	}
	return nil
}

// share gives every value its memory, and lets ops that can work in place do
// so where nothing else needs their input.
func (m *Model) share() {
	m.storage, m.gradStorage = make([]Value, len(m.shapes)), make([]Value, len(m.shapes))
	frees := make([]bool, len(m.shapes)) // the op that makes a value doesn't need it again
	maker, last := make([]*node, len(m.shapes)), make([]*node, len(m.shapes))
	for i := range m.nodes {
		n := &m.nodes[i]
		frees[n.out] = n.traits.FreesOut
		maker[n.out] = n
		for _, v := range n.in {
			last[m.base[v]] = n
		}
	}
	for v := range m.storage {
		m.storage[v], m.gradStorage[v] = Value(v), Value(v)
		n := maker[v]
		switch base := m.base[v]; {
		case base != Value(v):
			m.storage[v], m.gradStorage[v] = m.storage[base], m.gradStorage[base]
		case n == nil || n.keepsGrad():
		case n.traits.InPlace:
			if in := m.base[n.in[0]]; in != 0 && m.readers[in] == 1 && frees[in] {
				m.storage[v], m.gradStorage[v] = m.storage[in], m.gradStorage[in]
			}
		case n.traits.Passes > 0:
			// The first that the input's gradient has is what is left of the output's.
			in := m.base[n.in[n.traits.Passes]]
			if in != 0 && last[in] == n && !m.repeated(n.in, n.traits.Passes) && !maker[in].keepsGrad() && int(v) != len(m.shapes)-1 {
				m.gradStorage[v] = m.gradStorage[in]
			}
		}
	}
}

// addUp decides which gradients of inputs are added to others.
func (m *Model) addUp() {
	summed := make([]bool, len(m.shapes)) // by base: it has a gradient already
	summed[m.base[len(m.base)-1]] = true  // by the loss
	for i := len(m.nodes) - 1; i >= 0; i-- {
		n := &m.nodes[i]
		n.adds = make([]bool, len(n.in))
		for j, v := range n.in {
			n.adds[j] = !m.isInput(v) && (summed[m.base[v]] || m.repeated(n.in, j))
			n.apart = n.apart || n.adds[j] && (!n.traits.Adds || len(n.in) > 1)
		}
		for _, v := range n.in {
			summed[m.base[v]] = true
		}
	}
}

// countReaders counts the ops that read each value, and the loss.
func (m *Model) countReaders() {
	m.readers = make([]int, len(m.shapes))
	m.readers[m.base[len(m.base)-1]]++
	for _, n := range m.nodes {
		for _, v := range n.in {
			m.readers[m.base[v]]++
		}
	}
}

// keepsGrad reports whether n's output gradient may be wanted after Backward:
// it can't share memory with that of the input then.
func (n *node) keepsGrad() bool {
	_, factored := n.op.(Factored)
	return factored || n.traits.Late
}

// isInput reports whether v is the model's input, in whatever shape.
func (m *Model) isInput(v Value) bool { return m.base[v] == 0 }

// InputShape returns the shape of a sample.
func (m *Model) InputShape() Shape { return m.shapes[0] }

// OutputShape returns the shape of a sample's output.
func (m *Model) OutputShape() Shape { return m.shapes[len(m.shapes)-1] }

// Loss returns the loss that the model ends in.
func (m *Model) Loss() Loss { return m.loss }

// Params returns where each parameter tensor lies in the flat parameters, in
// the program's order.
func (m *Model) Params() []View { return m.params }

// State returns where each tensor of running state lies in the flat state, in the
// program's order.
func (m *Model) State() []View { return m.state }

// NumParams returns the length of the flat parameters.
func (m *Model) NumParams() int { return m.numParams }

// NumState returns the length of the flat running state.
func (m *Model) NumState() int { return m.numState }

// Check returns an error that says what is wrong with a batch for this model,
// nil if nothing is.
func (m *Model) Check(b Batch) error {
	if b.N <= 0 {
		return fmt.Errorf("net: batch of %d samples, want at least 1", b.N)
	}
	if want := b.N * m.InputShape().Size(); len(b.X) != want {
		return fmt.Errorf("net: batch of %d samples of %v has %d floats, want %d", b.N, m.InputShape(), len(b.X), want)
	}
	return m.loss.Check(m.OutputShape(), b)
}

// Params is all that a model learns: its parameters, and the running state of
// its normalisations.
type Params struct {
	Values []float32 // Model.NumParams floats, laid out as Model.Params says
	State  []float32 // Model.NumState floats
}

// Init returns initial parameters: random ones as each layer wants them, from
// the seed alone.
func (m *Model) Init(seed uint64) *Params {
	p := &Params{Values: make([]float32, m.numParams), State: make([]float32, m.numState)}
	for _, flat := range []struct {
		views []View
		data  []float32
	}{{m.params, p.Values}, {m.state, p.State}} {
		for i, v := range flat.views {
			if v.Init != nil {
				v.Init(rand.New(rand.NewPCG(seed, uint64(i))), v.Of(flat.data))
			}
		}
	}
	return p
}

// CheckParams returns an error if p is not of the model's lengths.
func (m *Model) CheckParams(p *Params) error {
	switch {
	case p == nil:
		return errors.New("net: no parameters")
	case len(p.Values) != m.numParams:
		return fmt.Errorf("net: %d parameters, the model has %d", len(p.Values), m.numParams)
	case len(p.State) != m.numState:
		return fmt.Errorf("net: %d floats of running state, the model has %d", len(p.State), m.numState)
	}
	return nil
}

// Commit moves the running state on by a step, from stats, which has the
// layout of the state.
func (m *Model) Commit(state, stats []float32) {
	for _, n := range m.nodes {
		if s, ok := n.op.(Stateful); ok {
			s.Commit(n.state.of(state), n.state.of(stats))
		}
	}
}

// Packs is a model's parameters in the form that its products read fastest.
type Packs [][]Packed // by op, as Packer says; nil for an op without any

// Passes are those that an op's parameters are packed for.
type Passes struct{ Forward, Backward bool }

// NewPacks returns unfilled Packs for those passes of each op that are wanted.
func (m *Model) NewPacks(wanted func(op int) Passes) Packs {
	packs := make(Packs, len(m.nodes))
	for i, n := range m.nodes {
		passes := wanted(i)
		passes.Backward = passes.Backward && !m.isInput(n.in[0])
		if p, ok := n.op.(Packer); ok && passes != (Passes{}) {
			packs[i] = p.NewPacks(passes)
		}
	}
	return packs
}

// Pack fills packs from flat parameters.
func (m *Model) Pack(team *blas.Team, params []float32, packs Packs) {
	for i, n := range m.nodes {
		if packs[i] != nil {
			n.op.(Packer).Pack(team, n.params.of(params), packs[i])
		}
	}
}

// Bytes returns the size of the packed data.
func (p Packs) Bytes() (total int) {
	for _, op := range p {
		for _, packed := range op {
			if packed != nil {
				total += packed.Bytes()
			}
		}
	}
	return total
}

// layerName is the type of a layer, without its package.
func layerName(l Layer) string {
	name := reflect.TypeOf(l).String()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// describe formats a layer as Go would write it, Dense{Out:10}, without what is
// left at its zero value.
type describe struct{ Layer }

func (d describe) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, layerName(d.Layer))
	v := reflect.Indirect(reflect.ValueOf(d.Layer))
	if v.Kind() != reflect.Struct {
		return
	}
	var fields []string
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.IsExported() && !v.Field(i).IsZero() {
			fields = append(fields, fmt.Sprintf("%s:%v", field.Name, v.Field(i)))
		}
	}
	fmt.Fprintf(f, "{%s}", strings.Join(fields, " "))
}

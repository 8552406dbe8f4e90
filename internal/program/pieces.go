package program

import "github.com/steppe-ml/steppe/net/op"

// Pieces says in which pieces of their functions the Piecewise ops of a program are, for a tile of
// samples, by op. It is of use to programs that aren't fused.
type Pieces [][]float32

// NewPieces returns memory for the pieces of a tile of at most so many samples.
func (p *Program) NewPieces(samples int) Pieces {
	pieces := make(Pieces, len(p.nodes))
	for i, n := range p.nodes {
		if o, ok := n.op.(op.Piecewise); ok {
			pieces[i] = make([]float32, samples*o.Pieces(p.shapes[n.in[0]]))
		}
	}
	return pieces
}

// PiecesBytes returns the memory that the pieces of a sample take.
func (p *Program) PiecesBytes() (total int) {
	for _, n := range p.nodes {
		if o, ok := n.op.(op.Piecewise); ok {
			total += 4 * o.Pieces(p.shapes[n.in[0]])
		}
	}
	return total
}

// of returns the pieces of op i, nil if there are none.
func (p Pieces) of(i int) []float32 {
	if p == nil {
		return nil
	}
	return p[i]
}

// forward runs op i within its pieces, or finds them.
func (p Pieces) forward(within bool, i int, n *node, c *op.Call, in []op.Tensor, out op.Tensor) {
	o := n.op.(op.Piecewise)
	if within {
		o.ForwardWithin(c, p[i], in, out)
		return
	}
	o.Forward(c, nil, in, out)
	o.Find(c, in, out, p[i])
}

// Unfused returns the program as its layers were written: without fusion.
func (p *Program) Unfused() (*Program, error) {
	var layers []op.Layer
	for _, l := range p.layers {
		layers = append(layers, l.Layer)
	}
	return CompilePlain(p.shapes[0], p.loss, layers...)
}

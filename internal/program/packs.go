package program

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/net/op"
)

// Packs is a program's parameters in the order in which its products read fastest.
type Packs [][]op.Packed // by op: the packs of an op.Packer; nil if it has none

// NewPacks returns unfilled Packs. wanted says for each op which directions it needs.
func (p *Program) NewPacks(wanted func(op int) op.Directions) Packs {
	packs := make(Packs, len(p.nodes))
	for i, n := range p.nodes {
		directions := wanted(i)
		directions.Backward = directions.Backward && !p.isInput(n.in[0])
		if packer, ok := n.op.(op.Packer); ok && !directions.None() && (n.traits.Rounds || directions.Precision == blas.Full) {
			packs[i] = packer.NewPacks(directions)
		}
	}
	return packs
}

// Pack fills packs from flat parameters.
func (p *Program) Pack(team *blas.Team, params []float32, packs Packs) {
	for i, n := range p.nodes {
		if packs[i] != nil {
			n.op.(op.Packer).Pack(team, n.params.Of(params), packs[i])
		}
	}
}

// Bytes returns the size of the packs' memory.
func (p Packs) Bytes() (total int) {
	for _, of := range p {
		for _, packed := range of {
			if packed != nil {
				total += packed.Bytes()
			}
		}
	}
	return total
}

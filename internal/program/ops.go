package program

import "github.com/steppe-ml/steppe/net/op"

// OpInfo describes one op of a program to whoever plans its execution.
type OpInfo struct {
	Name       string // of the layer: "1.Dense"
	Traits     op.Traits
	Factorable op.Factorable // nil if it isn't
	Params     int           // floats of parameters
	Offset     int           // of the first in the flat parameters
	In         int           // floats of a sample's inputs
	Out        int           // floats of a sample's output
	Shape      op.Shape      // of a sample's output
	FirstInput bool          // it reads the model's input alone, which is the same in every pass and has no gradient
}

// Ops describes the program, op by op.
func (p *Program) Ops() []OpInfo {
	infos := make([]OpInfo, len(p.nodes))
	for i, n := range p.nodes {
		factorable, _ := n.op.(op.Factorable)
		infos[i] = OpInfo{
			Name: n.name, Traits: n.traits, Factorable: factorable,
			Params: n.params.len(), Offset: n.params.from, FirstInput: true,
			Out: p.shapes[n.out].Size(), Shape: p.shapes[n.out],
		}
		for _, v := range n.in {
			infos[i].In += p.shapes[v].Size()
			infos[i].FirstInput = infos[i].FirstInput && p.isInput(v)
		}
	}
	return infos
}

// Written describes the ops as the layers have made them, before fusion.
func (p *Program) Written() []OpInfo { return p.written }

// MinShard returns the fewest samples of a shard that the program trains on.
func (p *Program) MinShard() int {
	fewest := 1
	for _, n := range p.nodes {
		fewest = max(fewest, n.traits.MinShard)
	}
	return fewest
}

// SampleBytes returns the memory that a pass forward and backward takes for each
// sample, apart from Deferred's.
func (p *Program) SampleBytes() int {
	const many = 64 // so that a buffer's last cache line doesn't count
	size := Size{Samples: many, Shards: 1, Shard: many, Backward: true}
	return 4 * p.plan(size, nil).floats / many
}

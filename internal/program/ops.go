package program

import "github.com/steppe-ml/steppe/net/op"

// OpInfo describes one op of a program to a planner.
type OpInfo struct {
	Name       string // of its layer, as in "1.Dense"
	Traits     op.Traits
	Factorable op.Factorable // nil if the op isn't
	Params     int           // floats of its parameters
	Offset     int           // of its first parameter in the flat ones
	Owner      int           // index of the op whose parameters it uses: its own, unless it is tied
	In         int           // floats of a sample's inputs
	Out        int           // floats of a sample's output
	Shape      op.Shape      // of a sample's output
	FirstInput bool          // reads the model's input alone, which has no gradient and is the same in every pass
}

// Layer is a layer in its place in a program.
type Layer struct {
	Name    string // as in "3.Residual.body.0.Conv2D"; the names of its tensors begin with it
	Layer   op.Layer
	In, Out op.Shape // of a sample
	Inner   []Layer  // that it built inside itself, in that order
}

// Ops describes the program, op by op.
func (p *Program) Ops() []OpInfo {
	infos := make([]OpInfo, len(p.nodes))
	for i, n := range p.nodes {
		factorable, _ := n.op.(op.Factorable)
		infos[i] = OpInfo{
			Name: n.name, Traits: n.traits, Factorable: factorable,
			Params: n.params.Len(), Offset: n.params.From, Owner: n.owner, FirstInput: true,
			Out: p.shapes[n.out].Size(), Shape: p.shapes[n.out],
		}
		if n.owner != i {
			infos[i].Params = 0
		}
		for _, v := range n.in {
			infos[i].In += p.shapes[v].Size()
			infos[i].FirstInput = infos[i].FirstInput && p.isInput(v)
		}
	}
	return infos
}

// Written describes the ops before fusion, as the layers have built them.
func (p *Program) Written() []OpInfo { return p.written }

// MinShard returns the fewest samples that a shard must have in training.
func (p *Program) MinShard() int {
	fewest := 1
	for _, n := range p.nodes {
		fewest = max(fewest, n.traits.MinShard)
	}
	return fewest
}

// SampleBytes returns the bytes that a forward and backward pass takes for each sample, without
// Deferred's.
func (p *Program) SampleBytes() int {
	const many = 64 // samples, so that the last cache line of a buffer hardly counts
	size := Size{Samples: many, Shards: 1, Shard: many, Backward: true}
	return 4 * p.plan(size, nil).floats / many
}

package net

// What follows is for the floor that plans training steps.

// OpInfo describes one op of a program to whoever plans its execution.
type OpInfo struct {
	Name       string // of the layer: "1.Dense"
	Traits     Traits
	Factored   Factored // nil if it isn't
	Params     int      // floats of parameters
	Offset     int      // of the first in the flat parameters
	In, Out    int      // floats of a sample's inputs and of its output
	FirstInput bool     // its inputs are all the model's: they are the same in every pass, and have no gradients
}

// Ops describes the program, op by op.
func (m *Model) Ops() []OpInfo {
	infos := make([]OpInfo, len(m.nodes))
	for i, n := range m.nodes {
		factored, _ := n.op.(Factored)
		infos[i] = OpInfo{
			Name: n.name, Traits: n.traits, Factored: factored,
			Params: n.params.len(), Offset: n.params.from, FirstInput: true,
		}
		infos[i].Out = m.shapes[n.out].Size()
		for _, v := range n.in {
			infos[i].In += m.shapes[v].Size()
			infos[i].FirstInput = infos[i].FirstInput && m.isInput(v)
		}
	}
	return infos
}

// MinShard returns the fewest samples of a shard that the model trains on.
func (m *Model) MinShard() int {
	fewest := 1
	for _, n := range m.nodes {
		fewest = max(fewest, n.traits.MinShard)
	}
	return fewest
}

// SampleBytes returns the memory that a pass forward and backward takes for
// each sample, Late's apart.
func (m *Model) SampleBytes() int {
	const many = 64 // so that a buffer's last cache line doesn't count
	size := Size{Samples: many, Shards: 1, Shard: many, Backward: true}
	return 4 * m.plan(size, nil).floats / many
}

// ParamAt returns the name of the parameter tensor that element i of the flat
// parameters is part of.
func (m *Model) ParamAt(i int) string {
	for _, v := range m.params {
		if i < v.Offset+v.Shape.Size() {
			return v.Name
		}
	}
	return "no parameter"
}

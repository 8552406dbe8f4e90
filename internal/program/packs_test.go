package program_test

import (
	"testing"

	"github.com/steppe-ml/steppe/net/op"
	"github.com/stretchr/testify/assert"
)

// The input's gradient isn't wanted, so the first layer's weights are packed for the forward pass
// alone.
func TestPacks(t *testing.T) {
	m := mlp(t, false, 64, 128, 10)
	packs := m.NewPacks(bothDirections)
	assert.Len(t, packs, 2)
	assert.NotNil(t, packs[0][0])
	assert.Nil(t, packs[0][1])
	assert.NotNil(t, packs[1][0])
	assert.NotNil(t, packs[1][1])
	least := 4 * (64*128 + 2*128*10)
	assert.GreaterOrEqual(t, packs.Bytes(), least)
	assert.Less(t, packs.Bytes(), 3*least, "some columns fill up the last panel")

	packs = m.NewPacks(func(i int) op.Directions { return op.Directions{Forward: i == 0, Backward: true} })
	assert.NotNil(t, packs[0][0])
	assert.Nil(t, packs[1][0])
	assert.NotNil(t, packs[1][1])
	packs = m.NewPacks(func(i int) op.Directions { return op.Directions{Forward: i == 1} })
	assert.Nil(t, packs[0])
	assert.Nil(t, packs[1][1])
	m.Pack(nil, initial(m.Program, 1).Values, packs) // fills the packs that there are
}

func TestOps(t *testing.T) {
	m := mlp(t, true, 20, 7, 3) // Flatten is no op
	type row struct {
		name           string
		params, offset int
		factorable     bool
		first          bool
	}
	var got []row
	for _, o := range m.Ops() {
		got = append(got, row{o.Name, o.Params, o.Offset, o.Factorable != nil, o.FirstInput})
	}
	assert.Equal(t, []row{
		{"1.Dense", 147, 0, true, true},
		{"2.BatchNorm+ReLU", 14, 147, false, false},
		{"4.Dense", 24, 161, true, false},
	}, got)
}

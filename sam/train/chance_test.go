package train

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/net/dataset"
)

func TestChance(t *testing.T) {
	set := &dataset.Set{Classes: 3, Labels: []int32{0, 1, 1, 2}}
	assert.InDelta(t, 0.5+2*math.Sqrt(0.25/4), Chance(set), 1e-12)
	set.Labels = []int32{2, 2}
	assert.Equal(t, 1.0, Chance(set))
}

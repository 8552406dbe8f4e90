package lookup

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type row struct {
	name string
	size int
}

func TestRow(t *testing.T) {
	table := []row{{"small", 1}, {"large", 9}, {"small", 2}}
	name := func(r row) string { return r.name }
	for _, want := range table[:2] {
		got, err := Row("size", table, name, want.name)
		require.NoError(t, err)
		assert.Equal(t, want, got, "the first row of the name")
	}

	got, err := Row("size", table[:2], name, "Small")
	assert.EqualError(t, err, `unknown size "Small", want one of small, large`)
	assert.Zero(t, got)
	_, err = Row("size", table[:1], name, "")
	assert.EqualError(t, err, `unknown size "", want one of small`)
}

package sam

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMethods(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Methods {
		assert.False(t, seen[m.Name], m.Name)
		seen[m.Name] = true
		assert.NotEmpty(t, m.Title)
		assert.NotEmpty(t, m.About)
		found, err := LookupMethod(m.Name)
		require.NoError(t, err)
		assert.Equal(t, m, found)
	}
	assert.True(t, seen["sgd"] && seen["sam"], "the command's bench compares with them")
	_, err := LookupMethod("frob")
	assert.ErrorContains(t, err, `unknown method "frob", want one of sgd, sam, msam`)
}

func TestMethodWith(t *testing.T) {
	sgd, _ := LookupMethod("sgd")
	msam, _ := LookupMethod("msam")
	assert.Equal(t, "SGD", sgd.With(1))
	assert.Equal(t, "mSAM with 1 shard", msam.With(1))
	assert.Equal(t, "mSAM with 8 shards", msam.With(8))
}

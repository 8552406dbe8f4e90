package main

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
		found, err := lookupMethod(m.Name)
		require.NoError(t, err)
		assert.Equal(t, m, found)
	}
	assert.True(t, seen["sgd"] && seen["sam"], "bench compares with them")
}

func TestMethodWith(t *testing.T) {
	sgd, _ := lookupMethod("sgd")
	msam, _ := lookupMethod("msam")
	assert.Equal(t, "SGD", sgd.with(1))
	assert.Equal(t, "mSAM with 1 shard", msam.with(1))
	assert.Equal(t, "mSAM with 8 shards", msam.with(8))
}

package dataset

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// regression returns n samples of two floats with three targets each and no labels; sample i is (i,
// -i) and its targets are 10i, 10i+1, 10i+2.
func regression(n int) *Set {
	s := &Set{Name: "regression", Shape: net.Shape{2}}
	for i := range n {
		s.X = append(s.X, float32(i), -float32(i))
		s.Targets = append(s.Targets, float32(10*i), float32(10*i+1), float32(10*i+2))
	}
	return s
}

// Targets stay with their samples, whatever makes batches and sets of them.
func TestTargets(t *testing.T) {
	s := regression(11)
	require.NoError(t, s.Validate())
	assert.Equal(t, 11, s.Len())
	belong := func(b net.Batch) {
		t.Helper()
		require.Nil(t, b.Labels)
		require.Len(t, b.Targets, 3*b.N)
		for i := range b.N {
			x := b.X[2*i]
			require.Equal(t, []float32{x, -x, 10 * x, 10*x + 1, 10*x + 2}, append(b.X[2*i:2*i+2:2*i+2], b.Targets[3*i:3*i+3]...))
		}
	}
	samples := 0
	for batch, err := range s.Batches(4, 1, 0) {
		require.NoError(t, err)
		belong(batch)
		samples += batch.N
	}
	assert.Equal(t, 11, samples)
	for batch := range (Loader{Set: s, Batch: 4, Seed: 1}).Epoch(3) {
		belong(batch)
	}
	rest, held, err := s.Split(3, 1)
	require.NoError(t, err)
	assert.Equal(t, []int{8, 3}, []int{rest.Len(), held.Len()})
	for _, set := range []*Set{rest, held, s.Head(2)} {
		belong(set.Range(0, set.Len()))
		belong(set.Range(1, 1))
	}
	m, err := s.MeanStd()
	require.NoError(t, err)
	standard, err := s.Standardize(m)
	require.NoError(t, err)
	assert.Equal(t, s.Targets, standard.Targets)
}

func TestTargetsErrors(t *testing.T) {
	for want, damage := range map[string]func(*Set){
		"regression has 17 targets, want a multiple of its 6 samples": func(s *Set) { s.Targets = s.Targets[:17] },
		"regression has 0 targets, want a multiple of its 6 samples":  func(s *Set) { s.Targets = []float32{} },
		"target 2 of sample 4 is +Inf, want a finite value":           func(s *Set) { s.Targets[14] = float32(math.Inf(1)) },
		"regression has neither labels nor targets":                   func(s *Set) { s.Targets = nil },
		"regression has 11 values, want 10 for 5 samples of 2":        func(s *Set) { s.X = s.X[:11] },
	} {
		s := regression(6)
		damage(s)
		assert.ErrorContains(t, s.Validate(), want)
	}
	s := regression(6)
	_, err := s.Subset(3, 1)
	assert.ErrorContains(t, err, "regression has no labels to choose a subset by")
	_, err = s.NoisyLabels(0.5, 1)
	assert.ErrorContains(t, err, "regression has 0 labels of 0 classes")
}

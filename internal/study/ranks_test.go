package study

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/internal/ranks"
)

// onRanks executes a study on n ranks, and returns their stores and errors. store is rank 0's.
func onRanks(t *testing.T, n, jobs int, newStudy func() *Study, store *Store, ctx func(rank int) context.Context, report func(Progress)) (stores []*Store, ended []error) {
	t.Helper()
	stores, ended = make([]*Store, n), make([]error, n)
	require.NoError(t, ranks.Run(n, func(r *ranks.Rank) error {
		own, tell := store, report
		if r.Rank() != 0 {
			own, tell = NewStore(), func(Progress) {}
		}
		stores[r.Rank()] = own
		ended[r.Rank()] = ExecuteOn(ctx(r.Rank()), r, []Work{{newStudy(), own}}, jobs, 1, tell)
		return nil
	}))
	return stores, ended
}

// A study has the same results on any number of ranks, on all of them, and no run is made twice.
func TestResultsDontDependOnRanks(t *testing.T) {
	s := small(t)
	one := NewStore()
	runs := execute(t, s, one, 1, 1)
	for _, test := range []struct{ ranks, jobs int }{{2, 1}, {3, 2}} {
		finished, last := 0, Progress{}
		stores, ended := onRanks(t, test.ranks, test.jobs, func() *Study { return small(t) }, NewStore(),
			func(int) context.Context { return t.Context() },
			func(p Progress) {
				if last = p; p.Finished != nil {
					finished++
				}
			})
		for rank, store := range stores {
			require.NoError(t, ended[rank])
			assert.Equal(t, timeless(one), timeless(store), "rank %d of %d", rank, test.ranks)
		}
		assert.Equal(t, runs, finished)
		assert.Equal(t, runs, last.Done)
		assert.Equal(t, runs, last.Runs)
	}
}

// Whatever ends one rank ends all. The store of rank 0 keeps what was finished, and the study goes
// on from there, on other ranks than before.
func TestStudyOnRanksGoesOn(t *testing.T) {
	whole := NewStore()
	runs := execute(t, small(t), whole, 1, 1)
	dir := t.TempDir()
	open := func() *Store {
		store, err := OpenStore(dir, small(t).Recipe)
		require.NoError(t, err)
		return store
	}
	store := open()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := 0
	_, ended := onRanks(t, 2, 1, func() *Study { return small(t) }, store, func(rank int) context.Context {
		if rank == 1 {
			return ctx
		}
		return t.Context()
	}, func(p Progress) {
		if p.Finished != nil {
			if done++; done == 5 {
				cancel()
			}
		}
	})
	for _, err := range ended {
		require.ErrorIs(t, err, context.Canceled)
		assert.True(t, agree.Known(err))
	}
	require.NoError(t, store.Close())
	assert.GreaterOrEqual(t, done, 5)

	store = open()
	kept := len(store.done)
	assert.Equal(t, done, kept)
	repeated := 0
	stores, ended := onRanks(t, 3, 1, func() *Study { return small(t) }, store,
		func(int) context.Context { return t.Context() },
		func(p Progress) {
			if p.Finished != nil {
				repeated++
			}
		})
	for rank := range stores {
		require.NoError(t, ended[rank])
		assert.Equal(t, timeless(whole), timeless(stores[rank]))
	}
	assert.Equal(t, runs-kept, repeated)
	require.NoError(t, store.Close())
}

// A store that can't be written ends all ranks with its error.
func TestStudyOnRanksWithoutDisk(t *testing.T) {
	store, err := OpenStore(t.TempDir(), small(t).Recipe)
	require.NoError(t, err)
	require.NoError(t, store.file.Close())
	_, ended := onRanks(t, 2, 1, func() *Study { return small(t) }, store,
		func(int) context.Context { return t.Context() }, func(Progress) {})
	for _, err := range ended {
		assert.ErrorContains(t, err, "rank 0: ")
		assert.ErrorContains(t, err, "file already closed")
	}
	assert.False(t, errors.Is(ended[0], context.Canceled))
}

// Costs are measured by rank 0, and all ranks choose the epochs of equal time by them.
func TestFullStudyOnRanks(t *testing.T) {
	stores, ended := onRanks(t, 2, 1, func() *Study { return full(t) }, NewStore(),
		func(int) context.Context { return t.Context() }, func(Progress) {})
	for rank := range stores {
		require.NoError(t, ended[rank])
		assert.Equal(t, stores[0].costs, stores[rank].costs)
		assert.Equal(t, timeless(stores[0]), timeless(stores[rank]))
		assert.NotNil(t, full(t).Summary(stores[rank]))
	}
}

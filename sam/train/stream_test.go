package train

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/dataset"
)

// disk is the samples of a set as a disk has them: some can't be read, while it is broken.
type disk struct {
	*dataset.Set
	reads  *atomic.Int64
	broken func(reads int64) bool
}

var errDamaged = errors.New("dataset: cats/3.png: broken picture")

func (d disk) Read(i int, x []float32) error {
	if d.broken(d.reads.Add(1)) {
		return errDamaged
	}
	return d.Set.Read(i, x)
}

// streamed returns a set whose samples are read from a disk.
func streamed(s *dataset.Set, broken func(reads int64) bool) *dataset.Set {
	stream := *s
	stream.X, stream.Samples = nil, disk{s, &atomic.Int64{}, broken}
	return &stream
}

func whole(int64) bool { return false }

// A run on sets that stream has the bits of one on the same sets in memory.
func TestRunOfStream(t *testing.T) {
	memory := small(t, normed(t))
	memory.Train.Augment = []dataset.Augmentation{dataset.Crop{Pad: 1}, dataset.Flip{}}
	_, err := memory.Start(t.Context())
	require.NoError(t, err)
	stream := memory
	stream.Train.Set, stream.Valid = streamed(memory.Train.Set, whole), streamed(memory.Valid, whole)
	_, err = stream.Start(t.Context())
	require.NoError(t, err)
	assert.Equal(t, timeless(&memory), timeless(&stream))
}

// A sample that can't be read ends the run with its error. Once it can be read again, the run goes
// on with the same bits.
func TestRunOfDamagedSample(t *testing.T) {
	memory := small(t, normed(t))
	_, err := memory.Start(t.Context())
	require.NoError(t, err)
	want := timeless(&memory)
	for name, damage := range map[string]struct {
		train, valid func(reads int64) bool
		want         string
	}{
		"the first":       {func(reads int64) bool { return reads == 1 }, whole, "train: epoch 1, batch 1: dataset: cats/3.png: broken picture"},
		"in epoch 2":      {func(reads int64) bool { return reads == 34+8+1 }, whole, "train: epoch 2, batch 2: dataset: cats/3.png: broken picture"},
		"the last":        {func(reads int64) bool { return reads == 3*34 }, whole, "train: epoch 3, batch 5: dataset: cats/3.png: broken picture"},
		"of a validation": {whole, func(reads int64) bool { return reads == 25 }, "train: epoch 2: dataset: cats/3.png: broken picture"},
	} {
		run := small(t, normed(t))
		run.Dir = t.TempDir()
		run.Train.Set, run.Valid = streamed(run.Train.Set, damage.train), streamed(run.Valid, damage.valid)
		_, err := run.Start(t.Context())
		require.ErrorIs(t, err, errDamaged, name)
		require.EqualError(t, err, damage.want, name)

		again := small(t, normed(t))
		again.Dir = run.Dir
		_, err = again.Resume(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, timeless(&again), name)
	}
}

package study

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two stores can't write to one folder. One that only reads it can be there at the same time, and
// leaves a line alone that isn't whole yet.
func TestStoresOfOneFolder(t *testing.T) {
	dir := t.TempDir()
	s := small(t)
	empty, err := ReadStore(filepath.Join(dir, "none"), s.Recipe)
	require.NoError(t, err)
	assert.Empty(t, empty.done)
	assert.NoDirExists(t, filepath.Join(dir, "none"))

	store, err := OpenStore(dir, s.Recipe)
	require.NoError(t, err)
	_, err = OpenStore(dir, s.Recipe)
	assert.EqualError(t, err, dir+" is in use: another process runs its study")
	r := Result{Run: Run{Stage: Final, Method: "sgd", Shards: 1, LR: 0.1, Seed: 1}, Correct: 3, Of: 4}
	require.NoError(t, store.Add(r))
	path := filepath.Join(dir, storeName)
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"stage":"fin`)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)

	reader, err := ReadStore(dir, s.Recipe)
	require.NoError(t, err)
	assert.Equal(t, map[Run]Result{r.Run: r}, reader.done)
	require.NoError(t, reader.Add(Result{Run: Run{Seed: 9}}))
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	require.NoError(t, store.Close())

	store, err = OpenStore(dir, s.Recipe)
	require.NoError(t, err)
	assert.Equal(t, map[Run]Result{r.Run: r}, store.done, "the torn line is gone")
	require.NoError(t, store.Close())
}

// The costs of steps are kept beside the results.
func TestStoreKeepsCosts(t *testing.T) {
	dir := t.TempDir()
	s := small(t)
	store, err := OpenStore(dir, s.Recipe)
	require.NoError(t, err)
	assert.Nil(t, store.getCosts())
	want := costs{Steps: []Cost{{Name: "SGD", Method: "sgd", Shards: 1, Step: 0.25, VsSAM: 0.5, EqualEpochs: 4}}, Workers: 2}
	require.NoError(t, store.addCosts(want))
	require.NoError(t, store.Close())
	store, err = ReadStore(dir, s.Recipe)
	require.NoError(t, err)
	assert.Equal(t, &want, store.getCosts())
}

// A store reads what versions before Details, Epochs and Settings wrote.
func TestStoreReadsOlderLines(t *testing.T) {
	dir := t.TempDir()
	s := small(t)
	store, err := OpenStore(dir, s.Recipe)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	file, err := os.OpenFile(filepath.Join(dir, storeName), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"stage":"selection","noise":0.3,"method":"msam","shards":4,"rho":0.05,"lr":0.05,"seed":1,"right":48,"of":60,"loss":0.5,"steps":14,"seconds":0.1,"step_seconds":0.001,"workers":1,"jobs":2}
{"stage":"final","noise":0.3,"method":"sgd","shards":1,"rho":0,"lr":0.05,"seed":1,"right":300,"of":359,"loss":0.5,"steps":18,"seconds":0.1,"step_seconds":0.001,"workers":1,"jobs":2}
`)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	store, err = ReadStore(dir, s.Recipe)
	require.NoError(t, err)
	selection := s.entries[2].run(Selection, 0.3, 0.05, 0.05, 1)
	final := s.entries[0].run(Final, 0.3, 0, 0.05, 1)
	assert.True(t, s.has(store, selection))
	assert.True(t, s.has(store, final))
	s.Full = true
	assert.True(t, s.has(store, selection))
	assert.False(t, s.has(store, final), "it lacks the details, and is run again")
}

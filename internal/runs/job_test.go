package runs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam/train"
)

// ready returns completed settings for a short run on the embedded digits.
func ready(t *testing.T, change func(*Settings), given ...string) *Settings {
	s := Defaults()
	s.Epochs = 2
	change(&s)
	require.NoError(t, s.Complete(only(given...)))
	return &s
}

func nothing(*Settings) {}

// The training set loses the samples that are held back, and only those. The split depends on the
// seed alone.
func TestJobHoldsBack(t *testing.T) {
	j, err := ready(t, nothing).Read()
	require.NoError(t, err)
	assert.Equal(t, []int{1294, 144, 359}, []int{j.Train.Len(), j.Valid.Len(), j.Test.Len()})
	assert.Equal(t, "digits", j.Name)
	again, err := ready(t, func(s *Settings) { s.LR = 1 }).Read()
	require.NoError(t, err)
	assert.Equal(t, j.Valid, again.Valid)
	other, err := ready(t, func(s *Settings) { s.Seed = 2 }).Read()
	require.NoError(t, err)
	assert.NotEqual(t, j.Valid.X, other.Valid.X)
	assert.Equal(t, j.Sum, other.Sum, "of the data as it was read")

	all, err := ready(t, func(s *Settings) { s.Valid = 0 }).Read()
	require.NoError(t, err)
	assert.Nil(t, all.Valid)
	assert.Equal(t, 1438, all.Train.Len())
}

// All sets are standardized by the mean and deviation of the samples that are trained on, and the
// model's file has them.
func TestJobStandardizes(t *testing.T) {
	plain, err := ready(t, nothing).Read()
	require.NoError(t, err)
	by, err := plain.Train.MeanStd()
	require.NoError(t, err)
	j, err := ready(t, func(s *Settings) { s.Standardize = true }).Read()
	require.NoError(t, err)
	for _, sets := range [][2]*dataset.Set{{plain.Train, j.Train}, {plain.Valid, j.Valid}, {plain.Test, j.Test}} {
		want, err := sets[0].Standardize(by)
		require.NoError(t, err)
		assert.Equal(t, want.X, sets[1].X)
	}
	require.NoError(t, j.Build("", 1))
	assert.Equal(t, by.String(), j.Run.Meta.Standardize)
}

// A batch that nobody gave shrinks to a small set, and its shards with it.
func TestSmallSets(t *testing.T) {
	dir := t.TempDir()
	writeIDX(t, dir)
	s := ready(t, func(s *Settings) { s.Data, s.Valid = dir, 0.9 })
	j, err := s.Read()
	require.NoError(t, err)
	assert.Equal(t, []int{4, 4, 4}, []int{j.Train.Len(), s.Batch, s.Shards})
	_, err = ready(t, func(s *Settings) { s.Data, s.Valid, s.Shards = dir, 0.9, 8 }, "shards").Read()
	assert.EqualError(t, err, "--shards 8 are more than a batch of 4 has samples")
}

// Shards that nobody gave leave each the samples that a batch normalization needs.
func TestShardsSuitNormalization(t *testing.T) {
	bn := func(s *Settings) { s.Data, s.Model, s.Batch = "synthetic:4x4x1", "resnet20", 12 }
	s := ready(t, bn, "batch")
	j, err := s.Read()
	require.NoError(t, err)
	assert.Equal(t, 2, j.Model.MinShard())
	assert.Equal(t, 6, s.Shards)
	require.NoError(t, j.Build("", 1))

	s = ready(t, func(s *Settings) { bn(s); s.AscentFraction = 0.25 }, "batch", "ascent-fraction")
	_, err = s.Read()
	require.NoError(t, err)
	assert.Equal(t, 2, s.Shards, "2 of the 6 samples of a shard perturb it")

	s = ready(t, func(s *Settings) { bn(s); s.Shards = 8 }, "batch", "shards")
	_, err = s.Read()
	require.NoError(t, err)
	assert.Equal(t, 8, s.Shards, "as it was given")
}

func TestJobErrors(t *testing.T) {
	for want, change := range map[string]func(*Settings){
		"--valid 0.9999 leaves none of the 1438 training samples of digits, want less, or 0":         func(s *Settings) { s.Valid = 0.9999 },
		"--batch 1295 is more than the 1294 training samples of digits (--valid 0.1 holds back 144)": func(s *Settings) { s.Batch = 1295 },
		`--monitor is "valid_beauty", want one of valid_loss, valid_accuracy`:                        func(s *Settings) { s.Monitor = "valid_beauty" },
		`dataset: "frob" is neither a known data set nor a folder`:                                   func(s *Settings) { s.Data = "frob" },
		"net: layer 0, Conv2D{Out:32 Kernel:3 Padding:-1}: input 16: ":                               func(s *Settings) { s.Data, s.Model = "synthetic:16", "lenet" },
	} {
		j, err := ready(t, change, "batch").Read()
		if err == nil {
			err = j.Build("", 1)
		}
		assert.ErrorContains(t, err, want)
	}
}

// A run's model is opened from its folder or by its file, and finds its data again: where it was,
// also from another working folder, or by its name.
func TestOpenFindsData(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("data", 0o755))
	writeIDX(t, "data")
	s := ready(t, func(s *Settings) { s.Data, s.Model, s.Batch = "data", "mlp", 8 })
	j, err := s.Read()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "run")
	require.NoError(t, j.Build(dir, 1))
	_, err = j.Run.Start(t.Context())
	require.NoError(t, err)

	t.Chdir(t.TempDir())
	for _, path := range []string{dir, train.BestFile(dir), train.LastFile(dir)} {
		trained, err := Open(path, false)
		require.NoError(t, err)
		source, ok, err := trained.Source()
		require.NoError(t, err)
		require.True(t, ok)
		test, err := trained.Test(source)
		require.NoError(t, err, path)
		assert.Equal(t, j.Test.X, test.X)
	}
	last, err := Open(dir, true)
	require.NoError(t, err)
	assert.Equal(t, train.LastFile(dir), last.Path)

	again := *s // a run that goes on in another working folder
	_, err = again.Read()
	require.NoError(t, err)
	assert.Equal(t, s.Path, again.Path)

	source := s.Source
	require.NoError(t, os.Rename(s.Path, s.Path+"-gone"))
	_, _, err = source.Open()
	assert.ErrorContains(t, err, s.Path+" is gone, and dataset: \"data\" is neither")
	_, err = Open(t.TempDir(), false)
	assert.ErrorContains(t, err, "is not the folder of a run: it has neither best.safetensors nor last.safetensors")
}

// A known name is never a path, even if there is a folder of that name.
func TestNamesAreNoPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("digits", 0o755))
	s := Defaults()
	require.NoError(t, s.locate())
	assert.Empty(t, s.Path)
	s.Data = "./digits"
	require.NoError(t, s.locate())
	assert.True(t, filepath.IsAbs(s.Path))
}

// writeIDX writes a folder of 40 training and 8 test images of 2x2 pixels in two classes.
func writeIDX(t *testing.T, dir string) {
	for name, n := range map[string]byte{"train": 40, "t10k": 8} {
		images := []byte{0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 2, 0, 0, 0, 2}
		labels := []byte{0, 0, 8, 1, 0, 0, 0, n}
		for i := range n {
			images = append(images, 200*(i%2), 100, 0, 7)
			labels = append(labels, i%2)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+"-images-idx3-ubyte"), images, 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+"-labels-idx1-ubyte"), labels, 0o644))
	}
}

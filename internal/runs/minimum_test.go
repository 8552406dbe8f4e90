package runs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam/flatness"
	"github.com/steppe-ml/steppe/sam/train"
)

// kept trains as the command does: config.json is in the folder, too.
func kept(t *testing.T, s *Settings) (dir string, j *Job) {
	dir, j, _ = trained(t, s)
	require.NoError(t, (&Config{Version: "1", DataSum: j.Sum, Settings: *s}).Save(dir))
	return dir, j
}

// little is a model that is measured in no time.
var little = zoo.Model{
	Name: "little", About: "8 hidden features, for tests", Input: net.Shape{4}, Batch: 8,
	Layers: func(_ net.Shape, outputs int) ([]net.Layer, error) {
		return []net.Layer{net.Flatten{}, net.Dense{Out: 8}, net.ReLU{}, net.Dense{Out: outputs}}, nil
	},
}

// small is ready for a short run of little on tables, with all that changes samples.
func small(t *testing.T, data string, change func(*Settings)) *Settings {
	if _, err := zoo.Lookup(little.Name); err != nil {
		zoo.Models = append(zoo.Models, little)
	}
	return plain(t, func(s *Settings) {
		s.Data, s.Label, s.Batch, s.Epochs, s.Standardize, s.LabelNoise = data, "size", 8, 1, true, 0.25
		s.Model = little.Name
		change(s)
	})
}

// The samples of a minimum are those that the run trained on: its split, its wrong labels, its
// standardization. Their loss is that which train measures.
func TestMinimum(t *testing.T) {
	dir, j := kept(t, small(t, houses(t), nothing))
	for _, n := range []int{0, 30} {
		m, err := OpenMinimum(dir, false, n)
		require.NoError(t, err)
		want := j.Train
		if n > 0 {
			want, err = j.Train.Spread(n)
			require.NoError(t, err)
		}
		assert.Equal(t, []int{want.Len(), 108}, []int{m.Samples.Len(), m.Of})
		assert.Equal(t, want.X, m.Samples.X)
		assert.Equal(t, want.Labels, m.Samples.Labels)

		f, err := m.Measure(t.Context(), FlatnessOptions{Top: 2, Rho: 0.05, Seed: 1, Workers: 1})
		require.NoError(t, err)
		assert.Equal(t, []any{want.Len(), 108, "best", m.Sum, j.Settings.Source, little.Name}, []any{f.Samples, f.Of, f.Weights, f.Sum, f.Settings.Source, f.Settings.Model})
		scores, err := train.Evaluate(j.Model, m.Params, want, &train.Loss{})
		require.NoError(t, err)
		assert.InEpsilon(t, scores["loss"], f.Loss, 1e-5)
		assert.Len(t, f.Spectrum.Eigenvalues, 2)
		assert.Equal(t, []float64{0.05, 0.5}, []float64{f.Sharpness.Rho, f.Adaptive.Rho})
		assert.Nil(t, f.Density)
		assert.Nil(t, f.Plane)
		assert.Nil(t, f.Random)
	}
	last, err := OpenMinimum(dir, true, 10)
	require.NoError(t, err)
	assert.Equal(t, train.LastFile(dir), last.Path)
}

// All that can be measured is, and comes back from JSON. Progress only rises, from run to run alike.
func TestMeasure(t *testing.T) {
	dir, _ := kept(t, small(t, houses(t), nothing))
	m, err := OpenMinimum(dir, false, 20)
	require.NoError(t, err)
	last := 0.0
	var seen []string
	f, err := m.Measure(t.Context(), FlatnessOptions{
		Top: 3, Rho: 0.01, Line: true, Plane: true, Density: true, Seed: 1, Workers: 1,
		Progress: func(part float64, what string) {
			assert.GreaterOrEqual(t, part, last)
			assert.LessOrEqual(t, part, 1+1e-9)
			last = part
			if len(seen) == 0 || seen[len(seen)-1] != what {
				seen = append(seen, what)
			}
		},
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"eigenvalues", "trace", "sharpness", "lines", "density", "plane"}, seen)
	require.Len(t, f.Random, randomLines)
	assert.InDelta(t, f.Loss, f.Random[0].Losses[linePoints/2], 1e-6)
	assert.InDelta(t, f.Loss, f.Plane.Losses[planePoints/2][planePoints/2], 1e-6)
	// Near the weights, the loss along an eigenvector is a parabola.
	at, losses := f.Sharpest.At, f.Sharpest.Losses
	assert.InDeltaSlice(t, []float64{-0.08, 0.08}, []float64{at[0], at[len(at)-1]}, 1e-12)
	i := len(at) / 2
	h := at[i+1] - at[i]
	assert.InEpsilon(t, f.Spectrum.Eigenvalues[0], (losses[i+1]+losses[i-1]-2*losses[i])/(h*h), 0.1)

	text, err := json.Marshal(f)
	require.NoError(t, err)
	back := &Flatness{}
	require.NoError(t, json.Unmarshal(text, back))
	f.Settings = back.Settings // which have fields that aren't kept
	assert.Equal(t, f, back)
}

// What is known when the context ends is returned with the error.
func TestMeasureEnds(t *testing.T) {
	dir, _ := kept(t, small(t, houses(t), nothing))
	m, err := OpenMinimum(dir, false, 20)
	require.NoError(t, err)
	ctx, end := context.WithCancel(t.Context())
	f, err := m.Measure(ctx, FlatnessOptions{
		Top: 2, Rho: 0.1, Workers: 1,
		Progress: func(_ float64, what string) {
			if what == "sharpness" {
				end()
			}
		},
	})
	assert.ErrorIs(t, err, context.Canceled)
	assert.NotNil(t, f.Spectrum)
	assert.NotNil(t, f.Trace)
	assert.Nil(t, f.Adaptive)
}

// Texts, a language model, pictures that stream and a regression have minima, too.
func TestMinimumOfAllKinds(t *testing.T) {
	pictures := photos(t)
	for name, s := range map[string]*Settings{
		"texts":      onText(t, reviews(t), nothing),
		"language":   onText(t, story(t), nothing),
		"pictures":   small(t, pictures, func(s *Settings) { s.Label, s.Standardize, s.Stream = "", false, "always"; s.LabelNoise = 0 }),
		"regression": small(t, houses(t), func(s *Settings) { s.Label, s.Task, s.LabelNoise = "price", "regress", 0 }),
	} {
		s.Epochs = 1
		dir, j := kept(t, s)
		m, err := OpenMinimum(dir, false, 12)
		require.NoError(t, err, name)
		want, err := j.Train.Spread(12)
		require.NoError(t, err)
		assert.False(t, m.Samples.Streams())
		assert.Equal(t, [][]int32{want.Tokens, want.Labels}, [][]int32{m.Samples.Tokens, m.Samples.Labels}, name)
		assert.Equal(t, want.Targets, m.Samples.Targets, name)
		surface, err := flatness.New(m.Model, m.Params, m.Batches(), flatness.Config{Workers: 1})
		require.NoError(t, err, name)
		found, err := surface.Trace(t.Context(), 2)
		require.NoError(t, err, name)
		scores, err := train.Evaluate(j.Model, m.Params, want, &train.Loss{})
		require.NoError(t, err, name)
		assert.InEpsilon(t, scores["loss"], found.Loss, 1e-4, name)
		assert.Greater(t, m.Bytes(FlatnessOptions{Top: 5}), 4*uint64(m.Model.NumParams())*50, name)
		if name == "pictures" {
			assert.Equal(t, []int32{0, 1}, slices.Compact(m.Samples.Labels), "of both classes, which lie one behind the other")
		}
	}
}

// Batches have the run's size. A rest that is too small for a normalization goes to the batch
// before.
func TestMinimumBatches(t *testing.T) {
	flat := func(batch int, layers ...net.Layer) *Minimum {
		model, err := net.Compile(net.Shape{1}, layers...)
		require.NoError(t, err)
		set := &dataset.Set{Shape: net.Shape{1}, Classes: 2, X: make([]float32, 17), Labels: make([]int32, 17)}
		return &Minimum{Config: &Config{Settings: Settings{Batch: batch}}, Trained: &Trained{Model: model}, Samples: set}
	}
	sizes := func(m *Minimum) (sizes []int) {
		for _, b := range m.Batches() {
			sizes = append(sizes, b.N)
		}
		return sizes
	}
	dense, norm := net.Dense{Out: 2}, net.BatchNorm{}
	assert.Equal(t, []int{8, 8, 1}, sizes(flat(8, dense)))
	assert.Equal(t, []int{8, 9}, sizes(flat(8, dense, norm)))
	assert.Equal(t, []int{5, 5, 5, 2}, sizes(flat(5, dense, norm)))
	assert.Equal(t, []int{17}, sizes(flat(64, dense, norm)))
}

func TestOpenMinimumErrors(t *testing.T) {
	data := houses(t)
	dir, _ := kept(t, small(t, data, nothing))
	open := func(dir string, n int) error {
		_, err := OpenMinimum(dir, false, n)
		return err
	}
	assert.EqualError(t, open(dir, 109), dir+": --samples 109 is more than the 108 training samples of houses (--valid 0.1 holds back 12)")
	assert.ErrorContains(t, open(t.TempDir(), 0), " is not the folder of a run: it has no config.json")
	assert.EqualError(t, open(filepath.Join(dir, "none"), 0), filepath.Join(dir, "none")+" isn't there, want the folder of a run (steppe train --out)")
	file := train.BestFile(dir)
	assert.EqualError(t, open(file, 0), file+" is a file, want the folder of a run, which says what it was trained on and how")

	config, err := LoadConfig(dir)
	require.NoError(t, err)
	changed := func(change func(*Config)) error {
		c := *config
		change(&c)
		require.NoError(t, c.Save(dir))
		return open(dir, 0)
	}
	assert.ErrorContains(t, changed(func(c *Config) { c.DataSum = "0123abcd" }), "houses isn't the data that the run was trained on: its checksum is ")
	assert.ErrorContains(t, changed(func(c *Config) { c.Settings.Model = "lenet" }), "best.safetensors has the model little, and config.json says lenet")
	assert.ErrorContains(t, changed(func(c *Config) {
		c.DataSum, c.Settings.Task = "", "regress"
		c.Settings.LabelNoise = 0
		c.Settings.Label = "price"
	}), " parameters, and the model of config.json for houses has ")
	require.NoError(t, changed(func(*Config) {}))
	require.NoError(t, os.Rename(data, data+"-moved"))
	assert.ErrorContains(t, open(dir, 0), "the data that the run was trained on, "+data+", can't be opened: ")
}

// Minima of different models, or on different samples, are told apart, with the settings that make
// the difference.
func TestIncomparable(t *testing.T) {
	data := houses(t)
	minimum := func(change func(*Settings)) *Minimum {
		dir, _ := kept(t, small(t, data, change))
		m, err := OpenMinimum(dir, false, 20)
		require.NoError(t, err)
		return m
	}
	one := minimum(nothing)
	for want, change := range map[string]func(*Settings){
		"": func(s *Settings) { s.LR, s.Epochs = 0.01, 2 },
		" were measured on different samples (--seed 1 and 2): their numbers can't be compared strictly":                                         func(s *Settings) { s.Seed = 2 },
		" were measured on different samples (--label-noise 0.25 and 0; --standardize true and false): their numbers can't be compared strictly": func(s *Settings) { s.LabelNoise, s.Standardize = 0, false },
	} {
		other := minimum(change)
		reasons := Incomparable([]*Minimum{one, other}, flatness.Running)
		if want == "" {
			assert.Empty(t, reasons)
			continue
		}
		assert.Equal(t, []string{one.Dir + " and " + other.Dir + want}, reasons)
	}
	other := minimum(func(s *Settings) { s.Batch = 16 })
	assert.Empty(t, Incomparable([]*Minimum{one, other}, flatness.Running))
	assert.Equal(t, []string{fmt.Sprintf("%s and %s normalize over batches of 8 and 16 samples: their numbers can't be compared", one.Dir, other.Dir)},
		Incomparable([]*Minimum{one, other}, flatness.Batch))
	renamed, config := *other, *other.Config
	config.Settings.Model = "lenet"
	renamed.Config = &config
	assert.True(t, slices.Equal([]string{one.Dir + " and " + other.Dir + " have different models, little and lenet: their numbers can't be compared"},
		Incomparable([]*Minimum{one, &renamed}, flatness.Running)))
}

package runs

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam/train"
)

// photos writes a folder of pictures of 4x4 pixels: bright ones of day, and dark ones of night.
func photos(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "photos")
	for part, n := range map[string]int{"train": 20, "test": 4} {
		for class, base := range map[string]uint8{"day": 200, "night": 20} {
			folder := filepath.Join(dir, part, class)
			require.NoError(t, os.MkdirAll(folder, 0o755))
			for i := range n {
				img := image.NewGray(image.Rect(0, 0, 4, 4))
				for p := range img.Pix {
					img.Pix[p] = base + uint8(7*i+p)%40
				}
				writePNG(t, filepath.Join(folder, fmt.Sprintf("%02d.png", i)), img)
			}
		}
	}
	return dir
}

func writePNG(t *testing.T, path string, img image.Image) {
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	require.NoError(t, png.Encode(file, img))
}

// houses writes tables for training and for tests. The price is 1000 + 50*rooms in Bonn, and 100
// more in Ulm; a house with four rooms or more is large.
func houses(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "houses")
	require.NoError(t, os.Mkdir(dir, 0o755))
	for part, n := range map[string]int{"train": 120, "test": 12} {
		var rows strings.Builder
		rows.WriteString("rooms,town,price,size\n")
		for i := range n {
			rooms, ulm := 1+i%6, i/6%2
			fmt.Fprintf(&rows, "%d,%s,%d,%s\n", rooms, []string{"Bonn", "Ulm"}[ulm], 1000+50*rooms+100*ulm, []string{"small", "large"}[rooms/4])
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, part+".csv"), []byte(rows.String()), 0o644))
	}
	return dir
}

// plain is ready for plain SGD with a batch that is given. Such easy data soon has gradients of 1e-40,
// which SAM refuses to scale up to rho.
func plain(t *testing.T, change func(*Settings)) *Settings {
	return ready(t, func(s *Settings) {
		s.Method = "sgd"
		change(s)
	}, "batch")
}

// trained trains in a folder and returns its job.
func trained(t *testing.T, s *Settings) (dir string, j *Job, history *train.History) {
	j, err := s.Read()
	require.NoError(t, err)
	dir = filepath.Join(t.TempDir(), "run")
	require.NoError(t, j.Build(dir, 1))
	history, err = j.Run.Start(t.Context())
	require.NoError(t, err)
	return dir, j, history
}

// predictAll returns what Predict yields.
func predictAll(t *testing.T, m *Trained, inputs ...string) (names []string, outputs [][]float32) {
	err := m.Predict(t.Context(), inputs, strings.NewReader(""), func(p Prediction) error {
		names, outputs = append(names, p.Input), append(outputs, slices.Clone(p.Outputs))
		return nil
	})
	require.NoError(t, err)
	return names, outputs
}

// outputsOf returns the outputs of a model for the samples of a set.
func outputsOf(t *testing.T, m *Trained, set *dataset.Set) (outputs [][]float32) {
	predictor, err := m.Model.Predictor(m.Params)
	require.NoError(t, err)
	for i := range set.Len() {
		x := make([]float32, set.Shape.Size())
		require.NoError(t, set.Read(i, x))
		out, err := predictor.Outputs(nil, x)
		require.NoError(t, err)
		outputs = append(outputs, out)
	}
	return outputs
}

// Pictures are predicted as the samples of the test set are, which were standardized or not.
func TestPredictPictures(t *testing.T) {
	dir := photos(t)
	for _, standardize := range []bool{false, true} {
		run, _, _ := trained(t, plain(t, func(s *Settings) { s.Data, s.Batch, s.Standardize = dir, 8, standardize }))
		m, err := Open(run, false)
		require.NoError(t, err)
		assert.Equal(t, []string{"day", "night"}, m.ClassNames())
		source, _, err := m.Source()
		require.NoError(t, err)
		test, err := m.Test(source)
		require.NoError(t, err)
		names, outputs := predictAll(t, m, filepath.Join(dir, "test"))
		require.Len(t, names, 8)
		assert.Equal(t, filepath.Join(dir, "test", "day", "00.png"), names[0])
		assert.Equal(t, outputsOf(t, m, test), outputs)

		names, again := predictAll(t, m, filepath.Join(dir, "test", "night", "03.png"), filepath.Join(dir, "test", "day"))
		assert.Len(t, names, 5)
		assert.Equal(t, append([][]float32{outputs[7]}, outputs[:4]...), again)

		other, err := m.TestOn(filepath.Join(dir, "test"))
		require.NoError(t, err)
		assert.Equal(t, outputs, outputsOf(t, m, other))
	}
}

// Rows are predicted as those of the test set, and named by their number.
func TestPredictRows(t *testing.T) {
	dir := houses(t)
	run, _, _ := trained(t, plain(t, func(s *Settings) { s.Data, s.Label, s.Batch, s.Standardize = dir, "size", 8, true }))
	m, err := Open(run, false)
	require.NoError(t, err)
	path := filepath.Join(dir, "test.csv")
	names, outputs := predictAll(t, m, path)
	require.Len(t, names, 12)
	assert.Equal(t, []string{path + " row 1", path + " row 12"}, []string{names[0], names[11]})
	for _, data := range []string{dir, path} {
		test, err := m.TestOn(data)
		require.NoError(t, err)
		assert.Equal(t, outputsOf(t, m, test), outputs)
	}
}

// A regression predicts in the units of its label.
func TestPredictNumbers(t *testing.T) {
	dir := houses(t)
	run, j, history := trained(t, plain(t, func(s *Settings) { s.Data, s.Label, s.Task, s.Batch, s.Epochs = dir, "price", "regress", 8, 20 }))
	assert.True(t, j.Regression())
	m, err := Open(run, false)
	require.NoError(t, err)
	assert.Empty(t, m.ClassNames())
	_, outputs := predictAll(t, m, filepath.Join(dir, "test.csv"))
	require.Len(t, outputs, 12)
	for i, out := range outputs {
		assert.InDelta(t, float64(1000+50*(1+i%6)+100*(i/6%2)), m.Value(out), 40)
	}

	review, err := NewReview(t.Context(), j.Model, history.Best, j.Test, nil)
	require.NoError(t, err)
	fit := j.fit(review)
	assert.Equal(t, "price", fit.Target)
	require.Len(t, fit.True, 12)
	for i := range fit.True {
		assert.InDelta(t, float64(1000+50*(1+i%6)+100*(i/6%2)), fit.True[i], 1e-3)
		assert.InDelta(t, m.Value(outputs[i]), fit.Predicted[i], 1e-3)
	}
}

func TestPredictErrors(t *testing.T) {
	pictures, tables := photos(t), houses(t)
	run, _, _ := trained(t, plain(t, func(s *Settings) { s.Data, s.Batch = pictures, 8 }))
	m, err := Open(run, false)
	require.NoError(t, err)
	empty, path := t.TempDir(), filepath.Join(pictures, "test", "day", "00.png")
	fails := func(ctx context.Context, input string) error {
		return m.Predict(ctx, []string{input}, nil, func(Prediction) error { return errors.New("enough") })
	}
	assert.ErrorIs(t, fails(t.Context(), filepath.Join(empty, "none.png")), os.ErrNotExist)
	assert.EqualError(t, fails(t.Context(), empty), empty+" has no pictures")
	assert.ErrorContains(t, fails(t.Context(), filepath.Join(tables, "test.csv")), "test.csv: expected pictures, since the model was trained on some")
	assert.EqualError(t, fails(t.Context(), path), "enough")
	ended, end := context.WithCancel(t.Context())
	end()
	assert.ErrorIs(t, fails(ended, path), context.Canceled)

	values := &Trained{Path: "m", Meta: m.Meta}
	values.Meta.Input = net.Shape{16}
	_, err = values.Input()
	assert.EqualError(t, err, "m takes samples of 16, and doesn't say how pictures or rows become such")
	values.Meta.Input = net.Shape{4, 6, 3}
	input, err := values.Input()
	require.NoError(t, err)
	assert.Equal(t, &dataset.Pictures{Height: 4, Width: 6, Channels: 3}, input.Pictures)
}

// A picture of another kind becomes what the model takes.
func TestPredictOtherPicture(t *testing.T) {
	run, _, _ := trained(t, plain(t, func(s *Settings) { s.Data, s.Batch = photos(t), 8 }))
	m, err := Open(run, false)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "large.png")
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		img.Set(i%64, i/64, color.RGBA{220, 220, 220, 255})
	}
	writePNG(t, path, img)
	_, outputs := predictAll(t, m, path)
	require.Len(t, outputs, 1)
	assert.Greater(t, outputs[0][0], outputs[0][1], "day")
}

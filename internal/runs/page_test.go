package runs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/report"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam/train"
)

// The page lists the settings that the run uses under their flags' names.
func TestSettingsList(t *testing.T) {
	s := ready(t, func(s *Settings) { s.Optimizer, s.Augment = "adamw", []string{"crop", "flip"} })
	list, err := s.list()
	require.NoError(t, err)
	values := map[string]string{}
	for _, setting := range list {
		values[setting.Name] = setting.Value
	}
	assert.Equal(t, "data", list[0].Name)
	assert.Equal(t, "0.001", values["lr"])
	assert.Equal(t, "0.999", values["beta2"])
	assert.Equal(t, "[crop flip]", values["augment"])
	assert.NotContains(t, values, "momentum", "which AdamW has none of")
	assert.NotContains(t, values, "data-path", "of a set that is no file")
}

// A mistake of a table shows its columns by name, in their units, also if the samples were
// standardized once more. Long rows are cut.
func TestExampleOfTable(t *testing.T) {
	dir := houses(t)
	for _, standardize := range []bool{false, true} {
		j, err := ready(t, func(s *Settings) { s.Data, s.Label, s.Batch, s.Standardize = dir, "size", 8, standardize }, "batch").Read()
		require.NoError(t, err)
		e, err := j.example(j.Test, 9)
		require.NoError(t, err)
		assert.Equal(t, []report.Setting{{Name: "rooms", Value: "4"}, {Name: "town", Value: "Ulm"}, {Name: "price", Value: "1300"}}, e.Fields)
		assert.Nil(t, e.Picture)
		assert.Equal(t, "sample 9", e.Source)
	}

	j, err := ready(t, func(s *Settings) { s.Data, s.Standardize = "synthetic:40", true }).Read()
	require.NoError(t, err)
	e, err := j.example(j.Test, 0)
	require.NoError(t, err)
	require.Len(t, e.Fields, mostFields+1)
	assert.Equal(t, "11", e.Fields[mostFields-1].Name)
	assert.Equal(t, report.Setting{Name: "and 28 more"}, e.Fields[mostFields])
}

// A mistake of pictures shows the pixels, which the page can bring back if they were standardized.
func TestExampleOfPicture(t *testing.T) {
	j, err := ready(t, func(s *Settings) { s.Standardize = true }).Read()
	require.NoError(t, err)
	e, err := j.example(j.Test, 3)
	require.NoError(t, err)
	require.NotNil(t, e.Picture)
	assert.Empty(t, e.Fields)
	_, plain, err := dataset.Open("digits")
	require.NoError(t, err)
	want := make([]float32, 64)
	require.NoError(t, plain.Read(3, want))
	for i, v := range e.Picture.Standard.Restore(e.Picture.Values) {
		assert.InDelta(t, want[i], v, 1e-5)
	}
}

// A run that isn't finished has a report, too: with its validation samples if an epoch is finished,
// and otherwise of what there is.
func TestReportOfUnfinishedRun(t *testing.T) {
	s := plain(t, func(s *Settings) { s.Data, s.Label, s.Batch = houses(t), "size", 8 })
	dir, j, history := trained(t, s)
	s.Epochs = 9 // of which 2 are done
	config := &Config{Version: "1.2", Machine: "a machine", Settings: *s}
	page := func(history *train.History, review *Review, on *dataset.Set) string {
		require.NoError(t, SaveCurves(dir, history.BestEpoch))
		require.NoError(t, j.SaveReport(dir, config, history, review, on))
		text, err := os.ReadFile(filepath.Join(dir, ReportFile))
		require.NoError(t, err)
		return string(text)
	}
	review, err := NewReview(t.Context(), j.Model, history.Best, j.Valid, nil)
	require.NoError(t, err)
	if len(review.Mistakes) == 0 { // with an example in any case
		review.Mistakes = []Mistake{{Index: 0, Label: 0, Predicted: 1, Probability: 0.9}}
	}
	text := page(history, review, j.Valid)
	assert.Contains(t, text, "the validation samples of houses")
	assert.NotContains(t, text, "the test set")
	assert.Contains(t, text, "2 of 9")
	assert.Contains(t, text, "steppe 1.2; a machine")
	for _, column := range []string{"rooms", "town", "price", "Examples of mistakes"} {
		assert.Contains(t, text, column)
	}
	assert.FileExists(t, filepath.Join(dir, CurvesFile))

	require.NoError(t, os.Remove(filepath.Join(dir, CurvesFile)))
	require.NoError(t, os.Truncate(train.LogFile(dir), 0))
	text = page(&train.History{}, nil, nil)
	assert.Contains(t, text, "mlp on houses")
	assert.NotContains(t, text, "Examples of mistakes")
	assert.NoFileExists(t, filepath.Join(dir, CurvesFile), "nothing to draw")
	assert.NoFileExists(t, filepath.Join(dir, "."+ReportFile))
}

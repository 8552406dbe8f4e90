package runs

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/sam"
)

// only is the given function of flags that were given.
func only(flags ...string) func(string) bool {
	return func(flag string) bool { return slices.Contains(flags, flag) }
}

// Each method and optimizer completes to its own defaults, and given settings stay.
func TestComplete(t *testing.T) {
	for _, method := range sam.Methods {
		for _, optimizer := range Optimizers {
			s := Defaults()
			s.Method, s.Optimizer = method.Name, optimizer.Name
			require.NoError(t, s.Complete(only()))
			assert.Equal(t, method.Preset.Rho, s.Rho)
			assert.Equal(t, method.Preset.Shards, s.Shards)
			assert.Equal(t, optimizer.LR, s.LR)
			assert.Equal(t, optimizer.WeightDecay, s.WeightDecay)
			assert.Equal(t, method.Preset.Ascent.Adaptive, s.Eta > 0)
			c, err := s.config(10, 1)
			require.NoError(t, err)
			assert.Equal(t, method.Preset.Ascent.NormOnly, c.Ascent.NormOnly)
		}
	}
	s := Defaults()
	s.Rho, s.Shards, s.LR, s.AscentEvery = 0.3, 2, 0.7, 3
	require.NoError(t, s.Complete(only("rho", "shards", "lr", "ascent-every")))
	assert.Equal(t, []float64{0.3, 2, 0.7, 3}, []float64{s.Rho, float64(s.Shards), s.LR, float64(s.AscentEvery)})

	s = Defaults()
	s.Batch = 3
	require.NoError(t, s.Complete(only()))
	assert.Equal(t, 3, s.Shards, "no more than the batch has samples")

	s = Defaults()
	s.Valid = 0
	require.NoError(t, s.Complete(only()))
	assert.Equal(t, "train_loss", s.Monitor)
}

func TestCompleteErrors(t *testing.T) {
	for _, test := range []struct {
		change func(*Settings)
		given  []string
		want   string
	}{
		{func(s *Settings) { s.Method, s.Rho = "sgd", 0.1 }, []string{"rho"}, "--rho 0.1 with --method sgd, which perturbs nothing"},
		{func(s *Settings) { s.Method, s.Shards = "sam", 2 }, []string{"shards"}, "--shards 2 with --method sam, which has 1 shard"},
		{func(s *Settings) { s.Eta = 0.1 }, []string{"eta"}, "--eta 0.1 with --method msam, which doesn't scale its perturbation"},
		{func(s *Settings) { s.Method = "asam" }, []string{"eta"}, "--eta is 0, want a positive number"},
		{func(s *Settings) { s.Optimizer = "adamw" }, []string{"momentum"}, "--momentum with --optimizer adamw, which has none"},
		{func(s *Settings) { s.Valid = 0 }, []string{"monitor"}, "--monitor valid_loss with --valid 0: without validation samples only train_loss is measured"},
		{func(s *Settings) { s.Monitor = "train_loss" }, []string{"monitor"}, "--monitor train_loss with --valid 0.1, want a metric of the validation samples such as valid_loss, or --valid 0"},
		{func(s *Settings) { s.Shards = 65 }, []string{"shards"}, "--shards 65 are more than --batch 64 has samples"},
		{func(s *Settings) { s.Valid = 1 }, nil, "--valid is 1, want 0 or more, and less than 1"},
		{func(s *Settings) { s.LabelNoise = math.NaN() }, nil, "--label-noise is NaN, want 0 to 1"},
		{func(s *Settings) { s.Rho = math.Inf(1) }, []string{"rho"}, "--rho is +Inf, want a finite number that isn't negative"},
		{func(s *Settings) { s.Rho = 1e39 }, []string{"rho"}, "--rho is 1e+39, want a finite number that isn't negative"},
		{func(s *Settings) { s.Momentum = 0.99999999999 }, nil, "--momentum is 0.99999999999, want 0 or more, and less than 1"},
		{func(s *Settings) { s.Patience = -1 }, nil, "--patience is -1, want at least 0"},
		{func(s *Settings) { s.Augment = []string{"zoom"} }, nil, `unknown augmentation "zoom", want one of crop, flip, cutout`},
		{func(s *Settings) { s.Data = "" }, nil, "--data is empty, want the name of a data set, a file or a folder"},
		{func(s *Settings) { s.Color = "red" }, nil, `--color is "red", want one of auto, gray, color`},
		{func(s *Settings) { s.Test = 1 }, nil, "--test is 1, want more than 0 and less than 1, or 0 for a fifth"},
		{func(s *Settings) { s.ImageSize = -1 }, nil, "--image-size is -1, want at least 1"},
	} {
		s := Defaults()
		test.change(&s)
		assert.EqualError(t, s.Complete(only(test.given...)), test.want)
	}
}

// config.json gives back every setting.
func TestConfigRoundTrip(t *testing.T) {
	dir := t.TempDir()
	s := Defaults()
	s.Method, s.Shards, s.Augment, s.Seed, s.LR, s.Label = "masam", 4, []string{"crop", "flip"}, math.MaxUint64, 1.0/3, "<b> & ü"
	require.NoError(t, s.Complete(only("lr", "rho", "batch", "shards")))
	want := &Config{Version: "1", ISA: "avx2", Machine: "m", DataSum: "00ff", Settings: s}
	require.NoError(t, want.Save(dir))
	got, err := LoadConfig(dir)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestLoadConfigErrors(t *testing.T) {
	_, err := LoadConfig(t.TempDir())
	assert.ErrorContains(t, err, " is not the folder of a run: it has no config.json")
	for text, want := range map[string]string{
		``:                                  "EOF",
		`{"settings":{"frob":1}}`:           `unknown field "frob"`,
		`{"steppe":"9","settings":{"a":1}}`: `unknown field "a": the run is of steppe 9, which means something by it that this version doesn't know`,
		`{"settings":{"epochs":"x"}}`:       `"epochs" is a string, want a whole number`,
		`{"settings":{"epochs":1e9}}`:       `"epochs" is a number 1e9, want a whole number`,
		`{"settings":{"data":3}}`:           `"data" is a number, want a string`,
		`{"settings":3}`:                    `"settings" is a number, want an object`,
		`{"settings":{"epochs":0}}`:         "--epochs is 0, want at least 1",
		`{"settings":{}} {}`:                "more than one value",
		`{"settings":{"method":"frob"}}`:    `unknown method "frob"`,
		`{"settings":{"lr":0.1,"lr":"oh"}}`: `"lr" is a string, want a number`,
	} {
		_, err := ParseConfig([]byte(text))
		assert.ErrorContains(t, err, want, text)
	}
	_, err = ParseConfig(make([]byte, maxConfig+1))
	assert.EqualError(t, err, "more than 1048576 bytes")
}

// A configuration that is read is valid, and survives being written again.
func FuzzConfig(f *testing.F) {
	s := Defaults()
	if err := s.Complete(only()); err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(Config{Settings: s})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"settings":{"shards":1,"ascent-fraction":1,"ascent-every":1,"lr":1}}`))
	f.Add([]byte(`{"settings":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig(text)
		if err != nil {
			return
		}
		assert.NoError(t, c.Settings.Validate())
		again, err := json.Marshal(c)
		require.NoError(t, err)
		back, err := ParseConfig(again)
		require.NoError(t, err)
		assert.Equal(t, c, back)
	})
}

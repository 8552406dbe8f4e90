package campaign

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
)

// problems returns what is wrong with a file, line by line.
func problems(t *testing.T, text string) []string {
	t.Helper()
	_, err := Parse("a.yaml", []byte(text))
	require.Error(t, err)
	require.IsType(t, &Problems{}, err)
	return strings.Split(err.Error(), "\n")
}

// Everything that is wrong is listed at once, with its line, in the words of the file.
func TestProblemsAreListed(t *testing.T) {
	t.Setenv(dataset.CacheEnv, t.TempDir())
	methods := strings.Join(methodNames(), ", ")
	got := problems(t, `title: A file with errors
default:
  epochs: 3
defaults:
  epochs: 0
  rho: 0.1
parts:
  - data: digits
    model: mpl
    methods: [sgd, frob, sgd, {method: sam, ascent: {evry: 2}}, {method: sam, shards: 4}]
    rhos: [0.1, -0.2, 0.1]
  - data: mnist
    model: lenet
    batch: 16
    shards: [4, 32]
    methods:
      - sgd
      - method: msam
        shards: 64
  - data: nowhere
    model: mlp
    seeds: many
    validation: 1
    epochs: 3
    epochs: 4
    noise: []
  - model: text-tiny
    data: digits
    momentum: 0.5
    augment: crop
    schedule: [cosine]
  - data: digits
    model: mlp
    methods: sam
    lrs: [0.1, 0.2]
    warmup: 30
    equal-time: yes please
  - name: digits-mlp
    data: digits
    model: mlp
    epochs: 20
    warmup: 20
    methods: [sgd]
    equal-time: true
  - {}
`)
	wants := []string{
		`a.yaml has 27 problems:`,
		`a.yaml:2: the file has an unknown key "default" (defaults?), want one of name, title, about, defaults, parts`,
		`a.yaml:5: epochs is 0, want a whole number, at least 1`,
		`a.yaml:6: defaults has an unknown key "rho" (rhos?), want one of name, title, data, `,
		`a.yaml:9: model is "mpl", want one of mlp, lenet, `,
		`a.yaml:10: method is "frob", want one of ` + methods,
		`a.yaml:10: methods has sgd twice, first in line 10`,
		`a.yaml:10: ascent has an unknown key "evry", want one of adaptive, eta, norm-only, `,
		`a.yaml:10: sam has shards, and takes 1 only`,
		`a.yaml:11: rhos has -0.2, want positive numbers`,
		`a.yaml:11: rhos has 0.1 twice`,
		`a.yaml:12: mnist isn't in `,
		`a.yaml:15: shards has 32, more than the 16 samples of a batch`,
		`a.yaml:18: shards of msam has 64, more than the 16 samples of a batch`,
		`a.yaml:20: "nowhere" is neither a known data set nor a folder or file, expected one of digits, `,
		`a.yaml:22: seeds is "many", want a whole number, at least 1`,
		`a.yaml:23: validation is 1, want more than 0 and less than 1`,
		`a.yaml:25: epochs is given twice, first in line 24`,
		`a.yaml:26: noise is empty, want at least one value`,
		`a.yaml:29: momentum with optimizer adamw, which has none`,
		`a.yaml:31: schedule is a list, want a text`,
		`a.yaml:34: methods lacks sgd, which chooses among the 2 lrs for all: add it, or say tune-lr: all`,
		`a.yaml:37: equal-time is "yes please", want true or false`,
		`a.yaml:38: this part is called digits-mlp, as that of line 32: give it another name`,
		`a.yaml:42: warmup is 20 epochs, want less than the 20 epochs`,
		`a.yaml:44: equal-time is true, and methods lacks sam, whose time is the measure`,
		`a.yaml:45: this part has no data, want the name of a data set, a file or a folder`,
		`a.yaml:45: this part has no model, want one of mlp, `,
	}
	for _, want := range wants {
		found := false
		for _, line := range got {
			found = found || strings.HasPrefix(line, want)
		}
		assert.True(t, found, want)
	}
	assert.Len(t, got, len(wants))
	if t.Failed() {
		t.Log(strings.Join(got, "\n"))
	}
}

func TestProblemsOfWholeFiles(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "a.yaml: is empty, want a study with parts (steppe study --print digits shows one)",
		"parts: [":                   "a.yaml:1: not YAML in or after line 1: did not find expected node content",
		"- data: digits":             `a.yaml:1: the file is a list, want keys and values`,
		"title: none":                "a.yaml:1: there are no parts, want a list of them, each with data and model",
		"parts: digits":              `a.yaml:1: parts is "digits", want a list of parts, each with data and model`,
		"parts: []":                  "a.yaml:1: parts is an empty list, want a list of parts, each with data and model",
		"parts: [digits]":            `a.yaml:1: a part is "digits", want keys and values`,
		"name: a/b\nparts: []":       `a.yaml:1: name is "a/b", want letters, digits, dots, dashes and underscores`,
		"defaults: {name: x}\nparts": "a.yaml:2: not YAML in or after line 2: ",
		"parts: []\n---\nparts: []":  "a.yaml: has several documents, want one study",
	} {
		assert.Contains(t, strings.Join(problems(t, text), "\n"), want)
	}
}

// Parts inherit the defaults, and what nobody gave is what compare has.
func TestDefaults(t *testing.T) {
	f, err := Parse("mine.yaml", []byte(`
defaults:
  data: digits
  rhos: 0.1
  noise: &levels [0, 0.2]
  flatness: {rho: 0.02}
parts:
  - model: mlp
  - model: lenet
    name: other
    title: Another
    batch: 12
    rhos: [0.2, 0.05]
    flatness: false
    noise: *levels
    methods:
      - sgd
      - method: looksam
        ascent: {every: 2}
        descent: {look: 0.7}
        rhos: 0.3
        lrs: [0.1]
`))
	require.NoError(t, err)
	assert.Equal(t, []string{"mine", "mine"}, []string{f.Name, f.Title})
	first, second := f.Parts[0], f.Parts[1]
	assert.Equal(t, "digits-mlp", first.Name)
	assert.Equal(t, []float64{0.1}, first.Rhos)
	assert.Equal(t, []float64{0.2, 0.05}, second.Rhos)
	assert.Equal(t, []float64{0, 0.2}, second.Noise)
	assert.Equal(t, &study.FlatnessConfig{Samples: 500, Rho: 0.02, Labels: "trained"}, first.Flatness)
	assert.Nil(t, second.Flatness)
	assert.Equal(t, []int{4, 8, 16, 32}, first.Shards)
	assert.True(t, first.EqualTime)
	assert.False(t, second.EqualTime, "without SAM there is no measure")
	assert.Equal(t, []float64{0.05}, first.LRs)
	assert.Equal(t, 1e-4, first.Base.WeightDecay)

	looksam := second.Methods[1]
	assert.Equal(t, "ascent.every=2", looksam.Settings, "look is what it is anyway")
	assert.Equal(t, []float64{0.3}, looksam.Rhos)
	assert.Equal(t, []float64{0.1}, looksam.LRs)
	assert.Equal(t, 2, looksam.Preset.Ascent.Every)
	row, err := sam.Lookup("looksam")
	require.NoError(t, err)
	assert.Equal(t, 5, row.Preset.Ascent.Every, "the table stays as it is")
}

func TestOpen(t *testing.T) {
	f, err := Parse("mine.yaml", []byte(`
defaults: {data: digits, samples: 400, test-samples: 100, seeds: 2}
parts:
  - {model: mlp, name: few, flatness: {samples: 50}}
  - {model: mlp, name: tenth, batch: 10}
  - {model: resnet20, batch: 8, augment: [crop, flip]}
`))
	require.NoError(t, err)
	studies, err := f.Open()
	require.NoError(t, err)
	require.Len(t, studies, 3)
	s := studies[0]
	assert.Equal(t, []int{400, 100, 1438, 80}, []int{s.Train.Len(), s.Test.Len(), s.AllSamples, s.Recipe.Validation})
	assert.Equal(t, "mlp on digits, 400 of 1438 training samples", s.Heading())
	assert.Equal(t, 50, s.Flatness.Samples)
	assert.Equal(t, 400, studies[1].Flatness.Samples, "500 are more than there are")
	assert.Equal(t, []int{4, 8}, studies[1].Grid.Shards)
	assert.Equal(t, []int{4, 8}, studies[2].Grid.Shards)
	assert.Equal(t, []string{"crop", "flip"}, studies[2].Recipe.Augment)
}

// A transformer over text has AdamW and a warm-up, as compare has them.
func TestOpenText(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "reviews.tsv")
	rows := strings.Repeat("a fine film\tgood\nan awful film\tbad\n", 60)
	require.NoError(t, os.WriteFile(path, []byte("review\tverdict\n"+rows), 0o644))
	f, err := Parse("mine.yaml", []byte("parts: [{data: "+path+", text: review, label: verdict, length: 8, model: text-tiny, epochs: 20, batch: 16}]"))
	require.NoError(t, err)
	studies, err := f.Open()
	require.NoError(t, err)
	r := studies[0].Recipe
	assert.Equal(t, "adamw", r.Optimizer)
	assert.Equal(t, []float64{2, 0.01, 0}, []float64{r.Warmup, r.WeightDecay, r.Momentum})
	assert.Equal(t, []float64{5e-4}, studies[0].Grid.LRs)
	assert.Equal(t, "reviews.tsv-text-tiny", studies[0].Part.Name)
	// In runs of other epochs the warm-up has the same part.
	for _, epochs := range []int{20, 10} {
		schedule := studies[0].Schedule(epochs, 6)
		first := epochs * 6 / 10
		assert.Less(t, schedule.Factor(uint64(first-1)), 1.0)
		assert.Equal(t, 1.0, schedule.Factor(uint64(first)))
	}
}

// What shows only with the data is listed at once, too.
func TestProblemsWithData(t *testing.T) {
	f, err := Parse("a.yaml", []byte(`parts:
  - data: digits
    model: text-tiny
  - data: digits
    model: mlp
    samples: 5000
    test-samples: 5000
  - data: digits
    model: mlp
    name: third
    flatness:
      samples: 2000
  - data: digits
    model: mlp
    name: fourth
    batch: 1200
    methods:
      - sgd
      - sam-on
      - {method: msam-on, shards: 4}
      - sam
`))
	require.NoError(t, err)
	_, err = f.Open()
	require.Error(t, err)
	got := err.Error()
	assert.Contains(t, got, "a.yaml has 7 problems:\n")
	assert.Contains(t, got, "a.yaml:3: model text-tiny reads text, and data digits has samples of 8x8x1: ")
	assert.Contains(t, got, "a.yaml:6: samples is 5000, more than the 1438 training samples of digits")
	assert.Contains(t, got, "a.yaml:7: test-samples is 5000, more than the 359 test samples of digits")
	assert.Contains(t, got, "a.yaml:12: samples of flatness is 2000, want 1 to 1438, the training samples")
	assert.Contains(t, got, "a.yaml:16: batch is 1200, want at most the 1150 samples that are left without the validation samples")
	assert.Contains(t, got, "a.yaml:19: SAM-ON: ascent.norm-only is true, and the model has no normalization")
	assert.Contains(t, got, "a.yaml:20: mSAM-ON with 4 shards: ascent.norm-only is true, and the model has no normalization")
	assert.NotContains(t, got, "sam:")
}

// The values of methods' settings are checked without the data, each in its line, whatever else is
// wrong. No method becomes another one by a setting that is off.
func TestProblemsOfMethods(t *testing.T) {
	t.Setenv(dataset.CacheEnv, t.TempDir())
	got := problems(t, `parts:
  - data: mnist
    model: lenet
    batch: none
    momentum: 0
    methods:
      - {method: wsam, descent: {weight: 1}}
      - {method: esam, ascent: {tensors: 0}, descent: {samples: 0}}
      - {method: sadt-noise, teacher: {weight: 0}}
      - {method: gsam, descent: {orthogonal: 0}}
      - {method: looksam, ascent: {every: 1}}
      - {method: gsam, descent: {weight: 0.7}}
      - {method: asam, ascent: {adaptive: false}}
      - {method: sam, ascent: {lambda: 0.5}}
      - {method: sam-3step, ascent: {steps: 2.5}}
      - {method: sgd, ascent: {every: 2}}
      - momentum-sam
      - {method: asam, ascent: {eta: 0}}
      - {method: wsam, descent: {decoupled: false, weight: 0.7}}
      - {method: sam-on, ascent: {adaptive: true}}
      - {method: looksam, ascent: {every: 2}, rhos: 0.1}
  - {data: nowhere, model: mlp, methods: [sgd, {method: gsam, descent: {orthogonal: -1}}]}
`)
	wants := []string{
		"a.yaml has 18 problems:",
		"a.yaml:2: mnist isn't in ",
		`a.yaml:4: batch is "none", want a whole number, at least 1`,
		"a.yaml:7: descent.weight is 1, want more than 0 and less than 1",
		"a.yaml:8: ascent.tensors is 0, want more than 0 and at most 1",
		"a.yaml:8: descent.samples is 0, want more than 0 and at most 1",
		"a.yaml:9: teacher.weight is 0, want a positive number",
		"a.yaml:10: descent.orthogonal is 0, want a positive number",
		"a.yaml:11: looksam: descent.look is 0.7, and ascent.every is 1: no step looks back",
		"a.yaml:12: gsam: both descent.orthogonal is 0.4 and descent.weight is 0.7, want one of them",
		"a.yaml:13: ascent.adaptive is false, which makes another method: name that",
		"a.yaml:14: sam: ascent.lambda is 0.5 without ascent.sigma",
		"a.yaml:15: ascent.steps is 2.5, want a whole number from 1 to 1000",
		"a.yaml:16: sgd: ascent.every is 2, and rho is 0, which perturbs nothing",
		"a.yaml:17: momentum-sam: it perturbs by the base optimizer's momentum, and momentum is 0",
		"a.yaml:18: ascent.eta is 0, want a positive number",
		"a.yaml:20: sam-on: both ascent.adaptive and ascent.norm-only are true, want one of them: adaptive doesn't scale ",
		`a.yaml:22: "nowhere" is neither `,
		"a.yaml:22: descent.orthogonal is -1, want a positive number",
	}
	require.Len(t, got, len(wants))
	for i, want := range wants {
		assert.True(t, slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, want) }), "%d %s", i, want)
	}
	if t.Failed() {
		t.Log(strings.Join(got, "\n"))
	}
}

// A column that isn't there is named by its key.
func TestMissingColumn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv")
	require.NoError(t, os.WriteFile(path, []byte("x,kind\n1,a\n2,b\n"), 0o644))
	f, err := Parse("a.yaml", []byte("parts:\n  - data: "+path+"\n    label: nolabel\n    model: mlp\n"))
	require.NoError(t, err)
	_, err = f.Open()
	assert.ErrorContains(t, err, `no column "nolabel" for label, it has "x", "kind"`)
}

// The presets are right, but for data that isn't in the cache. Digits needs none.
func TestPresets(t *testing.T) {
	t.Setenv(dataset.CacheEnv, t.TempDir())
	assert.Contains(t, Presets(), "digits")
	for _, name := range Presets() {
		text, err := Preset(name)
		require.NoError(t, err)
		assert.NotEmpty(t, Title(text), name)
		f, err := Parse(name+".yaml", text)
		if err != nil {
			for _, problem := range err.(*Problems).List {
				assert.Regexp(t, `isn't in .*: steppe data get [\w-]+ fetches it`, problem.Text, name)
			}
			continue
		}
		assert.Equal(t, name, f.Name)
		_, err = f.Open()
		assert.NoError(t, err)
	}
	text, err := Preset("digits")
	require.NoError(t, err)
	_, err = Parse("digits.yaml", text)
	assert.NoError(t, err)
	_, err = Preset("frob")
	assert.ErrorContains(t, err, `unknown preset "frob", want one of digits`)
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/simd"
)

func TestTrainDigits(t *testing.T) {
	code, stdout, stderr := steppe(t, "train", "--model", "tiny", "--epochs", "1")
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr, "no live line without a terminal")
	assert.NotContains(t, stdout, "\r")
	lines := strings.Split(stdout, "\n")
	assert.Equal(t, "tiny on digits: 1,294 training, 144 validation and 359 test samples of 8x8x1 in 10 classes", lines[0])
	assert.Equal(t, "mSAM with 8 shards, rho 0.025, batch 64, lr 0.05 cosine, momentum 0.9, decay 0.0001", lines[1])
	assert.Regexp(t, ` on \d+ cores?, seed 1$`, lines[2])
	assert.Equal(t, "epoch   train loss   valid loss   valid accuracy   seconds   samples/s", lines[4])
	assert.Regexp(t, `^    1 +\d\.\d{4} +\d\.\d{4} +\d\d\.\d\d% \* +\d+\.\d{3} +[\d.]+[kM]?$`, lines[5])
	assert.Regexp(t, `^Test accuracy \d\d\.\d\d% \(\d+ of 359\), loss \d\.\d{4}, with epoch 1 of 1, the best by valid_loss\.$`, lines[7])
	assert.NotContains(t, stdout, "guessing")
}

// The defaults reach 97% with each method.
func TestTrainAccuracy(t *testing.T) {
	if testing.Short() || !slices.Contains([]simd.ISA{simd.AVX2, simd.AVX512}, simd.Active().Arithmetic()) {
		t.Skip("takes long")
	}
	for _, m := range sam.Methods {
		if m.Preset.Ascent.NormOnly {
			continue // the model has no normalization
		}
		epochs, least := "4", 90.0
		if slices.Contains([]string{"sgd", "sam", "msam", "asam"}, m.Name) {
			epochs, least = "20", 97
		}
		_, stdout, stderr := steppe(t, "train", "--method", m.Name, "--epochs", epochs)
		_, result, found := strings.Cut(stdout, "\nTest accuracy ")
		require.True(t, found, stderr)
		var accuracy float64
		_, err := fmt.Sscanf(result, "%f%%", &accuracy)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, accuracy, least, m.Name)
	}
}

func TestTrainMethods(t *testing.T) {
	data := halves(t, false)
	for _, test := range []struct{ flags, want string }{
		{"--method sgd", "\nSGD, batch 16,"},
		{"--method sgd --shards 1 --rho 0", "\nSGD, batch 16,"},
		{"--method sam", "\nSAM, rho 0.03, batch 16,"},
		{"--method sam --rho 0.1", "\nSAM, rho 0.1, batch 16,"},
		{"", "\nmSAM with 8 shards, rho 0.018, batch 16,"},
		{"--shards 4 --rho 0.01", "\nmSAM with 4 shards, rho 0.01, batch 16,"},
		{"--shards 1", "\nmSAM with 1 shard, rho 0.03, batch 16,"},
		{"--method asam", "\nASAM, rho 0.5, scaled by |w| + 0.01, batch 16,"},
		{"--method masam --eta 0.1 --rho 0.2", "\nmASAM with 8 shards, rho 0.2, scaled by |w| + 0.1, batch 16,"},
		{"--method sam-quarter", "\nSAM-1/4, rho 0.03, by the first 0.25 of a shard's samples, batch 16,"},
		{"--method sam-5 --rho-schedule linear", "\nSAM-5, rho 0.03 linear, in one step of 5, batch 16,"},
		{"--method gsam --descent-orthogonal 5", "\nGSAM, rho 0.03, descent-orthogonal 5, batch 16,"},
		{"--method gsam --descent-orthogonal 0.4", "\nGSAM, rho 0.03, batch 16,"},
		{"--method sadt-noise --teacher-noise 0.001 --teacher-weight 2", "\nSADT by noise, teacher-weight 2, teacher-noise 0.001, batch 16,"},
		{"--method sam-3step --ascent-steps 2", "\nMulti-step SAM, rho 0.03, in 2 steps of ascent, batch 16,"},
		{"--ascent-fraction 0.5 --ascent-every 2", "\nmSAM with 8 shards, rho 0.018, by the first 0.5 of a shard's samples, in one step of 2, batch 16,"},
	} {
		t.Run(test.flags, func(t *testing.T) {
			args := append([]string{"train", "--model", "tiny", "--data", data, "--batch", "16", "--epochs", "10"}, strings.Fields(test.flags)...)
			code, stdout, stderr := steppe(t, args...)
			require.Zero(t, code, stderr)
			assert.Contains(t, stdout, test.want)
			assert.Contains(t, stdout, "\n   10 ")
			assert.Contains(t, stdout, "Test accuracy 100.00% (32 of 32), loss ")
		})
	}
}

// Each flag for the data, the schedule or the optimizer appears in the header and changes the loss.
// The saved file has the standardization.
func TestTrainRecipe(t *testing.T) {
	loss := func(flags ...string) (header, loss string) {
		line := append([]string{"train", "--model", "tiny", "--epochs", "2"}, flags...)
		code, stdout, stderr := steppe(t, line...)
		require.Zero(t, code, stderr)
		header, rows, found := strings.Cut(stdout, "samples/s\n")
		require.True(t, found, stdout)
		return header, strings.Fields(strings.Split(rows, "\n")[1])[1]
	}
	_, plain := loss()
	seen := map[string]bool{plain: true}
	for _, test := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--standardize"}, "\nstandardized\n"},
		{[]string{"--augment", "flip,crop"}, "\naugmented by flip, crop\n"},
		{[]string{"--label-noise", "0.25"}, "\n25% of the samples relabeled at random\n"},
		{[]string{"--schedule", "constant"}, ", lr 0.05, "},
		{[]string{"--schedule", "step"}, ", lr 0.05 step, "},
		{[]string{"--warmup", "0.5"}, ", lr 0.05 cosine after 0.5 epochs of warm-up, "},
		{[]string{"--clip", "0.1"}, ", decay 0.0001, clipped to 0.1\n"},
		{[]string{"--optimizer", "adamw"}, "\nmSAM with 8 shards, rho 0.025, AdamW, batch 64, lr 0.001 cosine, decay 0.01\n"},
		{[]string{"--optimizer", "adamw", "--beta2", "0.95", "--epsilon", "1e-7"}, "\nmSAM with 8 shards, rho 0.025, AdamW, batch 64, lr 0.001 cosine, betas 0.9 and 0.95, epsilon 1e-07, decay 0.01\n"},
		{[]string{"--momentum", "0"}, ", lr 0.05 cosine, momentum 0, decay 0.0001\n"},
		{[]string{"--optimizer", "adamw", "--method", "sgd", "--lr", "0.01"}, "\nAdamW, batch 64, lr 0.01 cosine, decay 0.01\n"},
	} {
		header, l := loss(test.flags...)
		assert.Contains(t, header, test.want)
		assert.False(t, seen[l], "%v: the loss %s is that of other flags", test.flags, l)
		seen[l] = true
	}
	header, l := loss("--schedule", "cosine", "--label-noise", "0")
	assert.Equal(t, plain, l)
	assert.NotContains(t, header, "labels")

	path := filepath.Join(t.TempDir(), "digits.safetensors")
	code, _, stderr := steppe(t, "train", "--model", "tiny", "--epochs", "2", "--standardize", "--save", path)
	require.Zero(t, code, stderr)
	meta, err := checkpoint.ReadMeta(path)
	require.NoError(t, err)
	assert.Contains(t, meta.Standardize, "mean ")
	for want, flags := range map[string][]string{
		`unknown augmentation "zoom", want one of crop, flip, cutout`:   {"--augment", "crop,zoom"},
		`unknown schedule "linear", want one of constant, step, cosine`: {"--schedule", "linear"},
		"1.5": {"--label-noise", "1.5"},
	} {
		code, _, stderr := steppe(t, append([]string{"train", "--model", "tiny"}, flags...)...)
		assert.Equal(t, 1, code)
		assert.Contains(t, stderr, want)
	}
}

// Results depend on the seed and not on the number of workers.
func TestTrainSeed(t *testing.T) {
	data := halves(t, false)
	loss := func(flags ...string) string {
		_, stdout, _ := steppe(t, append([]string{"train", "--model", "tiny", "--data", data, "--batch", "24", "--epochs", "1"}, flags...)...)
		_, row, found := strings.Cut(stdout, "samples/s\n")
		require.True(t, found, stdout)
		return strings.Fields(row)[1]
	}
	assert.Equal(t, loss(), loss())
	assert.Equal(t, loss("--workers", "1"), loss("--workers", "3"))
	assert.NotEqual(t, loss(), loss("--seed", "2"))
}

func TestTrainRefusedStep(t *testing.T) {
	code, stdout, stderr := steppe(t, "train", "--model", "tiny", "--data", halves(t, false), "--rho", "1e38")
	assert.Equal(t, 1, code)
	assert.NotContains(t, stdout, "Test accuracy")
	assert.Contains(t, stderr, "steppe: epoch 1, batch 1: sam: step refused: ")
}

func TestTrainAtChance(t *testing.T) {
	code, stdout, stderr := steppe(t, "train", "--model", "tiny", "--data", halves(t, true), "--epochs", "2")
	assert.Zero(t, code, stderr)
	assert.Contains(t, stdout, "Test accuracy 50.00% (16 of 32), loss 0.6931, with epoch 1 of 2, the best by valid_loss.\nThat is no better than guessing: ")
}

func TestTrainInterrupted(t *testing.T) {
	line := []string{"train", "--model", "tiny", "--data", halves(t, false), "--batch", "16", "--epochs", "9"} // 4 steps an epoch
	code, stdout, stderr := steppeIn(t, interruptedAfter(9), line...)
	assert.Equal(t, 130, code)
	assert.Equal(t, "steppe: interrupted\nnothing was kept: --out DIR keeps a run that can go on\n", stderr)
	assert.Contains(t, stdout, "\n    2 ")
	assert.NotContains(t, stdout, "\n    3 ")
	assert.Regexp(t, `\n\nStopped in epoch 3\. The best epoch by valid_loss so far is 2, with a validation accuracy of [\d.]+%\.\n$`, stdout)

	code, stdout, _ = steppeIn(t, interruptedAfter(0), line...)
	assert.Equal(t, 130, code)
	assert.True(t, strings.HasSuffix(stdout, "\n\nStopped in epoch 1.\n"), stdout)
}

// saved trains on halves and saves; it returns the file's path.
func saved(t *testing.T, ctx context.Context, data string, flags ...string) (path, stdout string) {
	path = filepath.Join(t.TempDir(), "halves.safetensors")
	line := []string{"train", "--model", "tiny", "--data", data, "--batch", "16", "--schedule", "constant", "--save", path}
	_, stdout, _ = steppeIn(t, ctx, append(line, flags...)...)
	return path, stdout
}

func TestTrainSave(t *testing.T) {
	data := halves(t, false)
	path, stdout := saved(t, t.Context(), data, "--epochs", "2")
	assert.Regexp(t, `\nTest accuracy .* with epoch 2 of 2, the best by valid_loss\.\nSaved to `+regexp.QuoteMeta(path)+`\.\n$`, stdout)
	assert.Equal(t, []string{"halves.safetensors"}, names(t, filepath.Dir(path)))
	meta, err := checkpoint.ReadMeta(path)
	require.NoError(t, err)
	assert.Contains(t, meta.More["source"], `"data-path":"`+data)
	meta.More, meta.Preprocess = nil, nil
	assert.Equal(t, checkpoint.Meta{Model: "tiny", Input: net.Shape{4, 4, 1}, Classes: 2, Data: "halves"}, meta)
}

// An interrupted run saves the model of its last whole epoch, and prints the accuracy of that
// model.
func TestTrainSaveInterrupted(t *testing.T) {
	data := halves(t, false) // 4 steps an epoch
	want, _ := saved(t, t.Context(), data, "--epochs", "2")
	got, stdout := saved(t, interruptedAfter(11), data, "--epochs", "9")
	assert.Contains(t, stdout, "Stopped in epoch 3. The best epoch by valid_loss so far is 2")
	assert.Contains(t, stdout, "\nSaved to "+got+".\n")
	assert.Equal(t, read(t, want), read(t, got))

	path, stdout := saved(t, interruptedAfter(3), data)
	assert.True(t, strings.HasSuffix(stdout, "Stopped in epoch 1.\nNothing was saved to "+path+", since no epoch was finished.\n"), stdout)
	assert.Empty(t, names(t, filepath.Dir(path)))
}

// Wherever a run is stopped, in the test at its end, too, it saves the model if an epoch was finished,
// and its folder goes on.
func TestTrainStoppedAnywhere(t *testing.T) {
	data, parent := halves(t, false), t.TempDir()
	inTest := 0
	for steps := 0; ; steps++ {
		require.Less(t, steps, 50)
		dir := filepath.Join(parent, strconv.Itoa(steps))
		path := dir + ".safetensors"
		code, stdout, stderr := steppeIn(t, interruptedAfter(steps), "train", "--model", "tiny", "--data", data, "--batch", "16",
			"--epochs", "1", "--out", dir, "--save", path)
		if code == 0 {
			break
		}
		require.Equal(t, 130, code, stderr)
		require.Contains(t, stderr, "`steppe train --resume "+dir+"` goes on from here\n", "%d steps", steps)
		epochs := strings.Contains(stdout, "\n    1 ")
		require.Equal(t, epochs, slices.Contains(names(t, parent), filepath.Base(path)), "%d steps: %s", steps, stdout)
		if !strings.Contains(stdout, "\nStopped in the test, after epoch 1.") {
			continue
		}
		inTest++
		code, _, stderr = steppe(t, "train", "--resume", dir, "--save", path)
		require.Equal(t, 1, code, "the file may be another run's")
		require.Contains(t, stderr, "the file exists; --force replaces it")
		code, stdout, stderr = steppe(t, "train", "--resume", dir)
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, "\nTest accuracy ")
	}
	assert.Positive(t, inTest)
}

// What a normalization makes a run leave out is said before it begins.
func TestTrainSaysWhatIsLeftOut(t *testing.T) {
	line := []string{"train", "--model", "tiny-norm", "--data", halves(t, false), "--epochs", "1", "--batch"}
	code, stdout, stderr := steppe(t, append(line, "19")...) // 58 samples are 3 batches and 1
	require.Zero(t, code, stderr)
	header, _, _ := strings.Cut(stdout, "\nepoch ")
	assert.Contains(t, header, "\n1 sample left out of each epoch, others each time: the last batch is too short for a normalization\n")
	code, stdout, stderr = steppe(t, append(line, "29")...)
	require.Zero(t, code, stderr)
	assert.NotContains(t, stdout, "left out")
}

// A batch below the default number of shards has fewer of them.
func TestTrainFitsShards(t *testing.T) {
	for batch, want := range map[string]string{"1": "\nmSAM with 1 shard, ", "5": "\nmSAM with 5 shards, "} {
		code, stdout, stderr := steppe(t, "train", "--model", "tiny", "--data", halves(t, false), "--epochs", "1", "--batch", batch)
		require.Zero(t, code, stderr)
		assert.Contains(t, stdout, want)
	}
}

// A path that can't be written is an error before the training, and a failed run leaves an existing
// file as it was.
func TestTrainSaveErrors(t *testing.T) {
	dir, data := t.TempDir(), halves(t, false)
	missing := filepath.Join(dir, "missing", "halves.safetensors")
	code, stdout, stderr := steppe(t, "train", "--model", "tiny", "--data", data, "--save", missing)
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "steppe: can't write "+missing+": ")

	path := filepath.Join(dir, "halves.safetensors")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o666))
	code, _, stderr = steppe(t, "train", "--model", "tiny", "--data", data, "--save", path)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, path+": the file exists; --force replaces it")
	code, _, stderr = steppe(t, "train", "--model", "tiny", "--data", data, "--rho", "1e38", "--save", path, "--force")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "sam: step refused")
	assert.Equal(t, "old", read(t, path))
	assert.Equal(t, []string{"halves.safetensors"}, names(t, dir))
}

// A run goes on from any working folder: it knows where its data is.
func TestTrainResumeElsewhere(t *testing.T) {
	data := halves(t, false)
	t.Chdir(filepath.Dir(data))
	dir := filepath.Join(t.TempDir(), "run")
	code, _, stderr := steppe(t, "train", "--model", "tiny", "--data", "./halves", "--batch", "16", "--epochs", "1", "--out", dir)
	require.Zero(t, code, stderr)
	t.Chdir(t.TempDir())
	code, _, stderr = steppe(t, "train", "--resume", dir, "--epochs", "2")
	assert.Zero(t, code, stderr)
	code, _, stderr = steppe(t, "eval", dir)
	assert.Zero(t, code, stderr)
}

// Nobody's files are replaced without --force, whoever wrote them, and the message speaks of flags.
func TestTrainReplacesNothing(t *testing.T) {
	parent, data := t.TempDir(), halves(t, false)
	dir := filepath.Join(parent, "run")
	line := []string{"train", "--model", "tiny", "--data", data, "--batch", "16", "--epochs", "1", "--out", dir}
	code, _, stderr := steppe(t, line...)
	require.Zero(t, code, stderr)
	before := read(t, filepath.Join(dir, "last.safetensors"))
	code, stdout, stderr := steppe(t, line...)
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Equal(t, fmt.Sprintf("steppe: --out %s: %s/last.safetensors exists; `steppe train --resume %s` goes on with the run there, --force replaces it\n",
		dir, dir, dir), stderr)
	assert.Equal(t, before, read(t, filepath.Join(dir, "last.safetensors")))
	code, _, stderr = steppe(t, append(line, "--force", "--seed", "2")...)
	assert.Zero(t, code, stderr)
	assert.NotEqual(t, before, read(t, filepath.Join(dir, "last.safetensors")))

	other := filepath.Join(parent, "website")
	require.NoError(t, os.Mkdir(other, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(other, "report.html"), []byte("mine"), 0o644))
	code, _, stderr = steppe(t, append(line[:len(line)-1], other)...)
	assert.Equal(t, 1, code)
	assert.Equal(t, fmt.Sprintf("steppe: --out %s: %s/report.html exists; --force replaces it\n", other, other), stderr)
	assert.Equal(t, []string{"report.html"}, names(t, other))

	model := filepath.Join(parent, "model.safetensors")
	require.NoError(t, os.WriteFile(model, []byte("mine"), 0o644))
	code, _, stderr = steppe(t, "train", "--resume", dir, "--epochs", "2", "--save", model)
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: --save "+model+": the file exists; --force replaces it\n", stderr)
	code, _, stderr = steppe(t, "train", "--resume", dir, "--epochs", "2", "--save", model, "--force")
	assert.Zero(t, code, stderr)
	assert.NotEqual(t, "mine", read(t, model))
}

// A run that is stopped in its test has its files and its model, and says how to test again. Its
// result goes away when it goes on with more epochs.
func TestTrainInterruptedInTest(t *testing.T) {
	data := halves(t, false)
	dir, model := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "model.safetensors")
	line := []string{"train", "--model", "tiny", "--data", data, "--batch", "16", "--epochs", "1", "--out", dir, "--save", model, "--force"}
	var code, asked int
	var stdout, stderr string
	for asked = 4; ; asked++ { // until all of the training is done
		require.Less(t, asked, 100)
		if code, stdout, stderr = steppeIn(t, interruptedAfter(asked), line...); strings.Contains(stdout, "\n    1 ") {
			break
		}
	}
	require.Equal(t, 130, code)
	assert.Contains(t, stdout, "\nStopped in the test, after epoch 1. The best epoch by valid_loss so far is 1,")
	assert.Equal(t, "steppe: interrupted\n`steppe train --resume "+dir+"` goes on from here\n", stderr)
	assert.Contains(t, read(t, filepath.Join(dir, "report.html")), "validation samples")
	assert.NoFileExists(t, filepath.Join(dir, "result.json"))
	assert.FileExists(t, model)

	code, _, stderr = steppe(t, "train", "--resume", dir)
	require.Zero(t, code, stderr)
	assert.FileExists(t, filepath.Join(dir, "result.json"))
	code, _, stderr = steppeIn(t, interruptedAfter(2), "train", "--resume", dir, "--epochs", "3")
	require.Equal(t, 130, code, stderr)
	assert.NoFileExists(t, filepath.Join(dir, "result.json"))
}

// With --quiet, train prints its result and nothing else.
func TestTrainQuiet(t *testing.T) {
	code, stdout, stderr := steppe(t, "train", "--model", "tiny", "--epochs", "1", "--quiet", "--out", filepath.Join(t.TempDir(), "run"))
	assert.Zero(t, code)
	assert.Regexp(t, `^Test accuracy \d\d\.\d\d% \(\d+ of 359\), loss \d\.\d{4}, with epoch 1 of 1, the best by valid_loss\.\n$`, stdout)
	assert.Empty(t, stderr)
}

// What a run that goes on was found with must be what it goes on with.
func TestTrainResumeErrors(t *testing.T) {
	data, dir := halves(t, false), filepath.Join(t.TempDir(), "run")
	code, _, stderr := steppe(t, "train", "--model", "tiny", "--data", data, "--batch", "16", "--epochs", "3", "--out", dir)
	require.Zero(t, code, stderr)
	config := filepath.Join(dir, "config.json")
	before := read(t, config)
	code, _, stderr = steppe(t, "train", "--resume", dir, "--epochs", "2")
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: --epochs 2 with --resume "+dir+": the run has 3 epochs done, want no fewer\n", stderr)
	assert.Equal(t, before, read(t, config))

	found, err := runs.LoadConfig(dir)
	require.NoError(t, err)
	command := &trainCommand{resume: dir, began: found, config: found}
	require.NoError(t, command.prepareDir())
	changed := strings.Replace(before, `"epochs": 3`, `"epochs": 5`, 1)
	require.NoError(t, os.WriteFile(config, []byte(changed), 0o644))
	assert.ErrorContains(t, command.prepareDir(), "--resume "+dir+": another process has changed the run in the meantime")
	assert.Equal(t, changed, read(t, config))
}

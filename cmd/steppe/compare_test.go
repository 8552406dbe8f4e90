package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/study"
)

// short makes a comparison short.
func short(flags ...string) []string {
	return append([]string{
		"compare", "--model", "tiny", "--epochs", "1", "--seeds", "2", "--selection-seeds", "1", "--rhos", "0.05,0.1", "--jobs", "1", "--workers", "1",
	}, flags...)
}

// With AdamW the header, the rows and the columns name it, and a folder of SGD's runs isn't that of
// AdamW's.
func TestCompareAdamW(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "study")
	code, stdout, stderr := steppe(t, short("--optimizer", "adamw", "--methods", "sgd,sam", "--subset", "320", "--out", dir)...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "1 epoch, batch 64, AdamW, lr cosine, decay 0.01\n")
	assert.Regexp(t, `(?m)^method +shards +rho +lr +test accuracy +against AdamW +against SAM +ms a step +x AdamW$`, stdout)
	assert.Regexp(t, `(?m)^AdamW +1 +0\.001 `, stdout)
	assert.Regexp(t, `(?m)^SAM +1 +0\.\d+ +0\.001 `, stdout)
	assert.NotContains(t, stdout, "SGD")
	assert.Contains(t, stderr, "AdamW, lr 0.001, seed 1: validation accuracy ")

	code, _, stderr = steppe(t, short("--methods", "sgd,sam", "--subset", "320", "--out", dir)...)
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, `optimizer is "adamw" there, and the usual one here`)
}

// Without a full batch there is no time of a step, rather than one of 0.
func TestCompareWithoutAFullBatch(t *testing.T) {
	code, stdout, stderr := steppe(t, short("--methods", "sgd", "--subset", "40")...)
	require.Zero(t, code, stderr)
	assert.Regexp(t, `(?m)^SGD +1 +0\.\d+ +[\d.]+ ±[\d.]+$`, stdout)
}

// A table is compared on by its label column.
func TestCompareTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wine.csv")
	rows := strings.Repeat("1,good\n0,bad\n", 60)
	require.NoError(t, os.WriteFile(path, []byte("acid,quality\n"+rows), 0o644))
	code, stdout, stderr := steppe(t, short("--data", path, "--label", "quality", "--model", "mlp", "--batch", "16", "--methods", "sgd", "--json", "-")...)
	require.Zero(t, code, stderr)
	var s study.Summary
	require.NoError(t, json.Unmarshal([]byte(stdout), &s))
	assert.Equal(t, 96, s.Recipe.Samples, "a fifth is for the test")
	assert.Equal(t, 1.0, s.Levels[0].Rows[0].Accuracy.Mean)

	numbers := strings.Repeat("1,1.5\n0,2.25\n", 60)
	require.NoError(t, os.WriteFile(path, []byte("acid,price\n"+numbers), 0o644))
	code, _, stderr = steppe(t, short("--data", path, "--label", "price")...)
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: --data "+path+" has numbers to predict, and steppe compare needs classes\n", stderr)
}

func TestCompareOptimizerErrors(t *testing.T) {
	for line, want := range map[string]string{
		"--optimizer frob":                    `unknown optimizer "frob", want one of sgd, adamw`,
		"--optimizer adamw --momentum 0.9":    "--momentum with --optimizer adamw, which has none",
		"--optimizer adamw --weight-decay -1": "--weight-decay is -1, want ",
		"--label quality":                     "dataset: digits has no use for Label (--label)",
	} {
		code, stdout, stderr := steppe(t, short(strings.Fields(line)...)...)
		assert.Equal(t, 1, code)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, want)
	}
}

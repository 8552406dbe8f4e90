package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

func TestFlagError(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.Float64("lrs", 0, "")
	wrong := fmt.Errorf("mlp: %w", optim.SGD{}.Validate())
	assert.EqualError(t, flagError(flags, wrong), "--lrs is 0, want a positive float32")
	for _, other := range []error{nil, errors.New("no such file"), fmt.Errorf("mlp: %w", optim.SGD{LR: 1, Momentum: 1}.Validate())} {
		assert.Equal(t, other, flagError(flags, other), "none of its flags")
	}
}

// Every flag that an error may name exists.
func TestFlagsOfFields(t *testing.T) {
	for field, flags := range flagsOf {
		for _, flag := range flags {
			found := flag == "max-memory"
			for _, cmd := range newRoot().Commands() {
				found = found || cmd.Flags().Lookup(flag) != nil
			}
			assert.True(t, found, "%s: --%s", field, flag)
		}
	}
}

func TestHintOfRefusal(t *testing.T) {
	s := &runs.Settings{Rho: 0.5, LR: 1e30}
	assert.Equal(t, "a smaller --lr (it is 1e+30) may help, and so may --warmup or --clip", hintOfRefusal(sam.ErrRefused, s))
	assert.Equal(t, "a smaller --rho (it is 0.5) or a smaller --lr (it is 1e+30) may help", hintOfRefusal(fmt.Errorf("step: %w", sam.ErrPerturbed), s))
	assert.Contains(t, hintOfRefusal(fmt.Errorf("step: %w", sam.ErrBatch), s), "the data has a value")
	s.Clip = 1
	assert.Equal(t, "a smaller --lr (it is 1e+30) may help", hintOfRefusal(sam.ErrRefused, s))
}

func TestBenchSuggestsSmallerRho(t *testing.T) {
	code, _, stderr := steppe(t, "bench", "--model", "tiny", "--rho", "1e30", "--rounds", "1")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "step refused")
	assert.True(t, strings.HasSuffix(stderr, "\na smaller --rho may help\n"), stderr)
}

// Without --shards, compare takes those that the batch can have, and says what it leaves out.
func TestCompareFitsShards(t *testing.T) {
	line := "compare --model tiny --data " + halves(t, false) + " --epochs 1 --seeds 1 --selection-seeds 1 --rhos 0.05 --batch "
	for batch, want := range map[string][]string{
		"8": {"Left out: 16 and 32 shards, which a batch of 8 can't have with at least 1 sample a shard.", "mSAM"},
		"2": {"Left out: 4, 8, 16 and 32 shards", "mSAM"},
		"1": {"Left out: 4, 8, 16 and 32 shards", "SAM"},
	} {
		code, stdout, stderr := steppe(t, strings.Fields(line+batch)...)
		require.Zero(t, code, stderr)
		for _, text := range want {
			assert.Contains(t, stdout, text, "batch %s", batch)
		}
		assert.Equal(t, batch != "1", strings.Contains(stdout, "mSAM"), "batch %s", batch)
	}
}

// A comparison says how many samples a normalization makes it leave out.
func TestCompareSaysWhatIsLeftOut(t *testing.T) {
	code, stdout, stderr := steppe(t, strings.Fields("compare --model tiny-norm --data "+halves(t, false)+
		" --epochs 1 --seeds 1 --selection-seeds 1 --methods sgd --batch 21")...)
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\n1 training sample left out of each epoch, others each time: ")
}

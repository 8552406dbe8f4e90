package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/sam"
)

// madeUp returns a trial of SGD, SAM, mSAM and SAM once more, with step times of 1, 2, 1.8 and 2
// seconds times a factor of noise.
func madeUp(t *testing.T, rounds int, noise func(round, contender int) float64) *trial {
	tr := &trial{workload: workload{modelName: "made-up"}}
	for _, name := range []string{"sgd", "sam", "msam"} {
		method, err := sam.Lookup(name)
		require.NoError(t, err)
		tr.contenders = append(tr.contenders, &contender{method: method, shards: method.Preset.Shards})
	}
	again := *tr.contenders[1]
	tr.again = &again
	for round := range rounds {
		for i, c := range append(tr.contenders, tr.again) {
			c.seconds = append(c.seconds, []float64{1, 2, 1.8, 2}[i]*noise(round, i))
		}
	}
	return tr
}

func TestControl(t *testing.T) {
	for _, c := range []struct {
		name   string
		rounds int
		noise  func(round, contender int) float64
		itself float64
		worst  float64 // noise; -1 if there are too few rounds for it
		want   string
	}{
		{
			"quiet", 15, func(int, int) float64 { return 1 },
			1, 0,
			"Control: SAM, timed once more in each round, took 1.00 ±0.00 times as long.\n",
		},
		{
			"rounds differ, but each is slow for all", 15, func(round, _ int) float64 { return float64(1 + round%5) },
			1, 0,
			"Control: SAM, timed once more in each round, took 1.00 ±0.00 times as long.\n",
		},
		{
			"outliers", 15, func(round, contender int) float64 { return 1 + 9*float64(max(0, 1-(round+4*contender)%15)) },
			1, 0,
			"Control: SAM, timed once more in each round, took 1.00 ±0.00 times as long.\n",
		},
		{
			"slower and slower in a round", 15, func(_, contender int) float64 { return 1 + 0.02*float64(contender) },
			1.06 / 1.02, 0.04 / 1.02,
			"Control: SAM, timed once more in each round, took 1.04 ±0.00 times as long.\n",
		},
		{
			"much slower", 15, func(_, contender int) float64 { return 1 + 0.04*float64(contender) },
			1.12 / 1.04, 0.08 / 1.04,
			"Control: SAM, timed once more in each round, took 1.08 ±0.00 times as long.\n" +
				"Too noisy: ratios are only good to ±8%. Stop other programs, or raise --rounds.\n",
		},
		{ // mSAM's ratios are 0.9 times 0.8 to 1.2; of 15, the interval ends at the fourth from each end
			"mSAM alone", 15, func(round, contender int) float64 {
				if contender == 2 {
					return 0.8 + 0.4*float64(round)/14
				}
				return 1
			},
			1, 0.2 * 4 / 7,
			"Control: SAM, timed once more in each round, took 1.00 ±0.00 times as long.\n" +
				"Too noisy: ratios are only good to ±11%. Stop other programs, or raise --rounds.\n",
		},
		{"too few rounds", 5, func(int, int) float64 { return 1 }, 1, -1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := madeUp(t, c.rounds, c.noise)
			k := tr.control()
			assert.Equal(t, "sam", k.Method)
			assert.InDelta(t, c.itself, *k.VsItself, 1e-12)
			if c.worst < 0 {
				assert.Nil(t, k.Noise)
				assert.False(t, k.Noisy)
			} else {
				assert.InDelta(t, c.worst, *k.Noise, 1e-12)
				assert.Equal(t, c.worst > 0.05, k.Noisy)
			}
			assert.Equal(t, c.want, judgment(tr, k))
		})
	}
}

// The ratio is the median of the rounds' ratios, and the interval ends at two of them.
func TestAgainst(t *testing.T) {
	tr := madeUp(t, 15, func(round, contender int) float64 {
		slow := float64(1 + round) // all contenders alike
		if contender == 2 {
			return slow * (1 + 0.01*float64(round-7))
		}
		return slow
	})
	sam, msam := tr.find("sam"), tr.find("msam")
	ratio, in := msam.against(sam)
	assert.InDelta(t, 0.9, *ratio, 1e-12)
	assert.InDelta(t, 0.9*0.96, in.Low, 1e-12)
	assert.InDelta(t, 0.9*1.04, in.High, 1e-12)
	ratio, in = msam.against(tr.find("none"))
	assert.Nil(t, ratio)
	assert.Nil(t, in)
	assert.Equal(t, "Medians of 15 rounds. mSAM costs at most 0.90 [0.86, 0.94] of SAM's price with 8 shards.",
		conclusion(tr, []Row{{Method: "sgd"}, {Method: "sam"}, cell("mlp", 256, 8, 0.9, 0.864, 0.936)}))
}

func TestPlusMinus(t *testing.T) {
	for _, c := range []struct {
		x, low, high float64
		want         string
	}{
		{0.82, 0.82, 0.82, " ±0.00"},
		{0.82, 0.82, 0.8201, " ±0.01"},
		{0.82, 0.79, 0.83, " ±0.03"},
		{0.82, 0.81, 0.841, " ±0.03"},
	} {
		assert.Equal(t, c.want, plusMinus(c.x, &stats.Interval{Low: c.low, High: c.high}), fmt.Sprint(c))
	}
	assert.Empty(t, plusMinus(1, nil))
}

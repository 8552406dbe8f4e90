package child

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

func TestSteps(t *testing.T) {
	s, err := protocol.ParseStep("lenet batch 8")
	assert.NoError(t, err)
	job := protocol.Job{Dtype: protocol.Float32, Work: protocol.Work{Step: &s}, Workers: 2, Budget: time.Millisecond}
	var batches []int
	loss := 4.0
	l := Library{Workers: anyWorkers, Train: func(of protocol.Step, workers int) (Training, error) {
		assert.Equal(t, s, of)
		assert.Equal(t, 2, workers)
		return Training{
			Step: func(batch int) (float64, error) {
				batches = append(batches, batch)
				loss /= 2
				return loss, nil
			},
			Parameters: 7, Bytes: 9,
		}, nil
	}}
	reply := ask(t, l, job)[0]
	assert.Empty(t, reply.Error)
	assert.Positive(t, reply.Seconds)
	assert.Equal(t, 0.25, reply.Loss, "of the fourth step")
	assert.Equal(t, 7, reply.Parameters)
	assert.EqualValues(t, 9, reply.Bytes)
	assert.Equal(t, []int{0, 1, 2, 0, 0, 1, 2}, batches[:7], "the first steps, those that are verified")

	made := 0
	train := l.Train
	l.Train = func(of protocol.Step, workers int) (Training, error) {
		made++
		return train(of, workers)
	}
	_ = ask(t, l, job, job, job)
	assert.Equal(t, 1, made, "the training goes on from round to round")

	with := func(text string) protocol.Job {
		s, err := protocol.ParseStep(text)
		require.NoError(t, err)
		job := job
		job.Step = &s
		return job
	}
	made = 0
	l.Train = func(protocol.Step, int) (Training, error) {
		made++
		return Training{Step: func(int) (float64, error) { return 1, nil }}, nil
	}
	_ = ask(t, l, job, with("lenet batch 8 sam"), with("lenet batch 8 msam 2"), job, with("lenet batch 8 sam"))
	assert.Equal(t, 3, made, "methods take turns, and each goes on")
	made = 0
	_ = ask(t, l, job, with("lenet batch 16"), job)
	assert.Equal(t, 3, made, "another batch is another subject, and the first is forgotten")

	assert.Equal(t, "no training", ask(t, Library{Workers: anyWorkers}, job)[0].Cannot)
	for want, step := range map[string]func(int) (float64, error){
		"the loss is NaN": func(int) (float64, error) { return math.NaN(), nil },
		"refused":         func(int) (float64, error) { return 0, errors.New("refused") },
	} {
		l.Train = func(protocol.Step, int) (Training, error) { return Training{Step: step}, nil }
		assert.Equal(t, want, ask(t, l, job)[0].Error)
	}
	steps := 0
	l.Train = func(protocol.Step, int) (Training, error) {
		return Training{Step: func(int) (float64, error) {
			if steps++; steps > 20 {
				return 0, errors.New("refused later")
			}
			return 1, nil
		}}, nil
	}
	assert.Equal(t, "refused later", ask(t, l, job)[0].Error)
}

func TestNoise(t *testing.T) {
	var data [1 << 14]float32
	Noise(data[:], 3, 2)
	sum, squares := 0.0, 0.0
	for _, v := range data {
		assert.LessOrEqual(t, math.Abs(float64(v)), 2.0)
		sum, squares = sum+float64(v), squares+float64(v)*float64(v)
	}
	assert.InDelta(t, 0, sum/float64(len(data)), 0.05)
	assert.InDelta(t, 4.0/3, squares/float64(len(data)), 0.05, "the variance of a uniform distribution")

	var labels [1000]int32
	NoiseLabels(labels[:], 3, 10)
	var counts [10]int
	for _, label := range labels {
		counts[label]++
	}
	for label, count := range counts {
		assert.InDelta(t, 100, count, 40, label)
	}
}

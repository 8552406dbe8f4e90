package study

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/optim"
)

// machine is a clock that only steps move: a round takes as much longer as the machine is slow then.
type machine struct {
	now    time.Duration
	random *rand.Rand
	slow   func(now time.Duration) float64
	noise  float64 // of a step, as a part of it
	steps  []int   // by subject
}

func (m *machine) turns() turns {
	return turns{func() time.Duration { return m.now }, func() time.Time { return time.Unix(0, 0).Add(m.now) }, 1 << 30}
}

// subject returns one whose step i of a cycle takes costs[i].
func (m *machine) subject(name string, costs ...time.Duration) subject {
	at := len(m.steps)
	m.steps = append(m.steps, 0)
	return subject{name: name, cycle: len(costs), step: func(int) error {
		cost := float64(costs[m.steps[at]%len(costs)])
		m.steps[at]++
		m.now += time.Duration(cost * m.slow(m.now) * (1 + m.noise*m.random.NormFloat64()))
		return nil
	}}
}

func newMachine(noise float64, slow func(time.Duration) float64) *machine {
	return &machine{random: rand.New(rand.NewPCG(3, 3)), noise: noise, slow: slow}
}

func even(time.Duration) float64 { return 1 }

// A machine that is three times as slow for most of the time changes no cost, and neither do cycles.
func TestTurns(t *testing.T) {
	busy := func(now time.Duration) float64 { return 2 + math.Sin(now.Seconds()/3) }
	m := newMachine(0.02, busy)
	ms := time.Millisecond
	subjects := []subject{m.subject("SAM", 2*ms), m.subject("SGD", ms), m.subject("LookSAM", 3*ms, ms, ms, ms, ms), m.subject("control", 2*ms)}
	_, shares, err := m.turns().measure(t.Context(), subjects)
	require.NoError(t, err)
	for i, want := range []float64{1, 0.5, 0.7, 1} {
		assert.InEpsilon(t, want, shares[i].ratio, goodCost, subjects[i].name)
		assert.LessOrEqual(t, shares[i].off, goodCost)
	}
	assert.Zero(t, m.steps[2]%5, "whole cycles only")

	_, again, err := newMachine(0, even).measureTwo(t, 3*ms, 3*ms)
	require.NoError(t, err)
	assert.Equal(t, []share{{1, 0}, {1, 0}}, again)
}

func (m *machine) measureTwo(t *testing.T, a, b time.Duration) (float64, []share, error) {
	t.Helper()
	return m.turns().measure(t.Context(), []subject{m.subject("a", a), m.subject("b", b)})
}

// A control that is off for good makes all costs as doubtful, after no more than the time there is.
func TestTurnsWithoutAgreement(t *testing.T) {
	m := newMachine(0, even)
	_, shares, err := m.measureTwo(t, 10*time.Millisecond, 11*time.Millisecond)
	require.NoError(t, err)
	assert.InDelta(t, 0.1, shares[0].off, 1e-9)
	assert.InDelta(t, 0.1, shares[1].off, 1e-9)
	assert.InDelta(t, costTime.Seconds(), m.now.Seconds(), 1)

	// Steps that take longer than that have the least number of rounds, after two turns for warmth.
	m = newMachine(0, even)
	_, _, err = m.measureTwo(t, 10*time.Second, 12*time.Second)
	require.NoError(t, err)
	assert.Equal(t, []int{costRounds + 2, costRounds + 2}, m.steps)
}

// Steps that draw how much they compute cost their mean. They have turns until it is good, beside
// the first and the control alone.
func TestTurnsOfDraws(t *testing.T) {
	m := newMachine(0, even)
	ms := time.Millisecond
	draws := m.subject("ESAM", 0)
	draws.drawn = true
	draws.step = func(int) error {
		m.steps[0]++
		m.now += 4 * ms
		if m.random.Float64() < 0.2 {
			m.now += 10 * ms
		}
		return nil
	}
	subjects := []subject{m.subject("SAM", 5*ms), draws, m.subject("SGD", 5*ms), m.subject("control", 5*ms)}
	_, shares, err := m.turns().measure(t.Context(), subjects)
	require.NoError(t, err)
	assert.InEpsilon(t, 6.0/5, shares[1].ratio, 2*goodCost, "the median is 4/5")
	assert.LessOrEqual(t, shares[1].off, goodCost)
	assert.Equal(t, costRounds+2, m.steps[2], "SGD")
	assert.Greater(t, m.steps[3], 100, "the control")
}

func TestTurnsEnd(t *testing.T) {
	m := newMachine(0, even)
	bad := m.subject("SAM", 1)
	bad.step = func(int) error { return errors.New("refused") }
	_, _, err := m.turns().measure(t.Context(), []subject{bad, bad})
	assert.EqualError(t, err, "SAM: refused")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = m.turns().measure(ctx, []subject{m.subject("SAM", 1), m.subject("SAM", 1)})
	assert.ErrorIs(t, err, context.Canceled)
}

// A method that is new in a stored study is measured beside SAM, without touching other costs.
// Until then it is missing from equal time.
func TestNewMethodIsMeasured(t *testing.T) {
	dir := t.TempDir()
	s := full(t)
	s.Flatness = nil
	store, err := OpenStore(dir, s.Recipe)
	require.NoError(t, err)
	given(t, s, store)
	execute(t, s, store, 1, 1)
	before := s.Costs(store)

	more := full(t)
	more.Flatness, more.Grid.Methods = nil, []string{"sgd", "looksam", "sam", "msam"}
	require.NoError(t, more.Validate())
	looksam := more.entries[1]
	require.Len(t, more.unmeasured(store), 1)
	assert.Equal(t, looksam.key(), more.unmeasured(store)[0].key())
	_, ok := more.equalTime(store, looksam)
	assert.False(t, ok)
	level := more.Summary(store).Levels[0]
	assert.Equal(t, []string{"LookSAM"}, level.EqualTimeMissing)
	assert.Len(t, level.EqualTime, 3)
	r, base := Row{Method: "looksam", Shards: 1, Step: 7}, Row{Method: "sgd", Shards: 1, Step: 1}
	assert.Zero(t, more.Summary(store).cost(&r, &base), "a step while training isn't compared with a measured one")
	r.Method = "sam"
	assert.InDelta(t, 2, more.Summary(store).cost(&r, &base), 1e-12)
	assert.InDelta(t, 7, (&Summary{}).cost(&r, &base), 1e-12)

	e := &execution{works: []Work{{more, store}}, workers: 2, report: func(p Progress) { assert.NotEmpty(t, p.Measuring) }}
	require.NoError(t, e.measureCosts(t.Context()))
	assert.Nil(t, more.unmeasured(store))
	assert.Equal(t, 1, store.getCosts().Workers, "those of the costs before")
	require.NoError(t, store.Close())
	store, err = ReadStore(dir, s.Recipe)
	require.NoError(t, err)
	costs := more.Costs(store)
	require.Len(t, costs, 4)
	assert.Equal(t, before, []Cost{costs[0], costs[2], costs[3]})
	assert.InDelta(t, before[1].Step*costs[1].VsSAM, costs[1].Step, 1e-12)
	assert.NotNil(t, costs[1].Off)
	assert.Equal(t, before, s.Costs(store), "a study without the method leaves it out")
}

// Costs from before there was a control are measured again, unless runs of equal time go by them.
// One statistic decides all that is made of them.
func TestOldCosts(t *testing.T) {
	dir := t.TempDir()
	s := full(t)
	store, err := OpenStore(dir, s.Recipe)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	file, err := os.OpenFile(filepath.Join(dir, storeName), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"costs":[{"name":"SGD","method":"sgd","shards":1,"step_seconds":0.003,"vs_sam":0.5,"equal_epochs":8},` +
		`{"name":"SAM","method":"sam","shards":1,"step_seconds":0.004,"vs_sam":1,"equal_epochs":4},` +
		`{"name":"mSAM with 4 shards","method":"msam","shards":4,"step_seconds":0.009,"vs_sam":1.6,"equal_epochs":2}],"workers":1}` + "\n")
	require.NoError(t, err)
	require.NoError(t, file.Close())
	store, err = OpenStore(dir, s.Recipe)
	require.NoError(t, err)
	defer store.Close()
	old := s.Costs(store)
	require.Len(t, old, 3)
	_, known := HowGood(old)
	assert.False(t, known)
	assert.False(t, GoodCosts(old))
	assert.InDeltaSlice(t, []float64{0.002, 0.004, 0.0064}, []float64{old[0].Step, old[1].Step, old[2].Step}, 1e-12)
	assert.Len(t, s.unmeasured(store), 3)

	run := s.entries[2].run(Final, 0, 0.05, 0.05, 1)
	run.Epochs = 2
	require.NoError(t, store.Add(Result{Run: run, Of: 1}))
	assert.Empty(t, s.unmeasured(store))
	n, ok := s.equalTime(store, s.entries[2])
	assert.True(t, ok)
	assert.Equal(t, 2, n, "as it was trained, though 3 are nearer")

	// MeasureCosts measures them all the same, and says what that changes. No method is as far from
	// SAM as the old costs of SGD say here.
	require.NoError(t, store.addCosts(costs{Steps: []Cost{{Name: "SGD", Method: "sgd", Shards: 1, Step: 4e-5, VsSAM: 0.01, EqualEpochs: 400}}}))
	run = s.entries[0].run(Final, 0, 0, 0.05, 1)
	run.Epochs = 400
	require.NoError(t, store.Add(Result{Run: run, Of: 1}))
	changes, err := Work{s, store}.MeasureCosts(t.Context(), 1)
	require.NoError(t, err)
	require.NotEmpty(t, changes)
	assert.Equal(t, []any{"SGD", 400, 1}, []any{changes[0].Name, changes[0].Before, changes[0].Runs})
	_, known = HowGood(s.Costs(store))
	assert.True(t, known)
	assert.Equal(t, changes[0].After, s.Costs(store)[0].EqualEpochs)
}

// Without SAM, the first method is the measure, and nothing has epochs of equal time.
func TestCostsWithoutSAM(t *testing.T) {
	s := full(t)
	s.Grid.Methods, s.Grid.EqualTime = []string{"sgd", "msam"}, false
	s.Schedule = func(int, int) optim.Schedule { return nil }
	require.NoError(t, s.Validate())
	list := s.costsOf(0.01, 1, 3)
	assert.Equal(t, "sgd 0 0.01; msam 0 0.03", fmt.Sprintf("%s %v %v; %s %v %.2f", list[0].Method, list[0].EqualEpochs, list[0].Step, list[1].Method, list[1].VsSAM, list[1].Step))
}

// Steps of one worker have a clock that other processes don't move, where the system has one.
func TestCostClock(t *testing.T) {
	_, name := costClock(2)
	assert.Equal(t, WallClock, name)
	clock, name := costClock(1)
	first, ok := processTime()
	if !ok {
		assert.Equal(t, WallClock, name)
		return
	}
	assert.Equal(t, CPUClock, name)
	assert.Positive(t, first)
	assert.GreaterOrEqual(t, clock(), first)
}

// A study that trains little spends little on its costs: a second at least.
func TestTurnsOfALittleStudy(t *testing.T) {
	m := newMachine(0, even)
	turns := m.turns()
	turns.train = 100 // of 10 ms: a twentieth is 50 ms
	_, _, err := turns.measure(t.Context(), []subject{m.subject("a", 10*time.Millisecond), m.subject("b", 11*time.Millisecond)})
	require.NoError(t, err)
	assert.InDelta(t, time.Second.Seconds(), m.now.Seconds(), 0.2)
}

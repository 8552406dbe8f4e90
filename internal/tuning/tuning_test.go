package tuning

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Names are unique, and each group is measured by one package.
func TestGroups(t *testing.T) {
	all := Knobs(F32)
	sorted := slices.Clone(all)
	slices.Sort(sorted)
	assert.Len(t, slices.Compact(sorted), len(all))
	for _, name := range Knobs(F64) {
		assert.Contains(t, all, name)
	}
	assert.Less(t, len(Knobs(F64)), len(all))
	assert.Empty(t, Packages([]string{"unknown"}))
}

// In each round each candidate has its turn, beginning with another one than in the round before.
// A turn's speed is that of the lower quartile of its windows.
func TestMeasure(t *testing.T) {
	var order []int
	speeds := Job{Rounds: 3, Quick: true}.Measure(2, 10, func(candidate, _, times int) time.Duration {
		order = append(order, candidate)
		return time.Duration(times*(1+candidate)) * time.Nanosecond
	})
	assert.Equal(t, []int{0, 1 /* warm-up */, 0, 1, 1, 0, 0, 1}, order)
	assert.InDeltaSlice(t, []float64{10, 10, 10}, speeds[0], 1e-9)
	assert.InDeltaSlice(t, []float64{5, 5, 5}, speeds[1], 1e-9)

	// A window takes a millisecond at least, a turn twenty; one window in two is disturbed.
	calls := 0
	speeds = Job{Rounds: 1}.Measure(1, 1, func(_, _, times int) time.Duration {
		calls++
		took := time.Duration(times) * 100 * time.Microsecond
		if times > 8 && calls%2 == 0 {
			took *= 3
		}
		return took
	})
	assert.InDelta(t, 1e-5, speeds[0][0], 1e-12, "1 in 100 microseconds")
}

func TestTimedRests(t *testing.T) {
	var last time.Time
	var pauses []time.Duration
	Timed(true, 3, 2, func(i int) {
		if i > 3 {
			pauses = append(pauses, time.Since(last))
		}
		last = time.Now()
	})
	require.Len(t, pauses, 1)
	assert.GreaterOrEqual(t, pauses[0], pause)
}

func TestAround(t *testing.T) {
	assert.Equal(t, []int{25, 50, 75, 100, 150, 200}, Around(100, 1))
	assert.Equal(t, []int{24, 48, 72, 100, 144, 200}, Around(100, 8), "the value itself stays")
	assert.Equal(t, []int{1, 2}, Around(1, 1))
}

// knobsOf are a threshold and a size. What their work does is recorded in log.
func knobsOf(threshold, size *int, log *[]string) []Knob {
	work := func(name string, x int) Work {
		return Work{Name: name, X: x, Amount: 1, Prepare: func() func() func(int) {
			*log = append(*log, "operands of "+name)
			return func() func(int) {
				made := fmt.Sprintf("%d %d", *threshold, *size)
				return func(int) {
					*log = append(*log, fmt.Sprintf("%s: made at %s, run at %d %d", name, made, *threshold, *size))
				}
			}
		}}
	}
	return []Knob{
		{
			Name: "Threshold", Field: threshold, Shapes: "works", Unit: "works a ns", Axis: "x",
			Below: Side{"low", func() { *threshold = Never }}, Above: Side{"high", func() { *threshold, *size = Always, 77 }},
			Series: []Series{{Name: "some", Works: []Work{work("a", 4), work("b", 5), work("c", 6)}}},
		},
		{
			Name: "Size", Field: size, Bits: "sums", Shapes: "works", Unit: "works a ns",
			Series: []Series{{Name: "others", Works: []Work{work("d", 0)}, Values: []int{10, 20}}},
		},
	}
}

func TestRun(t *testing.T) {
	threshold, size := 5, 20
	var log []string
	changes := 0
	knobs := knobsOf(&threshold, &size, &log)
	require.NoError(t, Validate(knobs))
	var out bytes.Buffer
	require.NoError(t, Job{Knobs: []string{"Size", "Threshold"}, Rounds: 1, Quick: true}.Run(knobs, func() { changes++ }, &out))
	assert.Equal(t, []int{5, 20}, []int{threshold, size}, "as they were")
	assert.Positive(t, changes)

	var points []Point
	for d := json.NewDecoder(&out); d.More(); {
		var p Point
		require.NoError(t, d.Decode(&p))
		for i := range p.Candidates {
			assert.Len(t, p.Candidates[i].Speeds, 1)
			p.Candidates[i].Speeds = nil
		}
		points = append(points, p)
	}
	assert.Equal(t, []Point{
		{Knob: "Threshold", Value: 5, Series: "some", Work: "a", Shapes: "works", Unit: "works a ns", Axis: "x", X: 4, Candidates: []Candidate{{Name: "low", Table: true}, {Name: "high"}}},
		{Knob: "Threshold", Value: 5, Series: "some", Work: "b", Shapes: "works", Unit: "works a ns", Axis: "x", X: 5, Candidates: []Candidate{{Name: "low"}, {Name: "high", Table: true}}},
		{Knob: "Size", Value: 20, Bits: "sums", Series: "others", Work: "d", Shapes: "works", Unit: "works a ns", Candidates: []Candidate{{Name: "10"}, {Name: "20", Table: true}}},
	}, points, "two works of a series, since the job is quick")

	// Candidates are made and run under their own settings, one after the other, on the same operands.
	assert.Equal(t, []string{
		"operands of d",
		"d: made at 5 10, run at 5 10", "d: made at 5 10, run at 5 10", "d: made at 5 20, run at 5 20", "d: made at 5 20, run at 5 20",
	}, log[slices.Index(log, "operands of d"):][:5])
	assert.Contains(t, log, fmt.Sprintf("a: made at %d 20, run at %d 20", Never, Never))
	assert.Contains(t, log, fmt.Sprintf("a: made at %d 77, run at %d 77", Always, Always))
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(k []Knob){
		"Threshold lacks":                         func(k []Knob) { k[0].Unit = "" },
		"Size lacks":                              func(k []Knob) { k[1].Field = nil },
		"an axis without two sides":               func(k []Knob) { k[0].Above = Side{} },
		"sides without an axis":                   func(k []Knob) { k[0].Axis = "" },
		"there is no work":                        func(k []Knob) { k[0].Series[0].Works = nil },
		"want values of a size":                   func(k []Knob) { k[1].Series[0].Values = nil },
		"none of a threshold":                     func(k []Knob) { k[0].Series[0].Values = []int{5} },
		"20, which is in use, is not among [1 2]": func(k []Knob) { k[1].Series[0].Values = []int{1, 2} },
		"isn't in the order of x":                 func(k []Knob) { k[0].Series[0].Works[0].X = 9 },
		"there is nothing to do":                  func(k []Knob) { k[0].Series[0].Works[2].Amount = 0 },
	} {
		threshold, size := 5, 20
		knobs := knobsOf(&threshold, &size, &[]string{})
		change(knobs)
		assert.ErrorContains(t, Validate(knobs), want)
	}
}

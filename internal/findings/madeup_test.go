package findings

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/sam"
)

// entry is a method of a made-up study.
type entry struct {
	method   string
	shards   int
	settings string
	gain     float64 // in accuracy over SGD's
	cost     float64 // over SGD's
	lambda   float64 // over SGD's
}

// some are the methods that a study of SAM and mSAM has, and many are those of a wide one.
var (
	some = []entry{
		{"sgd", 1, "", 0, 1, 1}, {"sam", 1, "", 0.004, 1.96, 0.4},
		{"msam", 4, "", 0.006, 1.93, 0.3}, {"msam", 8, "", 0.009, 1.83, 0.25}, {"msam", 16, "", 0.011, 1.86, 0.2}, {"msam", 32, "", 0.007, 1.99, 0.16},
	}
	many = append(slices.Clone(some),
		entry{"asam", 1, "", 0.005, 2.02, 0.5}, entry{"masam", 8, "", 0.008, 1.95, 0.35}, entry{"esam", 1, "", 0.003, 1.41, 0.6},
		entry{"looksam", 1, "", 0.003, 1.22, 0.65}, entry{"looksam", 1, "every=2", 0.0035, 1.55, 0.5}, entry{"momentum-sam", 1, "", 0.001, 1.03, 0.8})
)

// madeUp is a part of a made-up study.
type madeUp struct {
	title    string
	base     string
	accuracy float64 // of SGD without noise
	noises   []float64
	entries  []entry
	seeds    int
	samples  int
	effect   float64 // that gains are multiplied by
	flat     bool    // flatness is measured
	time     bool    // equal time, too
	costs    bool    // measured side by side
}

// part returns a part of a made-up study. The same description has the same results.
func (m madeUp) part(t *testing.T) study.Part {
	t.Helper()
	random := rand.New(rand.NewPCG(7, uint64(len(m.title))))
	s := &study.Summary{
		Version: 1, Base: m.base, EqualLoad: true, Workers: 1, Jobs: 2, TestSamples: 5000,
		Recipe: study.Recipe{Model: "lenet", Data: "data", Samples: m.samples, Validation: m.samples / 5, Epochs: 40, Batch: 128, Schedule: "cosine", Momentum: 0.9, WeightDecay: 1e-4},
		Grid:   study.Grid{Rhos: []float64{0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4}, LRs: []float64{0.05, 0.1}, Noise: m.noises, Seeds: m.seeds, SelectionSeeds: 2},
	}
	p := study.Part{Name: m.title, Title: m.title, Done: 400, Runs: 400, Chance: 0.1, Summary: s}
	if m.costs {
		off := 0.012
		for _, e := range m.entries {
			s.Costs = append(s.Costs, study.Cost{Name: e.method, Method: e.method, Shards: e.shards, Settings: e.settings, Step: 0.012 * e.cost, VsSAM: e.cost / 1.96, Off: &off, Clock: study.CPUClock})
		}
	}
	for _, noise := range m.noises {
		l := study.Level{Noise: noise}
		ofSeed := make([]float64, m.seeds)
		for i := range ofSeed {
			ofSeed[i] = 0.004 * random.NormFloat64()
		}
		l.Rows = m.rows(random, noise, ofSeed, 1)
		l.Tests = correct(l.Rows)
		if m.time {
			l.EqualTime = m.rows(random, noise, ofSeed, 0.6)
			l.EqualTimeTests = correct(l.EqualTime)
		}
		s.Levels = append(s.Levels, l)
	}
	return p
}

func (m madeUp) rows(random *rand.Rand, noise float64, ofSeed []float64, part float64) (rows []study.Row) {
	for _, e := range m.entries {
		method, err := sam.Lookup(e.method)
		if err != nil { // a study of a newer version may have it
			method = sam.Method{Name: e.method, Title: strings.ToUpper(e.method), Preset: sam.Config{Shards: 1}}
		}
		r := study.Row{Name: method.With(e.shards), Title: method.Title, Method: e.method, Shards: e.shards, Settings: e.settings, Epochs: 40, Step: 0.012 * e.cost, Cost: e.cost}
		if e.method == "sgd" {
			r.Name, r.Title = m.base, m.base
		}
		if part < 1 {
			r.Epochs = int(40 * 1.96 / e.cost)
		}
		var eces []float64
		for i := range ofSeed {
			v := m.accuracy - 0.35*noise + part*m.effect*e.gain*(1+4*noise) + ofSeed[i] + 0.0015*random.NormFloat64()
			r.Seeds = append(r.Seeds, i+1)
			r.Accuracies = append(r.Accuracies, math.Round(v*5000)/5000)
			eces = append(eces, 0.03+0.2*noise-0.5*e.gain+0.003*random.NormFloat64())
		}
		r.Accuracy = stats.MeanOf(r.Accuracies)
		ece := stats.MeanOf(eces)
		r.ECE, r.ECEs = &ece, eces
		fall := 0.01 + 0.03*random.Float64()
		r.LossFall = &fall
		m.choose(random, e, &r, noise)
		if m.flat && part == 1 {
			f := &study.FlatnessRow{Samples: 1000, Labels: "trained", Mode: "running", Rho: 0.05, Seeds: r.Seeds}
			for range ofSeed {
				f.Lambda1s = append(f.Lambda1s, (30+200*noise)*e.lambda*math.Exp(0.2*random.NormFloat64()))
				f.Sharpnesses = append(f.Sharpnesses, (0.2+noise)*math.Sqrt(e.lambda)*math.Exp(0.1*random.NormFloat64()))
			}
			f.Lambda1, f.Sharpness = stats.MeanOf(f.Lambda1s), stats.MeanOf(f.Sharpnesses)
			r.Flatness = f
		}
		rows = append(rows, r)
	}
	return rows
}

// choose gives a row its candidates: accuracy falls off around a best rho that is smaller with more
// shards, and collapses where rho is too large.
func (m madeUp) choose(random *rand.Rand, e entry, r *study.Row, noise float64) {
	if e.method == "sgd" {
		for _, lr := range []float64{0.05, 0.1} {
			r.Choice.Candidates = append(r.Choice.Candidates, study.Candidate{LR: lr, Accuracy: stats.Mean{Mean: m.accuracy - 0.35*noise - 0.01}})
		}
		r.Choice.LR = 0.1
		return
	}
	best := 0.1 / math.Sqrt(float64(e.shards))
	for _, rho := range []float64{0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4} {
		away := math.Log(rho / best)
		v := m.accuracy - 0.35*noise - 0.01 + e.gain*(1+4*noise)*(1-away*away/3) + 0.001*random.NormFloat64()
		c := study.Candidate{Rho: rho, LR: 0.1}
		if rho > 6*best {
			v, c.Collapsed = 0.1, 2
		}
		c.Accuracy = stats.Mean{Mean: v, Low: v, High: v}
		r.Choice.Candidates = append(r.Choice.Candidates, c)
	}
	chosen := slices.MaxFunc(r.Choice.Candidates, func(a, b study.Candidate) int {
		if a.Accuracy.Mean < b.Accuracy.Mean {
			return -1
		}
		return 1
	})
	r.Choice.Rho, r.Choice.LR = chosen.Rho, chosen.LR
}

// correct fills in the differences and their tests as package study does.
func correct(rows []study.Row) int {
	var ps []float64
	var of []*study.Difference
	against := func(r, other *study.Row) *study.Difference {
		if other == nil || r == other {
			return nil
		}
		d := &study.Difference{Mean: stats.MeanOf(stats.Differences(r.Accuracies, other.Accuracies))}
		if p, ok := stats.PairedT(r.Accuracies, other.Accuracies, 0.5/5000); ok {
			d.P = &p
			ps, of = append(ps, p), append(of, d)
		}
		return d
	}
	for i := range rows {
		r := &rows[i]
		r.VsSGD = against(r, row(rows, "sgd"))
		if r.Method != "sgd" {
			r.VsSAM = against(r, row(rows, "sam"))
		}
	}
	holm := stats.Holm(ps)
	for i, d := range of {
		d.PHolm = &holm[i]
	}
	return len(ps)
}

// campaign returns a made-up study of parts.
func campaign(t *testing.T, parts ...madeUp) *study.Campaign {
	t.Helper()
	c := &study.Campaign{
		Version: 1, Name: "evidence", Title: "Does mSAM pay?", About: "Made-up results.\n\nThey look like\nthose of a study.",
		Machine: "AMD EPYC, avx2, 2 workers",
	}
	for _, m := range parts {
		p := m.part(t)
		c.Parts = append(c.Parts, p)
		c.Done, c.Runs = c.Done+p.Done, c.Runs+p.Runs
		for _, l := range p.Summary.Levels {
			c.Tests += l.Tests + l.EqualTimeTests
		}
	}
	return c
}

var noises = []float64{0, 0.2, 0.4}

// wide is as large as studies get: six data sets, three levels of noise on four, and twelve methods.
func wide(t *testing.T) *study.Campaign {
	var parts []madeUp
	for i, title := range []string{"mlp on digits", "lenet on mnist", "lenet on fashion-mnist", "resnet20 on fashion-mnist"} {
		parts = append(parts, madeUp{title: title, base: "SGD", accuracy: 0.975 - 0.03*float64(i), noises: noises, entries: many, seeds: 5, samples: 5000, effect: 1, flat: true, time: true, costs: true})
	}
	for i, title := range []string{"A small transformer on the Brown corpus's genres", "A small transformer on spam"} {
		parts = append(parts, madeUp{title: title, base: "AdamW", accuracy: 0.4 + 0.5*float64(i), noises: []float64{0}, entries: many[:9], seeds: 5, samples: 8000, effect: 0.2, flat: true, costs: true})
	}
	return campaign(t, parts...)
}

// rough is a study on one data set with what goes wrong: a method that collapses, one with a missing
// flatness, one that no seed has, and runs of other studies beside it.
func rough(t *testing.T) *study.Campaign {
	c := campaign(t, madeUp{title: "mlp on digits", base: "SGD", accuracy: 0.97, noises: []float64{0, 0.2}, entries: some, seeds: 3, samples: 1438, effect: 0, flat: true})
	c.Done, c.Parts[0].Done = 300, 300
	s := c.Parts[0].Summary
	s.EqualLoad = false
	for i := range s.Levels {
		r := &s.Levels[i].Rows[5]
		r.Accuracies[1] = 0.1
		r.Accuracy = stats.MeanOf(r.Accuracies)
		r.Collapsed, r.CollapsedSeeds = 1, []int{2}
		if i == 1 {
			r.Accuracies = []float64{0.1, 0.11, 0.1}
			r.Accuracy, r.Collapsed = stats.MeanOf(r.Accuracies), 3
		}
		r.Flatness.Seeds, r.Flatness.Lambda1s, r.Flatness.Sharpnesses = []int{1}, r.Flatness.Lambda1s[:1], r.Flatness.Sharpnesses[:1]
		r.Flatness.Lambda1, r.Flatness.Sharpness = stats.MeanOf(r.Flatness.Lambda1s), stats.MeanOf(r.Flatness.Sharpnesses)
		r.Flatness.Problems = []string{"seed 2: collapsed"}
		s.Levels[i].Rows[2].Flatness = nil
		fall := 0.3
		s.Levels[i].Rows[0].LossFall = &fall
		s.Levels[i].Tests = correct(s.Levels[i].Rows)
		s.Levels[i].Missing = []string{"ESAM"}
	}
	c.Parts = append(c.Parts, study.Part{Name: "mnist", Title: "lenet on mnist", Runs: 400})
	c.Runs += 400
	return c
}

// short is the quickest study: one data set without noise, and a seed.
func short(t *testing.T) *study.Campaign {
	return campaign(t, madeUp{title: "mlp on digits", base: "SGD", accuracy: 0.97, noises: []float64{0}, entries: some[:4], seeds: 1, samples: 1438, effect: 1})
}

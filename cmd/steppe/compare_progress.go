package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/sam"
)

// runProgress shows how much of a comparison is done: on a terminal by a live line, elsewhere by a
// line for each finished run.
type runProgress struct {
	*progress
	base    string // title of the base optimizer, and so of the method that perturbs nothing
	several bool   // studies, so that lines say of which a run is
	start   time.Time
}

func newRunProgress(w io.Writer, base string) *runProgress {
	return &runProgress{progress: newProgress(w, liveParts), base: base, start: time.Now()}
}

func (p *runProgress) report(at study.Progress) {
	if at.Measuring != "" {
		p.start = time.Now()
		if p.kind == plainScreen {
			p.print("measuring the costs of steps: " + at.Measuring)
		} else if p.kind == liveScreen {
			p.draw(" measuring the costs of steps: " + at.Measuring)
		}
		return
	}
	if p.kind != plainScreen {
		p.set(int(at.Part*liveParts), func() string { return fmt.Sprintf("%d of %s", at.Done, plural(at.Runs, "run")) })
		return
	}
	r := at.Finished
	if r == nil {
		return
	}
	settings := []string{p.titleOf(at.Study, r)}
	if p.several {
		settings[0] = fmt.Sprintf("%s on %s, %s", at.Study.Recipe.Model, at.Study.Recipe.Data, settings[0])
	}
	if r.Rho > 0 {
		settings = append(settings, fmt.Sprintf("rho %v", r.Rho))
	}
	settings = append(settings, fmt.Sprintf("lr %v", r.LR))
	if r.Epochs > 0 {
		settings = append(settings, plural(r.Epochs, "epoch"))
	}
	settings = append(settings, fmt.Sprintf("seed %d", r.Seed))
	if r.Noise > 0 {
		settings = append(settings, fmt.Sprintf("noise %v%%", percent(r.Noise)))
	}
	kind := map[study.Stage]string{study.Selection: "validation", study.Final: "test"}[r.Stage]
	note := ""
	switch {
	case r.Diverged != "":
		note = ", diverged in " + r.Diverged
	case r.Collapsed:
		note = ", collapsed"
	}
	elapsed := time.Since(p.start)
	left := time.Duration(float64(elapsed) * (1 - at.Part) / at.Part)
	line := fmt.Sprintf("%*d/%d  %s: %s accuracy %.2f%%%s, %.1f s", len(fmt.Sprint(at.Runs)), at.Done, at.Runs,
		strings.Join(settings, ", "), kind, 100*r.Accuracy(), note, r.Seconds)
	if left > 0 {
		line += "; " + duration(left) + " left"
	}
	p.print(line)
}

// titleOf returns a run's method with its shards and its own settings in words.
func (p *runProgress) titleOf(of *study.Study, r *study.Result) string {
	m, err := sam.Lookup(r.Method)
	switch {
	case err != nil:
		return r.Method
	case m.Plain():
		return cmp.Or(of.BaseTitle, p.base)
	case r.Settings != "":
		return m.With(r.Shards) + ", " + r.Settings
	}
	return m.With(r.Shards)
}

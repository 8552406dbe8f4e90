package main

import (
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
	base  string // title of the base optimizer, and so of the method that perturbs nothing
	start time.Time
}

func newRunProgress(w io.Writer, base string) *runProgress {
	return &runProgress{newProgress(w, liveParts), base, time.Now()}
}

func (p *runProgress) report(at study.Progress) {
	if p.kind != plainScreen {
		p.set(int(at.Part*liveParts), func() string { return fmt.Sprintf("%d of %s", at.Done, plural(at.Runs, "run")) })
		return
	}
	r := at.Finished
	if r == nil {
		return
	}
	settings := []string{p.titleOf(r.Method, r.Shards)}
	if r.Rho > 0 {
		settings = append(settings, fmt.Sprintf("rho %v", r.Rho))
	}
	settings = append(settings, fmt.Sprintf("lr %v", r.LR), fmt.Sprintf("seed %d", r.Seed))
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

// titleOf returns a method with its shards in words.
func (p *runProgress) titleOf(name string, shards int) string {
	m, err := sam.Lookup(name)
	switch {
	case err != nil:
		return name
	case m.Plain():
		return p.base
	}
	return m.With(shards)
}

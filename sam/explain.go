package sam

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize/english"

	"github.com/steppe-ml/steppe/internal/program"
)

// explain is Plan.String.
func (p *plan) explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "step: %d samples in %s of %s, %v\n", p.samples(), english.Plural(len(p.shards), "shard", ""), sizes(p.shards), p.isa)

	if how := p.ascent.String(); how != "" {
		fmt.Fprintf(&b, "perturbed: %s\n", how)
	}
	if how := p.descent.String(); how != "" {
		fmt.Fprintf(&b, "given to the base optimizer: %s\n", how)
	}
	if how := p.teacher.String(); how != "" {
		fmt.Fprintf(&b, "teacher: %s\n", how)
	}
	if how := p.descent.ofSamples(); how != "" {
		fmt.Fprintf(&b, "descent: %s\n", how)
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "op\tparameters\tclean MFLOP\tdescent MFLOP\tMB touched\tperturbation\tgradient\t")
	bytes := int64(0)
	for i, op := range p.ops {
		clean, descent := p.opFlops(i)
		bytes += p.opBytes(i)
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f\t%.1f\t%s\t%s\t\n",
			op.Name, op.Params, float64(clean)/1e6, float64(descent)/1e6, float64(p.opBytes(i))/1e6, p.perturbation(i), p.summation(i))
	}
	t.Flush()

	fmt.Fprintf(&b, "in all: %.1f MFLOP, %.1f MB, %.0f operations a byte\n", float64(p.flops)/1e6, float64(bytes)/1e6, float64(p.flops)/float64(bytes))
	fmt.Fprintf(&b, "schedule: %s of %s samples\n", p.shape(), sizes(p.tileRuns()))
	fmt.Fprintf(&b, "memory: %s\n", p.memory)
	for _, note := range p.notes() {
		fmt.Fprintf(&b, "  %s\n", note)
	}
	return b.String()
}

// perturbation says how op i's perturbed parameters come about.
func (p *plan) perturbation(i int) string {
	switch p.perturb[p.ops[i].Owner] {
	case program.Formed:
		return "formed"
	case program.Factored:
		return "factored"
	}
	return "-"
}

// summation says how op i's gradients are summed over the batch.
func (p *plan) summation(i int) string {
	switch {
	case p.deferred[i]:
		return "deferred"
	case p.byUnits[p.ops[i].Owner]:
		return english.Plural(len(p.units), "unit", "")
	}
	return "-"
}

// notes explain those words that the table has.
func (p *plan) notes() (lines []string) {
	add := func(when bool, line string) {
		if when {
			lines = append(lines, line)
		}
	}
	add(p.perturbs() && !p.teaches(), "clean: at w, with the gradient where w + eps is formed. descent: at w + eps, with the gradient that is averaged.")
	add(p.perturbs() && p.teaches(), "clean: at w, with the gradient where w + eps is formed. descent: the teacher's forward pass at w + eps, then the gradient at w that is averaged.")
	add(p.distills(), "the clean pass's values stay, and go through the backward pass again once the teacher's outputs are known.")
	add(p.teaches() && !p.perturbs(), "descent: the teacher's forward pass at w with noise, then the gradient at w.")
	add(p.perturbs() && p.ascent.draws(), fmt.Sprintf("clean: a tensor's gradient counts with the probability %v that it is drawn.", p.ascent.Tensors))
	add(p.ascent.rounds(), p.roundedNote())
	add(p.selects(), fmt.Sprintf("descent: forward over all samples, backward over %v of each shard.", p.descent.Samples))
	add(slices.Contains(p.perturb, program.Factored), "factored: w + eps is never in memory; its effect is computed from the shard's own inputs and output gradients.")
	add(p.passByPass, "pass by pass: a shard's tiles go through the clean pass, w + eps is formed once, then they go through the descent.")
	add(p.teaches() && p.passByPass, "the student's forward pass is computed twice: its values are not kept over a whole shard.")
	add(p.takesWhole(), "each worker takes as many whole shards as the others, and waits for none; all workers share the shards that are left.")
	add(p.perturbs() && !p.passByPass && len(p.tiles) > 1, "a tile goes through both passes before the next, so that its values stay in the cache.")
	add(slices.Contains(p.deferred, true) && !p.unitwise, "deferred: the gradient of the whole batch by one product, after all tiles.")
	add(slices.Contains(p.deferred, true) && p.unitwise, "deferred: the gradient of each unit by one product, after all tiles.")
	if own := p.ownParts(); p.ranks > 1 && own.Len() > 0 {
		run := joined(p.parts[own.From:own.To])
		add(true, fmt.Sprintf("rank %d of %d: samples %d to %d of each batch, in %s of %d.", p.rank, p.ranks,
			run.First, run.First+run.N-1, english.Plural(p.ownUnits().Len(), "unit", ""), len(p.units)))
		add(p.unitwise, "units are added in the same order on any number of ranks.")
	}
	add(slices.Contains(p.byUnits, true) && len(p.units) > 1, "units: gradients are summed in order within each, and units as a tree, so no bit depends on the workers.")
	return lines
}

// String lists what takes memory, the largest first.
func (m Memory) String() string {
	parts := []struct {
		bytes int
		what  string
	}{
		{m.Workspaces, "workspaces"}, {m.Perturbed, "perturbed parameters"}, {m.Packed, "packed parameters"},
		{m.Deferred, "kept for deferred gradients"}, {m.Gradients, "gradients"}, {m.Statistics, "statistics"},
		{m.Combined, "gradients at w, or vectors that the method keeps"},
		{m.Selected, "selected samples"},
	}
	slices.SortStableFunc(parts, func(a, b struct {
		bytes int
		what  string
	}) int {
		return b.bytes - a.bytes
	})
	var list []string
	for _, part := range parts {
		if part.bytes > 0 {
			list = append(list, fmt.Sprintf("%s %.2f", part.what, mebibytes(part.bytes)))
		}
	}
	return fmt.Sprintf("%.2f MiB: %s", mebibytes(m.total()), strings.Join(list, ", "))
}

func mebibytes(bytes int) float64 { return float64(bytes) / (1 << 20) }

// summary is Plan.Summary.
func (p *plan) summary() string {
	formed, factored := 0, 0
	for _, kind := range p.perturb {
		switch kind {
		case program.Formed:
			formed++
		case program.Factored:
			factored++
		}
	}
	if formed+factored == 0 {
		return p.shape()
	}
	return fmt.Sprintf("%s, %d ops factored, %d formed", p.shape(), factored, formed)
}

// shape says how the workers share the tiles.
func (p *plan) shape() string {
	tiles := english.Plural(len(p.tiles), "tile", "")
	switch {
	case p.workers == 1:
		tiles += " on 1 worker"
	case !p.apart():
		tiles += fmt.Sprintf(" by all %d workers", p.workers)
	default:
		tiles += fmt.Sprintf(" on %d workers", p.workers)
	}
	if p.passByPass {
		tiles += ", pass by pass"
	}
	return tiles
}

// sizes says how many samples runs have.
func sizes(runs []program.Shard) string {
	least, most := runs[0].N, largest(runs)
	for _, r := range runs {
		least = min(least, r.N)
	}
	if least == most {
		return fmt.Sprint(most)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

// tileRuns returns the tiles' samples.
func (p *plan) tileRuns() (runs []program.Shard) {
	for _, t := range p.tiles {
		run := program.Shard{First: p.parts[t.From].First}
		for _, part := range p.parts[t.From:t.To] {
			run.N += part.N
		}
		runs = append(runs, run)
	}
	return runs
}

package sam

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/steppe-ml/steppe/net"
)

// String explains the plan: what is computed, op by op, and how it is shared
// out.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "step: %d samples in %s of %s, %v\n", p.samples(), plural(len(p.Shards), "shard"), p.shardSizes(), p.ISA)

	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "op\tparameters\tclean MFLOP\tdescent MFLOP\tperturbation\tgradient\t")
	for i, op := range p.ops {
		clean, descent := p.opFlops(i)
		perturb, sum := "-", "-"
		switch p.Perturb[i] {
		case net.Formed:
			perturb = "formed"
		case net.Factor:
			perturb = "factored"
		}
		switch {
		case p.Late[i]:
			sum = "late"
		case p.ByUnits[i]:
			sum = plural(len(p.Units), "unit")
		}
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f\t%s\t%s\t\n", op.Name, op.Params, float64(clean)/1e6, float64(descent)/1e6, perturb, sum)
	}
	t.Flush()

	fmt.Fprintf(&b, "schedule: %s; the largest tile has %d samples\n", p.shape(), p.tileSamples())
	fmt.Fprintf(&b, "in all: %.1f MFLOP, %.2f MiB of memory\n", float64(p.Flops)/1e6, float64(p.Bytes)/(1<<20))
	if p.perturbs() {
		b.WriteString("clean: forward, backward, and the gradient where it is formed. descent: the same at w + eps, with the\n" +
			"gradient that is averaged. factored: w + eps is never in memory; its effect is made of the shard's own\n" +
			"inputs and output gradients, which are few.\n")
	}
	return b.String()
}

// Summary says in a few words what the plan does, for tables.
func (p *Plan) Summary() string {
	formed, factored := 0, 0
	for _, kind := range p.Perturb {
		switch kind {
		case net.Formed:
			formed++
		case net.Factor:
			factored++
		}
	}
	if formed+factored == 0 {
		return p.shape()
	}
	return fmt.Sprintf("%s, %d ops factored, %d formed", p.shape(), factored, formed)
}

// shape says how the tiles are shared out.
func (p *Plan) shape() string {
	tiles := plural(len(p.Tiles), "tile")
	switch {
	case p.Workers == 1:
		tiles += " on 1 worker"
	case !p.apart():
		tiles += fmt.Sprintf(" by all %d workers", p.Workers)
	default:
		tiles += fmt.Sprintf(" on %d workers", p.Workers)
	}
	if p.PassByPass {
		tiles += ", pass by pass"
	}
	return tiles
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (p *Plan) samples() (n int) {
	for _, s := range p.Shards {
		n += s.N
	}
	return n
}

func (p *Plan) shardSizes() string {
	least, most := p.Shards[0].N, largest(p.Shards)
	for _, s := range p.Shards {
		least = min(least, s.N)
	}
	if least == most {
		return fmt.Sprint(most)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

func (p *Plan) tileSamples() (most int) {
	for _, t := range p.Tiles {
		n := 0
		for _, s := range p.Parts[t.from:t.to] {
			n += s.N
		}
		most = max(most, n)
	}
	return most
}

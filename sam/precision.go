package sam

import (
	"fmt"
	"slices"

	"github.com/dustin/go-humanize/english"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// An ascent in bfloat16 has packs of its own for ops that round their operands. For the others it has
// those of the passes in full precision.

// packed says which packs are of w.
type packed struct{ full, rounded bool }

// layRounded lays out the packs of steps with an ascent that rounds.
func (o *Optimizer) layRounded() {
	o.rounded, o.ascentPacks, o.besideRounded = nil, nil, nil
	if !o.plan.ascent.rounds() {
		return
	}
	o.rounded = o.program.NewPacks(func(i int) op.Directions {
		wanted := o.packing(i)
		wanted.Precision = blas.BFloat16
		return wanted
	})
	o.ascentPacks, o.besideRounded = slices.Clone(o.rounded), slices.Clone(o.packs)
	for i, packs := range o.rounded {
		if packs == nil {
			o.ascentPacks[i] = o.packs[i]
		} else if o.descendsElsewhere(o.plan.ops[i].Owner) {
			o.besideRounded[i] = nil
		}
	}
}

// descendsElsewhere reports whether no step that perturbs descends at w in op i's parameters. One that
// draws tensors may leave any out.
func (o *Optimizer) descendsElsewhere(i int) bool {
	return o.plan.passByPass || o.plan.perturb[i] == program.Formed && !o.plan.ascent.draws()
}

// pack packs the parameters that a round's passes read, unless they are packed already.
func (o *Optimizer) pack(p *pass) {
	done, full := &o.run.packed, p.packs
	if p.kind == ascent && o.plan.ascent.rounds() {
		if !p.shares() || !done.rounded {
			o.program.Pack(o.team, p.params, o.rounded)
			done.rounded = p.shares()
		}
		full = o.besideRounded
	}
	if !p.shares() || !done.full {
		o.program.Pack(o.team, p.params, full)
		done.full = p.shares()
	}
}

// roundedNote says where the ascent multiplies in bfloat16, and by what.
func (p *plan) roundedNote() string {
	of := func(rounds bool) (flops int64, layers int) {
		for _, op := range p.ops {
			if work := op.Traits.Flops.Forward; op.Traits.Rounds == rounds && work > 0 {
				flops, layers = flops+work, layers+1
			}
		}
		return flops, layers
	}
	flops, layers := of(true)
	others, _ := of(false)
	by := "in plain Go, slowly"
	switch {
	case simd.HasBF16():
		by = "by AVX512_BF16"
	case p.isa == simd.AVX2 || p.isa == simd.AVX512:
		by = "imitated by float32's instructions, and so no faster"
	}
	return fmt.Sprintf("bfloat16: %s of the clean pass, with %.0f%% of its operations, %s.",
		english.Plural(layers, "layer", ""), 100*float64(flops)/float64(max(1, flops+others)), by)
}

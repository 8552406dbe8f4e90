package bench

import (
	"testing"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// attention is a pass of the op between the Dense layers of net.MultiHeadAttention, for a batch of
// samples of some length.
type attention struct {
	isa             simd.ISA
	pass            string // "forward" or "backward"
	length          int
	heads, features int // of a head
	causal          bool
	batch           int
	workers         int
}

func attentions() (all []attention) {
	for _, isa := range simdtest.ISAs() {
		for _, pass := range []string{"forward", "backward"} {
			for _, length := range []int{64, 128, 512} {
				for _, causal := range []bool{false, true} {
					for _, workers := range workerCounts() {
						if isa != simd.Generic {
							all = append(all, attention{isa: isa, pass: pass, length: length, heads: 2, features: 64, causal: causal, batch: 8, workers: workers})
						}
					}
				}
			}
		}
	}
	return all
}

func (a attention) name() string {
	mask := "none"
	if a.causal {
		mask = "causal"
	}
	return label("pass", a.pass, "isa", a.isa, "length", a.length, "mask", mask, "workers", a.workers)
}

func BenchmarkAttention(b *testing.B) { runAll(b, attentions()) }

// flops counts two operations for each multiply-add of a query and a key that it sees: a feature
// costs two of them forward, and five backward, where scores are computed again.
func (a attention) flops() int {
	pairs, products := a.length*a.length, 2
	if a.causal {
		pairs = (pairs + a.length) / 2
	}
	if a.pass == "backward" {
		products = 5
	}
	return 2 * products * pairs * a.features * a.heads * a.batch
}

func (a attention) run(b *testing.B) {
	simdtest.Use(b, a.isa)
	width := a.heads * a.features
	builder, in := program.NewBuilder(op.Shape{a.length, width})
	if _, err := (net.MultiHeadAttention{Heads: a.heads, Causal: a.causal}).Build(builder, in); err != nil {
		b.Fatal(err)
	}
	o := builder.Op(1)
	tensor := func(width int) op.Tensor {
		return op.Tensor{N: a.batch, Shape: op.Shape{a.length, width}, Data: random[float32](a.batch * a.length * width)}
	}
	x, din := []op.Tensor{tensor(3 * width)}, []op.Tensor{tensor(3 * width)}
	out, dout := tensor(width), tensor(width)
	c := &op.Call{Team: blas.NewTeam(a.workers), Train: true, Aux: make([]float32, o.Traits().Aux.Floats(a.batch))}
	o.Forward(c, nil, x, out)
	b.ReportAllocs()
	for b.Loop() {
		if a.pass == "forward" {
			o.Forward(c, nil, x, out)
		} else {
			o.Backward(c, nil, x, out, dout, din)
		}
	}
	reportFlops(b, a.flops(), a.workers, 4)
}

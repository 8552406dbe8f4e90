package main

import (
	"math"
	"runtime"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"

	"github.com/steppe-ml/steppe/bench/peers/child"
	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// train compiles a model of the zoo and makes an optimizer for it.
func train(s protocol.Step, workers int) (t child.Training, err error) {
	row, err := zoo.Lookup(s.Model)
	if err != nil {
		return t, err
	}
	var model *net.Model
	var base optim.Rule = optim.SGD{LR: child.LR, Momentum: child.Momentum}
	if s.Text == (protocol.Text{}) {
		model, err = row.Compile(net.Shape(s.Input[:]), s.Classes)
	} else {
		model, err = row.CompileText(s.Text.Vocabulary, s.Text.Length, s.Classes)
		base = optim.AdamW{LR: child.LRAdamW, WeightDecay: child.WeightDecay}
	}
	if err != nil {
		return t, err
	}
	cfg := sam.Config{
		Base:    base,
		Batch:   s.Batch,
		Shards:  max(1, s.Shards),
		Workers: workers,
	}
	if s.Method != s.Plain() {
		cfg.Rho = child.Rho
	}
	opt, err := sam.New(model, parameters(model), cfg)
	if err != nil {
		return t, err
	}
	var batches [child.Sets]net.Batch
	for i := range batches {
		batches[i] = batch(s, i)
	}
	runtime.GC() // so that older garbage isn't collected while this is timed
	return child.Training{
		Step: func(batch int) (float64, error) {
			stats, err := opt.Step(batches[batch])
			return stats.Loss, err
		},
		Parameters: model.NumParams(),
		Bytes:      int64(opt.Plan().Bytes),
	}, nil
}

// parameters returns initial parameters that the Python child computes, too: weights are uniform
// with variance 2/fanIn, biases are 0, and scales are 1. Tables of embeddings are weights, too.
func parameters(model *net.Model) *net.Params {
	p := model.Init(1)
	for _, view := range model.Params() {
		if last := len(view.Shape) - 1; last > 0 {
			fanIn := view.Shape[:last].Size()
			child.Noise(view.Of(p.Values), uint32(view.Offset), math.Sqrt(6/float64(fanIn)))
		}
	}
	return p
}

// batch returns batch i: noise with variance 1, or random tokens, and random labels.
func batch(s protocol.Step, i int) net.Batch {
	b := net.Batch{N: s.Batch, Labels: make([]int32, s.Batch)}
	child.NoiseLabels(b.Labels, uint32(2000+i), s.Classes)
	if s.Text != (protocol.Text{}) {
		b.Tokens, b.Starts = tokens(s, i)
		return b
	}
	b.X = make([]float32, s.Batch*s.Input[0]*s.Input[1]*s.Input[2])
	child.Noise(b.X, uint32(1000+i), math.Sqrt(3))
	return b
}

// tokens returns the tokens of batch i, sample behind sample, and where the samples begin. Those of
// a short sample begin as those of a long one would.
func tokens(s protocol.Step, i int) (packed []int32, starts []int) {
	all := make([]int32, s.Batch*s.Text.Length)
	child.NoiseLabels(all, uint32(1000+i), s.Text.Vocabulary)
	starts = []int{0}
	for j, length := range s.Lengths(i) {
		packed = append(packed, all[j*s.Text.Length:][:length]...)
		starts = append(starts, len(packed))
	}
	return packed, starts
}

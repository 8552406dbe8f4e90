package main

import (
	"math/rand/v2"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/conv"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
)

// work is something to count the instructions of.
type work struct {
	name, about string
	do          func(times int) error
}

// works are in the order of the table. All of them have one worker.
var works = []work{
	{"lenet/sgd", "a step of LeNet by SGD, batch of 8", step("lenet", 8, sam.Config{Shards: 1})},
	{"lenet/sam", "a step of LeNet by SAM, batch of 8", step("lenet", 8, sam.Config{Shards: 1, Rho: 0.05})},
	{"lenet/msam", "a step of LeNet by mSAM, batch of 8, 4 shards", step("lenet", 8, sam.Config{Shards: 4, Rho: 0.05})},
	{"resnet20/sgd", "a step of ResNet-20 by SGD, one sample", step("resnet20", 1, sam.Config{Shards: 1})},
	{"vit-tiny/sgd", "a step of vit-tiny by SGD, one sample", step("vit-tiny", 1, sam.Config{Shards: 1})},

	{"sgemm/32", "a product of 32 x 32 matrices", product[float32](32)},
	{"sgemm/128", "a product of 128 x 128 matrices", product[float32](128)},
	{"sgemm/512", "a product of 512 x 512 matrices", product[float32](512)},
	{"dgemm/128", "the same of float64, 128 x 128", product[float64](128)},

	{"conv/forward", "a layer of ResNet-18, 32 x 32 pixels, 64 to 64 channels, 3 x 3", convolution(func(team *blas.Team, l *layer) error {
		return conv.Forward(team, l.g, l.y, l.x, l.w, conv.Options{})
	})},
	{"conv/data", "the gradient of its input", convolution(func(team *blas.Team, l *layer) error {
		return conv.BackwardData(team, l.g, l.x, l.y, l.w, conv.Options{})
	})},
	{"conv/filter", "the gradient of its filter", convolution(func(team *blas.Team, l *layer) error {
		return conv.BackwardFilter(team, l.g, l.w, l.x, l.y, conv.Options{})
	})},
}

// step returns steps of a model of the zoo on noise.
func step(name string, batch int, cfg sam.Config) func(times int) error {
	return func(times int) error {
		row, err := zoo.Lookup(name)
		if err != nil {
			return err
		}
		model, err := row.Compile(row.Input, 10)
		if err != nil {
			return err
		}
		cfg.Base, cfg.Batch, cfg.Workers = optim.SGD{LR: 1e-3, Momentum: 0.9}, batch, 1
		opt, err := sam.New(model, model.Init(1), cfg)
		if err != nil {
			return err
		}
		data := dataset.Synthetic(model.InputShape(), 10, batch, 1)
		for range times {
			if _, err := opt.Step(data.Range(0, batch)); err != nil {
				return err
			}
		}
		return nil
	}
}

// product returns products of square matrices.
func product[T blas.Float](n int) func(times int) error {
	return func(times int) error {
		a, b, c := noise[T](n*n), noise[T](n*n), make([]T, n*n)
		team := blas.NewTeam(1)
		for range times {
			blas.MatMul(team, blas.RowMajor(c, n, n), blas.RowMajor(a, n, n), blas.RowMajor(b, n, n), blas.Options[T]{})
		}
		return nil
	}
}

// layer is a convolution with its operands: input, filter and output, or their gradients.
type layer struct {
	g       conv.Geometry
	x, w, y []float32
}

// convolution returns passes of a layer.
func convolution(pass func(team *blas.Team, l *layer) error) func(times int) error {
	return func(times int) error {
		g := conv.Geometry{
			Batch: 1, InH: 32, InW: 32, InC: 64, OutC: 64, KernelH: 3, KernelW: 3,
			PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1,
		}
		l := layer{g, noise[float32](g.Batch * g.InSize()), noise[float32](g.FilterSize()), noise[float32](g.Batch * g.OutSize())}
		team := blas.NewTeam(1)
		for range times {
			if err := pass(team, &l); err != nil {
				return err
			}
		}
		return nil
	}
}

func noise[T blas.Float](n int) []T {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]T, n)
	for i := range x {
		x[i] = T(r.NormFloat64())
	}
	return x
}

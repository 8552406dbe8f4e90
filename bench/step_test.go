package bench

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
)

// step is one training step of the MLP 784-512-512-10 on a full batch. Its operations are those
// that the plan executes.
type step struct {
	method  string
	cfg     sam.Config
	workers int
}

func (s step) name() string {
	return label("model", "mlp", "method", s.method, "shards", s.cfg.Shards, "batch", s.cfg.Batch, "workers", s.workers)
}

func steps() (all []step) {
	const batch = 256
	base := optim.SGD{LR: 1e-4, Momentum: 0.9}
	for _, workers := range workerCounts() {
		all = append(all,
			step{"sgd", sam.Config{Shards: 1, Base: base, Batch: batch}, workers},
			step{"sam", sam.Config{Shards: 1, Rho: 0.05, Base: base, Batch: batch}, workers})
		for _, shards := range []int{2, 4, 8, 16, 32} {
			all = append(all, step{"msam", sam.Config{Shards: shards, Rho: 0.05, Base: base, Batch: batch}, workers})
		}
	}
	return all
}

func BenchmarkStep(b *testing.B) { runAll(b, steps()) }

func (s step) run(b *testing.B) {
	model, err := zoo.MLP(net.Shape{28, 28, 1}, 10, 512, 512)
	require.NoError(b, err)
	data := dataset.Synthetic(model.InputShape(), 10, sets*s.cfg.Batch, 1)
	s.cfg.Workers = s.workers
	opt, err := sam.New(model, model.Init(1), s.cfg)
	require.NoError(b, err)
	train := func(i int) {
		_, err := opt.Step(data.Range(i%sets*s.cfg.Batch, s.cfg.Batch))
		require.NoError(b, err)
	}
	train(0)
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		train(i)
	}
	reportFlops(b, int(opt.Plan().Flops), s.workers, 4)
}

package scaling

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ranks"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// distant is a communicator whose calls take as long as a link does, and no processor.
type distant struct {
	sam.Communicator
	link Link
}

func (d distant) Exchange(send, receive [][]float32) error {
	d.wait(callOf(d.Rank(), send))
	return d.Communicator.Exchange(send, receive)
}

func (d distant) Sum(x []float32) error {
	d.wait(Call{Messages: 2, Bytes: 4 * int64(len(x))})
	return d.Communicator.Sum(x)
}

func (d distant) wait(c Call) { time.Sleep(time.Duration(d.link.time(c) * float64(time.Second))) }

// BenchmarkOverlap times steps of two ranks that exchange while they compute (sam.Config.Overlap),
// beside steps that do one after the other, where the network needs no processor.
func BenchmarkOverlap(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6)) // a relay needn't wait for a worker
	const batch, width = 1024, 28 * 28
	layers := []net.Layer{}
	for range 4 {
		layers = append(layers, net.Dense{Out: 512}, net.ReLU{})
	}
	model, err := net.Compile(net.Shape{width}, append(layers, net.Dense{Out: 10})...)
	require.NoError(b, err)
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, batch*width)
	for i := range x {
		x[i] = r.Float32()
	}
	of := net.Batch{N: batch, X: x, Labels: make([]int32, batch)}
	for i, link := range []Link{oneGbit, tenGbit} {
		gbit := []int{1, 10}[i]
		for _, cfg := range []sam.Config{{Shards: 1}, {Shards: 16, Rho: 0.05}} {
			for _, fast := range []bool{false, true} {
				b.Run(fmt.Sprintf("Gbit=%d/shards=%d/fast=%v", gbit, cfg.Shards, fast), func(b *testing.B) {
					cfg := cfg
					cfg.Batch, cfg.Workers, cfg.Base, cfg.Fast = batch, 1, optim.SGD{LR: 0.01}, fast
					var ratios []float64
					require.NoError(b, ranks.Run(2, func(r *ranks.Rank) error {
						cfg := cfg
						cfg.Communicator = distant{r, link}
						took, err := overlapped(model, cfg, of, b.N+1)
						if r.Rank() == 0 {
							ratios = took
						}
						return err
					}))
					b.ReportMetric(stats.Median(ratios), "overlap/serial")
				})
			}
		}
	}
}

// overlapped returns the ratios of steps with overlap to steps without, in turns.
func overlapped(model *net.Model, cfg sam.Config, batch net.Batch, rounds int) (ratios []float64, err error) {
	var both [2]*sam.Optimizer
	for i := range both {
		cfg.Overlap = i == 1
		if both[i], err = sam.New(model, model.Init(1), cfg); err != nil {
			return nil, err
		}
	}
	for range rounds {
		var took [2]float64
		for i, o := range both {
			if err := cfg.Communicator.Barrier(); err != nil {
				return nil, err
			}
			begin := time.Now()
			if _, err := o.Step(batch); err != nil {
				return nil, err
			}
			took[i] = time.Since(begin).Seconds()
		}
		ratios = append(ratios, took[1]/took[0])
	}
	return ratios[1:], nil
}

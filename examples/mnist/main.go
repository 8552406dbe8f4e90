// Command mnist is README's program: it trains on MNIST with mSAM, stops early, goes on where it
// was interrupted, and classifies a picture. It reads MNIST from where steppe data get mnist has
// put it, or else its four files from the folder mnist, and keeps its state in runs/first.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
)

func main() {
	data, test, err := dataset.Open("mnist") // steppe data get mnist fetches it
	check(err)
	data, held, err := data.Split(6000, 1)
	check(err)
	model, err := net.Compile(data.Shape,
		net.Conv2D{Out: 16, Kernel: 3, Padding: net.Same}, net.ReLU{}, net.MaxPool{Size: 2},
		net.Flatten{}, net.Dense{Out: data.Classes})
	check(err)
	run := train.Run{
		Model: model, Seed: 1, Epochs: 20,
		Train: dataset.Loader{Set: data, Batch: 256}, Valid: held,
		Optimizer: sam.Config{Rho: 0.05, Shards: 32, Base: optim.SGD{LR: 0.1, Momentum: 0.9}},
		Metrics:   []train.Metric{&train.Accuracy{}},
		Hooks:     []train.Hook{train.EarlyStopping{Patience: 2}, train.Progress(os.Stderr)},
		Dir:       "runs/first",
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	history, err := run.Resume(ctx) // starts, or goes on where it stopped, with the same bits
	check(err)
	predictor, err := model.Predictor(history.Best)
	check(err)
	class, probability, err := predictor.Classify(test.X[:data.Shape.Size()])
	check(err)
	fmt.Printf("a %d, with probability %.3f; it is a %d\n", class, probability, test.Labels[0])
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

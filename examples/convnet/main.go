// Command convnet trains a small convolutional network on handwritten digits with mSAM, tests it,
// and saves it. It is README's example as a whole program.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, 10, filepath.Join(os.TempDir(), "digits.safetensors")); err != nil {
		log.Fatal(err)
	}
}

// run trains for at most the given number of epochs, and saves the model of the best one to a file.
func run(ctx context.Context, out io.Writer, epochs int, path string) error {
	digits, test, err := dataset.Open("digits") // 8x8 pixels, 1 channel
	if err != nil {
		return err
	}
	data, held, err := digits.Split(200, 1)
	if err != nil {
		return err
	}
	model, err := net.Compile(data.Shape,
		net.Conv2D{Out: 16, Kernel: 3, Padding: net.Same, NoBias: true}, net.BatchNorm{}, net.ReLU{},
		net.Residual{Body: []net.Layer{
			net.Conv2D{Out: 16, Kernel: 3, Padding: net.Same, NoBias: true}, net.BatchNorm{},
		}}, net.ReLU{}, net.MaxPool{Size: 2},
		net.Flatten{}, net.Dense{Out: data.Classes})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, model.Summary())

	run := train.Run{
		Model: model, Seed: 1, Epochs: epochs,
		Train: dataset.Loader{Set: data, Batch: 64}, Valid: held,
		Optimizer: sam.Config{
			Rho: 0.05, Shards: 8,
			Base: optim.SGD{LR: 0.05, Momentum: 0.9, WeightDecay: 1e-4},
		},
		Metrics: []train.Metric{&train.Accuracy{}},
		Hooks:   []train.Hook{train.EarlyStopping{Patience: 5}, train.Progress(out)},
	}
	run.Optimizer.LRSchedule = optim.Cosine{Steps: run.Steps()}
	history, err := run.Start(ctx)
	if err != nil {
		return err
	}

	accuracy := &train.Accuracy{}
	if _, err := train.Evaluate(model, history.Best, test, accuracy); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d of %d test images are classified correctly\n", accuracy.Correct, accuracy.Total)
	return checkpoint.Save(path, model, history.Best, checkpoint.Meta{Input: data.Shape, Classes: data.Classes, Data: "digits"})
}

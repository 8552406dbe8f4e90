// Command convnet trains a small convolutional network on handwritten digits with mSAM,
// tests it, and saves it: README's example as a whole program.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
)

func main() {
	if err := run(os.Stdout, 10, filepath.Join(os.TempDir(), "digits.safetensors")); err != nil {
		log.Fatal(err)
	}
}

// run trains for some epochs, and saves the model to a file.
func run(out io.Writer, epochs int, path string) error {
	train, test, err := dataset.Open("digits") // 8x8 pixels, 1 channel
	if err != nil {
		return err
	}
	model, err := net.Compile(train.Shape,
		net.Conv2D{Out: 16, Kernel: 3, Padding: net.SamePadding, NoBias: true}, net.BatchNorm{}, net.ReLU{},
		net.Residual{Body: []net.Layer{
			net.Conv2D{Out: 16, Kernel: 3, Padding: net.SamePadding, NoBias: true}, net.BatchNorm{},
		}}, net.ReLU{}, net.MaxPool{Size: 2},
		net.Flatten{}, net.Dense{Out: train.Classes})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, model.Summary())

	params := model.Init(1)
	feed := dataset.Loader{Set: train, Batch: 64, Seed: 1}
	opt, err := sam.New(model, params, sam.Config{
		Rho: 0.05, Shards: 8,
		Base:       sam.SGD{LR: 0.05, Momentum: 0.9, WeightDecay: 1e-4},
		LRSchedule: sam.Cosine{Steps: epochs * feed.Batches()},
		Batch:      64, Seed: 1,
	})
	if err != nil {
		return err
	}
	for epoch := range epochs {
		var stats sam.Stats
		for batch := range feed.Epoch(uint64(epoch)) {
			if stats, err = opt.Step(batch); err != nil {
				return err
			}
		}
		fmt.Fprintf(out, "epoch %d: loss %.4f, sharpness %.4f\n", epoch+1, stats.Loss, stats.Sharpness)
	}

	probabilities, err := model.Predict(params, test.X)
	if err != nil {
		return err
	}
	right := 0
	for i, label := range test.Labels {
		if of := probabilities[i*test.Classes:][:test.Classes]; most(of) == int(label) {
			right++
		}
	}
	fmt.Fprintf(out, "%d of %d test images are classified rightly\n", right, test.Len())
	return checkpoint.Save(path, model, params, checkpoint.Meta{Input: train.Shape, Classes: train.Classes, Data: "digits"})
}

// most returns the index of the largest value.
func most(x []float32) (at int) {
	for i, v := range x {
		if v > x[at] {
			at = i
		}
	}
	return at
}

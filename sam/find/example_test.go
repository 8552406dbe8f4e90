package find_test

import (
	"context"
	"fmt"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/find"
	"github.com/steppe-ml/steppe/sam/train"
)

// A learning rate is found before the run, with the run itself.
func ExampleLR() {
	digits, _, err := dataset.Open("digits")
	check(err)
	model, err := net.Compile(digits.Shape, net.Flatten{}, net.Dense{Out: 32}, net.ReLU{}, net.Dense{Out: digits.Classes})
	check(err)
	run := train.Run{
		Model: model, Seed: 1, Epochs: 5, Train: dataset.Loader{Set: digits, Batch: 64},
		Optimizer: sam.Config{Rho: find.DefaultRho(8), Shards: 8, Base: optim.SGD{LR: 1, Momentum: 0.9}},
	}
	test, err := find.LR(context.Background(), run, find.LROptions{})
	check(err)
	if test.Suggestion == 0 {
		fmt.Println("no suggestion:", test.None)
		return
	}
	run.Optimizer.Base = optim.SGD{LR: test.Suggestion, Momentum: 0.9}
	run.Optimizer.LRSchedule = optim.Cosine{Steps: run.Steps()}
	history, err := run.Start(context.Background())
	check(err)
	fmt.Println(test.Suggestion > 0.01 && test.Suggestion < 0.2, history.Epochs[4].Loss < 0.3)
	// Output: true true
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

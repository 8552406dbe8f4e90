package sam_test

import (
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// Train on the handwritten digits with mSAM, and test.
func Example() {
	train, test, err := dataset.Digits()
	if err != nil {
		panic(err)
	}
	model, err := net.Compile(train.Shape,
		net.Flatten{}, net.Dense{Out: 64}, net.ReLU{}, net.Dense{Out: train.Classes})
	if err != nil {
		panic(err)
	}
	params := model.Init(1)
	opt, err := sam.New(model, params, sam.Config{
		Rho: 0.05, Shards: 8,
		Base:  optim.SGD{LR: 0.05, Momentum: 0.9},
		Batch: 64, Seed: 1,
	})
	if err != nil {
		panic(err)
	}
	for epoch := range uint64(10) {
		for batch := range train.Batches(64, 1, epoch) {
			if _, err := opt.Step(batch); err != nil {
				panic(err)
			}
		}
	}

	probs, err := model.Predict(params, test.X)
	if err != nil {
		panic(err)
	}
	right := 0
	for i, label := range test.Labels {
		p := probs[i*test.Classes:][:test.Classes]
		if slices.Index(p, slices.Max(p)) == int(label) {
			right++
		}
	}
	fmt.Println("more than 95% right:", float64(right) > 0.95*float64(test.Len()))
	// Output: more than 95% right: true
}

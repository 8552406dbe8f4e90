package dataset_test

import (
	"fmt"

	"github.com/steppe-ml/steppe/net/dataset"
)

func ExampleSet_Batches() {
	train, test, err := dataset.Digits()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(train.Len(), "to train and", test.Len(), "to test, of shape", train.Shape)

	const seed = 1
	for epoch := range uint64(2) {
		samples, batches := 0, 0
		for batch, err := range train.Batches(128, seed, epoch) {
			if err != nil {
				fmt.Println(err)
				return
			}
			if batches == 0 {
				fmt.Println("epoch", epoch, "begins with", batch.Labels[:8])
			}
			samples += batch.N
			batches++
		}
		fmt.Println(samples, "samples in", batches, "batches")
	}
	// Output:
	// 1438 to train and 359 to test, of shape 8x8x1
	// epoch 0 begins with [8 9 7 2 0 1 6 2]
	// 1438 samples in 12 batches
	// epoch 1 begins with [6 2 0 2 0 0 3 3]
	// 1438 samples in 12 batches
}

func ExampleLoader() {
	train, _, err := dataset.Digits()
	if err != nil {
		fmt.Println(err)
		return
	}
	channels, err := train.MeanStd()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("standardized by", channels)
	if train, err = train.Standardize(channels); err != nil {
		fmt.Println(err)
		return
	}

	loader := dataset.Loader{
		Set:      train,
		Batch:    128,
		Seed:     1,
		Augment:  []dataset.Augmentation{dataset.Crop{Pad: 1}}, // no Flip: digits have a handedness
		DropLast: true,
	}
	if err := loader.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(loader.Batches(), "batches an epoch")
	for epoch := range uint64(2) {
		for batch, err := range loader.Epoch(epoch) {
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println("epoch", epoch, "begins with", batch.Labels[:8])
			break // the goroutine that makes batches ends here
		}
	}
	// A run that was interrupted goes on where it stopped.
	rest := 0
	for range loader.From(1, 7) {
		rest++
	}
	fmt.Println(rest, "batches from batch 7 on")
	// Output:
	// standardized by mean 0.30496050286856746 deviation 0.375933564002346
	// 11 batches an epoch
	// epoch 0 begins with [8 9 7 2 0 1 6 2]
	// epoch 1 begins with [6 2 0 2 0 0 3 3]
	// 4 batches from batch 7 on
}

func ExampleDigits() {
	_, test, err := dataset.Digits()
	if err != nil {
		fmt.Println(err)
		return
	}
	batch := test.Range(0, 1)
	fmt.Println("label", batch.Labels[0])
	for row := range 8 {
		for _, ink := range batch.X[row*8 : row*8+8] {
			fmt.Print(string(" .:oO@"[int(ink*5)]))
		}
		fmt.Println("|")
	}
	// Output:
	// label 0
	//   .O:   |
	//   OOoO. |
	//   O  o: |
	//  .o  :: |
	//  .:  :: |
	//  .o  o: |
	//   O.oo  |
	//   .Oo   |
}

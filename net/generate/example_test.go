package generate_test

import (
	"context"
	"fmt"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/generate"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/text"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
)

// A language model of bytes learns a verse by heart, with mSAM, and goes on with its first words.
func Example() {
	verse := "The steppe is wide, the sky is high, and over both the cranes go by."
	bytes, err := text.NewBytes(text.DefaultSpecial())
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens := append(bytes.Encode([]int32{bytes.Special().Begin}, verse), bytes.Special().End)
	verses := dataset.Set{ // the verse, 16 times
		Name: "verse", Shape: net.Shape{len(tokens)}, Vocabulary: bytes.Vocabulary(), Starts: []int{0},
	}
	for range 16 {
		verses.Tokens = append(verses.Tokens, tokens...)
		verses.Starts = append(verses.Starts, len(verses.Tokens))
	}
	model, err := net.Compile(verses.Shape,
		net.Embedding{Vocabulary: verses.Vocabulary, Width: 32, Positions: net.LearnedPositions, Tied: true},
		net.TransformerBlock{Heads: 2, PreNorm: true, Causal: true}, net.LayerNorm{},
		net.TiedOutput{}, net.NextToken{})
	if err != nil {
		fmt.Println(err)
		return
	}
	run := train.Run{
		Model: model, Seed: 1, Epochs: 40, Train: dataset.Loader{Set: &verses, Batch: 4},
		Optimizer: sam.Config{Rho: 0.01, Shards: 2, Base: optim.AdamW{LR: 0.01}},
	}
	history, err := run.Start(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}

	predictor, err := model.Predictor(history.Best)
	if err != nil {
		fmt.Println(err)
		return
	}
	prompt := bytes.Encode([]int32{bytes.Special().Begin}, "The steppe")
	result, err := generate.Text(context.Background(), predictor, bytes, prompt, generate.Options{Tokens: 100}, func(part string) error {
		return nil // part may be shown at once
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("The steppe" + result.Text)
	// Output:
	// The steppe is wide, the sky is high, and over both the cranes go by.
}

package net_test

import (
	"fmt"

	"github.com/steppe-ml/steppe/net"
)

// A sample of text is as many tokens as it needs. Its predictions are the same alone as among
// others, bit for bit.
func ExampleEmbedding() {
	const longest = 8
	model, err := net.Compile(net.Shape{longest},
		net.Embedding{Vocabulary: 100, Width: 16, Positions: net.LearnedPositions},
		net.TransformerBlock{Heads: 2},
		net.Pooling{}, net.Dense{Out: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	predictor, err := model.Predictor(model.Init(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	texts := net.Batch{
		N:      3,
		Tokens: []int32{5, 17, 99, 5, 3, 8, 8, 1, 2},
		Starts: []int{0, 4, 5, 9}, // of 4, 1 and 4 tokens
	}
	together, err := predictor.PredictOf(nil, texts)
	if err != nil {
		fmt.Println(err)
		return
	}
	alone, err := predictor.PredictOf(nil, texts.Slice(1, 1))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(together), "probabilities; those of the second text are the same alone:", [3]float32(together[3:]) == [3]float32(alone))
	// Output:
	// 9 probabilities; those of the second text are the same alone: true
}

// A language model learns a line by heart, and says how it goes on.
func ExampleNextToken() {
	words := []string{"the", "steppe", "is", "wide", "and", "sky", "high"}
	line := []int32{0, 1, 2, 3, 4, 0, 5, 2, 6}
	model, err := net.Compile(net.Shape{len(line)},
		net.Embedding{Vocabulary: len(words), Width: 16, Positions: net.SinusoidalPositions, Tied: true},
		net.TransformerBlock{Heads: 2, PreNorm: true, Causal: true}, net.LayerNorm{},
		net.TiedOutput{}, net.NextToken{})
	if err != nil {
		fmt.Println(err)
		return
	}
	params, gradient := model.Init(1), make([]float32, model.NumParams())
	batch := net.Batch{N: 1, Tokens: line, Starts: []int{0, len(line)}}
	for range 150 {
		if _, err := model.Gradient(params, batch, 0, gradient); err != nil {
			fmt.Println(err)
			return
		}
		for i, g := range gradient {
			params.Values[i] -= 0.1 * g
		}
	}

	predictor, err := model.Predictor(params)
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens := []int32{0}
	for len(tokens) < len(line) {
		probabilities, err := predictor.PredictOf(nil, net.Batch{N: 1, Tokens: tokens, Starts: []int{0, len(tokens)}})
		if err != nil {
			fmt.Println(err)
			return
		}
		next, last := 0, probabilities[(len(tokens)-1)*len(words):]
		for word, p := range last {
			if p > last[next] {
				next = word
			}
		}
		tokens = append(tokens, int32(next))
	}
	for _, token := range tokens {
		fmt.Print(words[token], " ")
	}
	fmt.Println()
	// Output:
	// the steppe is wide and the sky is high
}

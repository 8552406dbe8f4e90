package text_test

import (
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/net/text"
)

// A vocabulary is learned from texts, and makes samples of others.
func Example() {
	texts := []string{
		"the cat sat on the mat", "the dog sat on the log", "the cat and the dog", "that cat on that mat",
	}
	tok, err := text.TrainBPE(slices.Values(texts), 280, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ids := tok.Encode(nil, "the cat sat there")
	for _, id := range ids {
		fmt.Printf("%d %q\n", id, tok.Decode([]int32{id}))
	}
	ids, _, cut, err := text.Sample(tok, nil, nil, "the cat sat there", "and the dog", 10)
	fmt.Println(tok.Decode(ids), cut, err)
	// Output:
	// 262 "the"
	// 267 " cat"
	// 274 " sat"
	// 266 " the"
	// 85 "r"
	// 72 "e"
	// <|begin|>the cat sat the<|end|>and<|end|> 4 <nil>
}

// A BERT vocabulary is tokens by id. text.ReadVocab reads one from a vocab.txt.
func ExampleNewWordPiece() {
	tok, err := text.NewWordPiece([]string{
		"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing", "##ed", ",", "they", "were",
	}, text.WordPieceOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, segments, _, err := text.Sample(tok, nil, nil, "They played,", "were [MASK] playing chess", 16)
	fmt.Println(ids, err)
	fmt.Println(segments)
	fmt.Println(tok.Decode(ids))
	// Output:
	// [2 9 5 7 8 3 10 4 5 6 1 3] <nil>
	// [0 0 0 0 0 0 1 1 1 1 1 1]
	// [CLS] they played, [SEP] were [MASK] playing [UNK] [SEP]
}

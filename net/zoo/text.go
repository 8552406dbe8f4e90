package zoo

import "github.com/steppe-ml/steppe/net"

// size is that of a transformer over text.
type size struct{ blocks, width, heads int }

// bertEpsilon is that of all of BERT's normalizations.
const bertEpsilon = 1e-12

// bert returns an encoder shaped as BERT (Devlin et al., arXiv 1810.04805), and a classifier on it:
// words, learned positions and segments of two sentences, which are added up and normalized; blocks
// that normalize sums, with four times the width between their Dense layers; then the row of the
// first token, through a Dense layer with tanh. The last block makes no other row.
func (s size) bert(vocabulary, _, outputs int) ([]net.Layer, error) {
	layers := []net.Layer{
		net.Embedding{Vocabulary: vocabulary, Width: s.width, Positions: net.LearnedPositions, Segments: 2},
		net.LayerNorm{Epsilon: bertEpsilon},
	}
	for i := range s.blocks {
		last := i == s.blocks-1
		layers = append(layers, net.TransformerBlock{Heads: s.heads, Epsilon: bertEpsilon, First: last})
	}
	return append(layers, net.Dense{Out: s.width, Init: net.XavierUniform}, net.Tanh{}, net.Dense{Out: outputs, Init: net.XavierUniform}), nil
}

// gpt returns a language model as GPT-2 (Radford et al., 2019), with rotary positions in place of
// learned ones: blocks that normalize what they read, in which a token sees those before it; logits
// by the table of words.
func (s size) gpt(vocabulary, _, _ int) ([]net.Layer, error) {
	layers := []net.Layer{net.Embedding{Vocabulary: vocabulary, Width: s.width, Tied: true}}
	for range s.blocks {
		layers = append(layers, net.TransformerBlock{Heads: s.heads, PreNorm: true, Causal: true, Rotary: true})
	}
	return append(layers, net.LayerNorm{}, net.TiedOutput{}), nil
}

// vit returns a vision transformer (Dosovitskiy et al., arXiv 2010.11929) that classifies the mean
// of its rows: an image is cut into patches, of 4x4 pixels if it has less than 64 on a side and of
// 16x16 otherwise.
func (s size) vit(input net.Shape, outputs int) ([]net.Layer, error) {
	patch := 4
	if len(input) == 3 && min(input[0], input[1]) >= 64 {
		patch = 16
	}
	layers := []net.Layer{
		net.Conv2D{Out: s.width, Kernel: patch, Stride: patch, Init: net.XavierUniform}, net.PixelRows{}, net.AddPositions{},
	}
	for range s.blocks {
		layers = append(layers, net.TransformerBlock{Heads: s.heads, PreNorm: true})
	}
	return append(layers, net.LayerNorm{}, net.Pooling{}, net.Dense{Out: outputs, Init: net.XavierUniform}), nil
}

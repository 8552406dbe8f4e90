package text

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkEncode encodes the sentences of Brown, a sentence a call, on one core.
func BenchmarkEncode(b *testing.B) {
	sentences := brown(b)
	bpe8, err := TrainBPE(slices.Values(sentences), 8000, nil)
	require.NoError(b, err)
	bpe32, err := TrainBPE(slices.Values(sentences), 32000, nil)
	require.NoError(b, err)
	wp8, err := TrainWordPiece(slices.Values(sentences), 8000, WordPieceOptions{})
	require.NoError(b, err)
	wp30, err := TrainWordPiece(slices.Values(sentences), 30522, WordPieceOptions{})
	require.NoError(b, err)
	plain, err := NewBytes(nil)
	require.NoError(b, err)
	for _, c := range []struct {
		name string
		tok  Tokenizer
	}{
		{"BPE/8000", bpe8}, {"BPE/32000", bpe32}, {"WordPiece/8000", wp8}, {"WordPiece/30522", wp30}, {"Bytes", plain},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(strings.Join(sentences, ""))))
			b.ReportAllocs()
			var ids []int32
			for b.Loop() {
				for _, s := range sentences {
					ids = c.tok.Encode(ids[:0], s)
				}
			}
		})
	}
}

// BenchmarkTrainBPE learns 8000 tokens from Brown.
func BenchmarkTrainBPE(b *testing.B) {
	sentences := brown(b)
	for b.Loop() {
		_, err := TrainBPE(slices.Values(sentences), 8000, nil)
		require.NoError(b, err)
	}
}

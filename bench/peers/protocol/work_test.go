package protocol

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/conv"
)

func product(m, n, k int) Work { return Work{Product: &Shape{M: m, N: n, K: k}} }

// Convolutions are read as conv prints them.
func TestParseConvolution(t *testing.T) {
	for _, g := range []conv.Geometry{
		{Batch: 32, InH: 32, InW: 32, InC: 16, OutC: 16, KernelH: 3, KernelW: 3},
		{Batch: 1, InH: 9, InW: 7, InC: 2, OutC: 5, KernelH: 1, KernelW: 3, StrideH: 2, StrideW: 1, DilationH: 1, DilationW: 2},
		{Batch: 4, InH: 224, InW: 224, InC: 3, OutC: 64, KernelH: 7, KernelW: 7, StrideH: 2, StrideW: 2, PadTop: 3, PadBottom: 3, PadLeft: 3, PadRight: 3},
		{Batch: 4, InH: 8, InW: 8, InC: 3, OutC: 64, KernelH: 3, KernelW: 3, PadTop: 1, PadBottom: 1, PadLeft: 2, PadRight: 2},
		{Batch: 4, InH: 8, InW: 8, InC: 3, OutC: 64, KernelH: 3, KernelW: 3, PadBottom: 1, PadRight: 1},
	} {
		all, err := ParseConvolution(g.String())
		require.NoError(t, err)
		require.Len(t, all, 3, "a pass each")
		for i, c := range all {
			assert.Equal(t, Passes[i], c.Pass)
			assert.Equal(t, g.String(), c.Geometry.String())
			assert.NoError(t, c.Validate())
			assert.EqualValues(t, g.Flops(), c.Flops())

			again, err := ParseConvolution(c.String())
			require.NoError(t, err)
			assert.Equal(t, []Convolution{c}, again, "with the pass it is one")
		}
	}
	for text, want := range map[string]string{
		"":                                  "want images",
		"32x32x32x16->32":                   "want images",
		"32x32x32x16->32 3x3 stride":        "want images",
		"32x32x16->32 3x3":                  "32x32x16->32",
		"32x32x32x16->32 3x":                `"3x"`,
		"32x32x32x16->32 3x3 stride two":    `"two"`,
		"32x32x32x16->32 3x3 pad 1,2,3":     `"1,2,3"`,
		"32x32x32x16->32 3x3 padding 1":     `option "padding"`,
		"32x2x2x16->32 3x3":                 "spans 3x3",
		"sideways 32x32x32x16->32 3x3":      "want images",
		"forward 32x32x32 3x3":              `"32x32x32"`,
		"0x32x32x16->32 3x3":                "Batch is 0",
		"9999999999x32x32x16->32 3x3":       "9999999999",
		"32x32x32x16->32 3x3 pad 1 pad 1 1": "want images",
	} {
		_, err := ParseConvolution(text)
		assert.ErrorContains(t, err, want, text)
	}
	assert.ErrorContains(t, Convolution{Pass: "sideways"}.Validate(), "sideways")
}

func TestParseStep(t *testing.T) {
	for text, want := range map[string]Step{
		"mlp batch 256":                {Model: "mlp", Input: [3]int{28, 28, 1}, Classes: 10, Batch: 256, Method: SGD},
		" lenet  batch 64 sgd ":        {Model: "lenet", Input: [3]int{28, 28, 1}, Classes: 10, Batch: 64, Method: SGD},
		"resnet20 batch 128 sam":       {Model: "resnet20", Input: [3]int{32, 32, 3}, Classes: 10, Batch: 128, Method: SAM},
		"resnet20 batch 16 msam 4":     {Model: "resnet20", Input: [3]int{32, 32, 3}, Classes: 10, Batch: 16, Method: MSAM, Shards: 4},
		"text-tiny batch 64":           {Model: "text-tiny", Text: Text{8000, 64, 64}, Classes: 15, Batch: 64, Method: AdamW},
		"text-mini batch 8 ragged sam": {Model: "text-mini", Text: Text{8000, 64, 16}, Classes: 15, Batch: 8, Method: SAM},
		"text-tiny batch 64 msam 32":   {Model: "text-tiny", Text: Text{8000, 64, 64}, Classes: 15, Batch: 64, Method: MSAM, Shards: 32},
		"text-tiny batch 64 ragged":    {Model: "text-tiny", Text: Text{8000, 64, 16}, Classes: 15, Batch: 64, Method: AdamW},
	} {
		s, err := ParseStep(text)
		require.NoError(t, err)
		assert.Equal(t, want, s)
		again, err := ParseStep(s.String())
		require.NoError(t, err)
		assert.Equal(t, s, again)
	}
	for text, want := range map[string]string{
		"mlp batch":             "want a model",
		"mlp batch 256 adam":    "want a model",
		"mlp batch 256 sam 4":   "want a model",
		"mlp batch 0":           "0 samples",
		"vgg batch 1":           "mlp, lenet, resnet20",
		"mlp batch 4 msam 5":    "5 shards",
		"mlp batch 4 msam 0":    "0 shards",
		"mlp batch 1234567890":  "want a model",
		"mlp batch 4 ragged":    "only samples of text",
		"mlp batch 4 adamw":     `mlp by "adamw", want sgd, sam or msam`,
		"text-tiny batch 4 sgd": `text-tiny by "sgd", want adamw, sam or msam`,
	} {
		_, err := ParseStep(text)
		assert.ErrorContains(t, err, want, text)
	}
	bad := Step{Model: "mlp", Input: [3]int{28, 0, 1}, Classes: 10, Batch: 256, Method: SGD}
	assert.ErrorContains(t, bad.Validate(), "[28 0 1]")
	bad = Step{Model: "mlp", Input: [3]int{28, 28, 1}, Classes: 10, Batch: 256, Method: "adam"}
	assert.ErrorContains(t, bad.Validate(), "adam")
	bad = Step{Model: "mlp", Input: [3]int{28, 28, 1}, Classes: 10, Batch: 256, Method: SGD, Shards: 2}
	assert.ErrorContains(t, bad.Validate(), "2 shards")
}

// Lengths are uniform between two ends, and the same whenever they are asked for.
func TestLengths(t *testing.T) {
	s, err := ParseStep("text-tiny batch 2000 ragged")
	require.NoError(t, err)
	lengths := s.Lengths(1)
	assert.Equal(t, lengths, s.Lengths(1))
	assert.NotEqual(t, lengths, s.Lengths(2))
	sum := 0
	for _, n := range lengths {
		sum += n
	}
	assert.Equal(t, 16, slices.Min(lengths))
	assert.Equal(t, 64, slices.Max(lengths))
	assert.InDelta(t, 40, float64(sum)/2000, 1)

	for _, bad := range []Text{{Vocabulary: 0, Length: 2, Shortest: 1}, {Vocabulary: 1, Length: 2, Shortest: 3}, {Vocabulary: 1, Length: 2}} {
		s.Text = bad
		assert.ErrorContains(t, s.Validate(), "want at least 1", "%+v", bad)
	}
}

// The operations of two layers of width 2 on three tokens, by hand: the products by the weights of
// the queries, keys and values, by those of the output and of the hidden layer, the scores, and the
// weighted sums. In the last layer, products behind queries, keys and values are on one row, as in
// the pooler and the classifier.
func TestFlopsOfText(t *testing.T) {
	first := 3*2*6 + 3*2*2 + 3*2*8 + 3*8*2 + 3*3*2 + 3*3*2
	last := 3*2*6 + 2*2 + 2*8 + 8*2 + 3*2 + 3*2
	assert.EqualValues(t, 2*3*(first+last+2*2+2*5), encoder{layers: 2, width: 2, heads: 1}.gradientFlops([]int{3}, 5))

	plain, err := ParseStep("text-tiny batch 64")
	require.NoError(t, err)
	perturbed, err := ParseStep("text-tiny batch 64 msam 8")
	require.NoError(t, err)
	assert.Positive(t, plain.Flops())
	assert.Equal(t, 2*plain.Flops(), perturbed.Flops())
	images, err := ParseStep("lenet batch 64")
	require.NoError(t, err)
	assert.Zero(t, images.Flops())
}

func TestListsAreOfOneKind(t *testing.T) {
	all, err := ParseList("32x32x32x16->16 3x3 pad 0,1,0,1, forward 8x8x8x4->4 1x1,backward-data 8x8x8x4->4 3x3 pad 1")
	require.NoError(t, err)
	require.Len(t, all, 5)
	assert.Equal(t, KindConvolutions, all[0].Kind())
	assert.Equal(t, "backward-filter 32x32x32x16->16 3x3 pad 0,1,0,1", all[2].String())
	assert.Equal(t, "backward-data 8x8x8x4->4 3x3 pad 1", all[4].String())

	all, err = ParseList("mlp batch 8,lenet batch 8 sam")
	require.NoError(t, err)
	assert.Equal(t, KindSteps, all[1].Kind())
	assert.Equal(t, "lenet batch 8 sam", all[1].String())

	_, err = ParseList("mlp batch 8, 1x2x3")
	assert.ErrorContains(t, err, "1x2x3 can't stand in a table with mlp batch 8 sgd")
}

func TestWorkIsOneThing(t *testing.T) {
	for _, w := range []Work{{}, {Product: &Shape{M: 1, N: 1, K: 1}, Step: &Step{}}} {
		assert.Empty(t, w.Kind())
		assert.Equal(t, "nothing", w.String())
		assert.Zero(t, w.Flops())
		assert.ErrorContains(t, w.Validate(), "want one of")
	}
	assert.Equal(t, KindProducts, product(1, 2, 3).Kind())
	assert.EqualValues(t, 12, product(1, 2, 3).Flops())
}

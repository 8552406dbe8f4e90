package zoo

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
)

// transformerCase is a transformer and a batch, as testdata/text.py reads it.
type transformerCase struct {
	Kind       string `json:"kind"` // classes, targets or language for text, or images
	Blocks     int    `json:"blocks"`
	Width      int    `json:"width"`
	Heads      int    `json:"heads"`
	Vocabulary int    `json:"vocabulary"`
	Lengths    []int  `json:"lengths"` // tokens of each sample
	Most       int    `json:"most"`    // tokens that a sample may have
	Outputs    int    `json:"outputs"`
	Size       []int  `json:"size"` // of images
	Patch      int    `json:"patch"`
}

// compile makes the case's model.
func (c transformerCase) compile() (*net.Model, error) {
	s := size{blocks: c.Blocks, width: c.Width, heads: c.Heads}
	switch c.Kind {
	case "targets":
		return Model{Text: s.bert}.RegressorText(c.Vocabulary, c.Most, c.Outputs)
	case "language":
		return Model{Text: s.gpt, Language: true}.CompileText(c.Vocabulary, c.Most, 0)
	case "images":
		return Model{Layers: s.vit}.Compile(c.Size, c.Outputs)
	default:
		return Model{Text: s.bert}.CompileText(c.Vocabulary, c.Most, c.Outputs)
	}
}

// batch makes samples, and what of them goes to PyTorch.
func (c transformerCase) batch(r *rand.Rand) (b net.Batch, data []any) {
	b.N = len(c.Lengths)
	if c.Kind == "images" {
		b.X = ref.Normal(r, b.N*net.Shape(c.Size).Size())
		data = []any{b.X}
	} else {
		b.Starts = []int{0}
		var second []int32
		for _, n := range c.Lengths {
			for i := range n {
				b.Tokens = append(b.Tokens, r.Int32N(int32(c.Vocabulary)))
				b.Segments = append(b.Segments, uint8(2*i/n))
				second = append(second, int32(2*i/n))
			}
			b.Starts = append(b.Starts, len(b.Tokens))
		}
		data = []any{b.Tokens, second}
	}
	switch c.Kind {
	case "classes", "images":
		b.Labels = make([]int32, b.N)
		for i := range b.Labels {
			b.Labels[i] = r.Int32N(int32(c.Outputs))
		}
		data = append(data, b.Labels)
	case "targets":
		b.Targets = ref.Normal(r, b.N*c.Outputs)
		data = append(data, b.Targets)
	}
	return b, data
}

// Transformers have the loss and the gradient of PyTorch's own encoder layers on padded samples,
// and of a causal model that is written out, in float64.
func TestPyTorchAgreesOnTransformers(t *testing.T) {
	torch := startPyTorch(t, "text.py")
	ragged := []int{5, 1, 17, 24, 2, 11, 24, 9}
	for name, c := range map[string]transformerCase{
		"text-tiny, classes":   {Kind: "classes", Blocks: 2, Width: 128, Heads: 2, Vocabulary: 300, Lengths: ragged, Most: 30, Outputs: 5},
		"text-mini, classes":   {Kind: "classes", Blocks: 4, Width: 256, Heads: 4, Vocabulary: 300, Lengths: ragged, Most: 24, Outputs: 15},
		"text-tiny, all of 64": {Kind: "classes", Blocks: 2, Width: 128, Heads: 2, Vocabulary: 300, Lengths: []int{64, 64, 64, 64, 64, 64}, Most: 64, Outputs: 2},
		"odd widths":           {Kind: "classes", Blocks: 3, Width: 51, Heads: 3, Vocabulary: 37, Lengths: ragged, Most: 25, Outputs: 3},
		"text-tiny, targets":   {Kind: "targets", Blocks: 2, Width: 128, Heads: 2, Vocabulary: 300, Lengths: ragged, Most: 24, Outputs: 1},
		"two targets":          {Kind: "targets", Blocks: 1, Width: 32, Heads: 4, Vocabulary: 30, Lengths: ragged, Most: 24, Outputs: 2},
		"gpt-tiny":             {Kind: "language", Blocks: 4, Width: 128, Heads: 2, Vocabulary: 300, Lengths: ragged, Most: 24},
		"gpt of one block":     {Kind: "language", Blocks: 1, Width: 40, Heads: 2, Vocabulary: 30, Lengths: []int{70, 2, 33}, Most: 70},
		"vit-tiny":             {Kind: "images", Blocks: 6, Width: 192, Heads: 3, Lengths: make([]int, 4), Outputs: 10, Size: []int{28, 28, 1}, Patch: 4},
		"vit of large images":  {Kind: "images", Blocks: 2, Width: 64, Heads: 2, Lengths: make([]int, 2), Outputs: 10, Size: []int{67, 80, 3}, Patch: 16},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := c.compile()
			require.NoError(t, err)
			r := rand.New(rand.NewPCG(1, 2))
			params := m.Init(1)
			for _, v := range m.Params() { // no zeros, and no ones
				for i := range v.Of(params.Values) {
					v.Of(params.Values)[i] += float32(0.02 * r.NormFloat64())
				}
			}
			b, data := c.batch(r)
			loss, g := gradient(m, params, b)
			header, err := json.Marshal(c)
			require.NoError(t, err)
			wantLoss, want := torch.answer(t, name, string(header), append([]any{params.Values}, data...)...)
			require.Len(t, want, len(g))
			d := ref.Distance(g, want)
			t.Logf("loss %.3g apart, gradient %.3g", math.Abs(loss/wantLoss-1), d)
			assert.InEpsilon(t, wantLoss, loss, 1e-6)
			assert.Less(t, d, 1e-5)
		})
	}
}

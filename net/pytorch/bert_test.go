package pytorch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/zoo"
)

// state is the tensors of a file, by name.
type state map[string]checkpoint.Tensor

// bertState returns what transformers writes of a BertModel of random numbers, with "bert." before
// the names, and with a classifier if outputs isn't 0.
func bertState(size BERT) state {
	s := state{}
	r := rand.New(rand.NewPCG(1, 2))
	add := func(name string, scale float64, shape ...int) {
		values := make([]float32, net.Shape(shape).Size())
		for i := range values {
			values[i] = float32(scale * r.NormFloat64())
		}
		s[name] = checkpoint.Tensor{Shape: shape, Floats: func() []float32 { return values }}
	}
	linear := func(name string, in, out int) {
		add(name+".weight", 0.2, out, in)
		add(name+".bias", 0.2, out)
	}
	norm := func(name string) {
		add(name+".weight", 1, size.Width)
		add(name+".bias", 0.5, size.Width)
	}
	add("bert.embeddings.word_embeddings.weight", 1, size.Vocabulary, size.Width)
	add("bert.embeddings.position_embeddings.weight", 1, size.Positions, size.Width)
	add("bert.embeddings.token_type_embeddings.weight", 1, 2, size.Width)
	norm("bert.embeddings.LayerNorm")
	for i := range size.Blocks {
		layer := fmt.Sprintf("bert.encoder.layer.%d.", i)
		for _, name := range []string{"query", "key", "value"} {
			linear(layer+"attention.self."+name, size.Width, size.Width)
		}
		linear(layer+"attention.output.dense", size.Width, size.Width)
		norm(layer + "attention.output.LayerNorm")
		linear(layer+"intermediate.dense", size.Width, size.Hidden)
		linear(layer+"output.dense", size.Hidden, size.Width)
		norm(layer + "output.LayerNorm")
	}
	linear("bert.pooler.dense", size.Width, size.Width)
	if size.Outputs > 0 {
		linear("classifier", size.Width, size.Outputs)
	}
	return s
}

// file writes the tensors, with other names; "" leaves a tensor out.
func (s state) file(t *testing.T, rename func(string) string) *File {
	t.Helper()
	renamed := map[string]checkpoint.Tensor{}
	for name, tensor := range s {
		if rename != nil {
			name = rename(name)
		}
		if name != "" {
			renamed[name] = tensor
		}
	}
	var b bytes.Buffer
	require.NoError(t, checkpoint.WriteTensors(&b, renamed, map[string]string{"format": "pt"}))
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	return open(t, path)
}

// smallBERT is text-tiny's size, but for a small vocabulary.
var smallBERT = BERT{Vocabulary: 29, Positions: 20, Width: 128, Hidden: 512, Blocks: 2, Outputs: 3}

func textTiny(t *testing.T, vocabulary, length, outputs int) *net.Model {
	t.Helper()
	row, err := zoo.Lookup("text-tiny")
	require.NoError(t, err)
	m, err := row.CompileText(vocabulary, length, outputs)
	require.NoError(t, err)
	return m
}

// Names of models, of parts of models and of older files are BERT's. A file tells its size.
func TestLoadBERTByName(t *testing.T) {
	s := bertState(smallBERT)
	m := textTiny(t, 29, 20, 3)
	want := m.Init(1)
	report, err := s.file(t, nil).LoadBERT(m, want)
	require.NoError(t, err)
	assert.Empty(t, report)
	words := s["bert.embeddings.word_embeddings.weight"].Floats()
	assert.Equal(t, words, want.Values[:len(words)])
	byName := views(m.Params())
	qkv := byName["2.TransformerBlock.attention.qkv.weight"].Of(want.Values)
	key := s["bert.encoder.layer.0.attention.self.key.weight"].Floats()
	assert.Equal(t, key[5*128+7], qkv[7*3*128+128+5], "PyTorch's [out, in], beside queries and values")

	for name, rename := range map[string]func(string) string{
		"of a BertModel": func(name string) string { return strings.TrimPrefix(name, "bert.") },
		"older": func(name string) string {
			return strings.NewReplacer("LayerNorm.weight", "LayerNorm.gamma", "LayerNorm.bias", "LayerNorm.beta").Replace(name)
		},
		"wrapped": func(name string) string { return "module." + name },
	} {
		f := s.file(t, rename)
		size, err := f.BERT()
		require.NoError(t, err, name)
		assert.Equal(t, smallBERT, size, name)
		got := m.Init(2)
		report, err := f.LoadBERT(m, got)
		require.NoError(t, err, name)
		assert.Empty(t, report, name)
		assert.True(t, equal(want, got), name)
	}
}

// A shorter model takes the first positions. What a file hasn't, or has for another task, stays as
// it was; what the model hasn't is told.
func TestLoadPartsOfBERT(t *testing.T) {
	s := bertState(smallBERT)
	s["cls.predictions.bias"] = checkpoint.Tensor{Shape: net.Shape{29}, Floats: func() []float32 { return make([]float32, 29) }}
	s["bert.embeddings.position_ids"] = checkpoint.Tensor{Shape: net.Shape{2}, Ints: []int64{0, 1}}
	m := textTiny(t, 29, 7, 5)
	params, fresh := m.Init(1), m.Init(1)
	report, err := s.file(t, nil).LoadBERT(m, params)
	require.NoError(t, err)
	assert.Equal(t, []string{"classifier.weight", "classifier.bias"}, report.Fresh)
	assert.Equal(t, []string{"classifier.bias", "classifier.weight", "cls.predictions.bias"}, report.Unused)
	byName := views(m.Params())
	assert.Equal(t, s["bert.embeddings.position_embeddings.weight"].Floats()[:7*128], byName["0.Embedding.positions"].Of(params.Values))
	assert.Equal(t, byName["6.Dense.weight"].Of(fresh.Values), byName["6.Dense.weight"].Of(params.Values))
	assert.NotEqual(t, byName["4.Dense.weight"].Of(fresh.Values), byName["4.Dense.weight"].Of(params.Values))

	f := s.file(t, func(name string) string {
		if strings.Contains(name, "pooler") || strings.HasPrefix(name, "classifier") {
			return ""
		}
		return name
	})
	size, err := f.BERT()
	require.NoError(t, err)
	assert.Zero(t, size.Outputs)
	params = m.Init(1)
	report, err = f.LoadBERT(m, params)
	require.NoError(t, err)
	assert.Equal(t, []string{"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"}, report.Fresh)
	assert.Equal(t, byName["4.Dense.weight"].Of(fresh.Values), byName["4.Dense.weight"].Of(params.Values))
}

func TestLoadBERTErrors(t *testing.T) {
	s := bertState(smallBERT)
	with := func(name string, tensor checkpoint.Tensor) state {
		other := maps.Clone(s)
		other[name] = tensor
		return other
	}
	zeros := func(n int) func() []float32 { return func() []float32 { return make([]float32, n) } }
	lenet := compile(t, "lenet")
	m := textTiny(t, 29, 20, 3)
	bigger := smallBERT
	bigger.Blocks = 3
	for want, c := range map[string]struct {
		file  *File
		model *net.Model
	}{
		`tensors missing: "bert.encoder.layer.1.output.dense.bias" [128]`:                      {s.file(t, func(n string) string { return strings.Replace(n, "1.output.dense.bias", "1.b", 1) }), m},
		"word_embeddings.weight is [29 128], want [30 128]":                                    {s.file(t, nil), textTiny(t, 30, 20, 3)},
		"position_embeddings.weight is [20 128], want [21 128]":                                {s.file(t, nil), textTiny(t, 29, 21, 3)},
		"query.weight is [64 256], want [128 128]":                                             {with("bert.encoder.layer.0.attention.self.query.weight", checkpoint.Tensor{Shape: net.Shape{64, 256}, Floats: zeros(128 * 128)}).file(t, nil), m},
		`it has "bert.encoder.layer.2.output.dense.weight", and the model has only 2 blocks`:   {bertState(bigger).file(t, nil), m},
		"bert.pooler.dense.bias: element 0 of 128 is NaN, want finite values":                  {with("bert.pooler.dense.bias", checkpoint.Tensor{Shape: net.Shape{128}, Floats: func() []float32 { return slices.Repeat([]float32{float32(math.NaN())}, 128) }}).file(t, nil), m},
		"pytorch: the model isn't an encoder shaped as BERT: text-tiny, text-mini, text-small": {s.file(t, nil), lenet},
	} {
		params := c.model.Init(1)
		_, err := c.file.LoadBERT(c.model, params)
		assert.ErrorContains(t, err, want)
		assert.True(t, equal(c.model.Init(1), params), "nothing has changed: %s", want)
	}
	_, err := s.file(t, nil).LoadBERT(m, nil)
	assert.ErrorContains(t, err, "pytorch: net: no parameters")

	_, err = open(t, write(t, lenet, lenet.Init(1), checkpoint.Meta{})).BERT()
	assert.ErrorContains(t, err, `no tensor "bert.embeddings.word_embeddings.weight": it isn't BERT`)
	_, err = with("bert.embeddings.word_embeddings.weight", checkpoint.Tensor{Shape: net.Shape{29}, Floats: zeros(29)}).file(t, nil).BERT()
	assert.ErrorContains(t, err, "word_embeddings.weight is [29], want 2 dimensions")
}

// Write writes what LoadBERT and Params read, by the names of BertForSequenceClassification.
func TestWriteBERT(t *testing.T) {
	m := textTiny(t, 29, 20, 3)
	params := anyParams(m, rand.New(rand.NewPCG(5, 6)))
	f := open(t, write(t, m, params, checkpoint.Meta{Model: "text-tiny"}))
	assert.Equal(t, slices.Sorted(maps.Keys(bertState(smallBERT))), f.tensors.Names())
	got, err := f.Params(m)
	require.NoError(t, err)
	assert.True(t, equal(params, got))
	got = m.Init(1)
	_, err = f.LoadBERT(m, got)
	require.NoError(t, err)
	assert.True(t, equal(params, got))

	err = WriteScript(&bytes.Buffer{}, m, checkpoint.Meta{}, "x", "y")
	assert.ErrorContains(t, err, "pytorch: there is no script for transformers")
}

// A model of BERT's layers that pools behind the last block has the same tensors.
func TestBERTThatPools(t *testing.T) {
	layers := []net.Layer{net.Embedding{Vocabulary: 29, Width: 128, Positions: net.LearnedPositions, Segments: 2}, net.LayerNorm{Epsilon: 1e-12}}
	block := net.TransformerBlock{Heads: 2, Epsilon: 1e-12}
	m, err := net.Compile(net.Shape{20}, append(layers, block, block, net.Pooling{First: true}, net.Dense{Out: 128}, net.Tanh{}, net.Dense{Out: 3})...)
	require.NoError(t, err)
	params, want := m.Init(1), textTiny(t, 29, 20, 3).Init(1)
	f := bertState(smallBERT).file(t, nil)
	_, err = f.LoadBERT(m, params)
	require.NoError(t, err)
	_, err = f.LoadBERT(textTiny(t, 29, 20, 3), want)
	require.NoError(t, err)
	assert.Equal(t, want.Values, params.Values)
}

// Transformers that aren't BERT have no names of PyTorch's.
func TestOtherTransformers(t *testing.T) {
	block := net.TransformerBlock{Heads: 2, Epsilon: 1e-12}
	pre := block
	pre.PreNorm = true
	for name, layers := range map[string][]net.Layer{
		"another epsilon": {net.Embedding{Vocabulary: 9, Width: 8, Positions: net.LearnedPositions, Segments: 2}, net.LayerNorm{}, block, net.Pooling{First: true}, net.Dense{Out: 8}, net.Tanh{}},
		"a mean":          {net.Embedding{Vocabulary: 9, Width: 8, Positions: net.LearnedPositions, Segments: 2}, net.LayerNorm{Epsilon: 1e-12}, block, net.Pooling{}, net.Dense{Out: 8}, net.Tanh{}},
		"no segments":     {net.Embedding{Vocabulary: 9, Width: 8, Positions: net.LearnedPositions}, net.LayerNorm{Epsilon: 1e-12}, block, net.Pooling{First: true}, net.Dense{Out: 8}, net.Tanh{}},
		"pre-norm":        {net.Embedding{Vocabulary: 9, Width: 8, Positions: net.LearnedPositions, Segments: 2}, net.LayerNorm{Epsilon: 1e-12}, pre, net.Pooling{First: true}, net.Dense{Out: 8}, net.Tanh{}},
	} {
		m, err := net.Compile(net.Shape{6}, append(layers, net.Dense{Out: 3})...)
		require.NoError(t, err, name)
		err = Write(&bytes.Buffer{}, m, m.Init(1), checkpoint.Meta{})
		assert.EqualError(t, err, "pytorch: layer 0.Embedding: a layer of type net.Embedding can't be exported", name)
	}
}

// A file as transformers writes it gives the outputs of PyTorch's own encoder layers with those
// tensors, for one sentence and two, of any length.
func TestBERTInPyTorch(t *testing.T) {
	python := pythonWithPyTorch(t)
	f := bertState(smallBERT).file(t, nil)
	m := textTiny(t, 29, 12, 3)
	params := m.Init(1)
	_, err := f.LoadBERT(m, params)
	require.NoError(t, err)

	r := rand.New(rand.NewPCG(7, 8))
	b := net.Batch{Starts: []int{0}}
	var samples [][2][]int // tokens and their segments
	for _, n := range []int{12, 1, 5, 9, 12, 2} {
		var sample [2][]int
		for i := range n {
			token, segment := r.IntN(29), 2*i/n*(b.N%2)
			sample[0], sample[1] = append(sample[0], token), append(sample[1], segment)
			b.Tokens, b.Segments = append(b.Tokens, int32(token)), append(b.Segments, uint8(segment))
		}
		samples = append(samples, sample)
		b.N++
		b.Starts = append(b.Starts, len(b.Tokens))
	}
	p, err := m.Predictor(params)
	require.NoError(t, err)
	got, err := p.OutputsOf(nil, b)
	require.NoError(t, err)

	question, err := json.Marshal(map[string]any{"file": f.path, "heads": 2, "samples": samples})
	require.NoError(t, err)
	cmd := exec.Command(python, "-B", "testdata/bert.py")
	cmd.Stdin = bytes.NewReader(question)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	said, err := cmd.Output()
	require.NoError(t, err, errs.String())
	var want [][]float64
	require.NoError(t, json.Unmarshal(said, &want))
	require.Len(t, want, b.N)
	largest, distance := 0.0, 0.0
	for i, sample := range want {
		for j, v := range sample {
			largest = max(largest, math.Abs(v))
			distance = max(distance, math.Abs(v-float64(got[3*i+j])))
		}
	}
	t.Logf("%.2g apart, where the largest output is %.3g", distance, largest)
	assert.Greater(t, largest, 0.1)
	assert.Less(t, distance, 1e-4)
}

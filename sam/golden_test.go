package sam_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/simd"
)

// The golden file holds one line "key hash" for each case and instruction set, sorted.
const goldenFile = "testdata/golden.txt"

var (
	goldenAll   = flag.Bool("golden.all", false, "check every case of "+goldenFile+" for the active instruction set")
	goldenWrite = flag.Bool("golden.write", false, "run every case and write "+goldenFile+" anew for the active instruction set")
)

const goldenAdvice = `A change of bits must be a decision: every user's runs stop repeating with it. If it is meant,
say so in CHANGELOG.md, and write the file anew for each instruction set, such as
	STEPPE_SIMD=avx2 go test ./sam -run TestGolden -golden.write -timeout 1h`

// goldenCase is a model and the configuration that trains it.
type goldenCase struct {
	key   string // without the instruction set: model/method/shards/base
	model *net.Model
	cfg   sam.Config
}

// TestGolden trains for a few steps and compares the hash of all that training has
// changed with the one in the golden file. It runs a selection of the cases unless
// -golden.all is given. With -golden.write it changes the lines of those cases of the
// active instruction set that -run selects, and removes the lines of cases that are gone.
func TestGolden(t *testing.T) {
	isa := simd.Active().Arithmetic().String() + "/"
	golden := readGolden(t)
	known := map[string]bool{}
	for _, c := range goldenCases(t) {
		key := isa + c.key
		require.False(t, known[key], "two cases have the key %s", key)
		known[key] = true
		if !*goldenAll && !*goldenWrite && !selected(c.key) {
			continue
		}
		t.Run(c.key, func(t *testing.T) {
			got := c.hash(t)
			if *goldenWrite {
				golden[key] = got
				return
			}
			want, ok := golden[key]
			require.True(t, ok, "%s has no line for %s, whose hash is %s.\n%s", goldenFile, key, got, goldenAdvice)
			require.Equal(t, want, got, "%s: the result has other bits than %s says.\n%s", key, goldenFile, goldenAdvice)
		})
	}
	for key := range golden {
		if strings.HasPrefix(key, isa) && !known[key] {
			require.True(t, *goldenWrite, "%s has a line for %s, and there is no such case.\n%s", goldenFile, key, goldenAdvice)
			delete(golden, key)
		}
	}
	if *goldenWrite {
		writeGolden(t, golden)
	}
}

// selected reports whether a case runs without -golden.all.
func selected(key string) bool {
	model, rest, _ := strings.Cut(key, "/")
	switch model { // generic takes a second for a case of LeNet, and several for those of deeper models
	case "mse", "plain":
		method, _, _ := strings.Cut(rest, "/")
		if !established[method] && simd.Active().Arithmetic() == simd.AVX512 {
			return false // they have yet to run on it
		}
	}
	switch model {
	case "mse":
		return true
	case "encoder", "language": // which have yet to run on AVX-512
		return simd.Active().Arithmetic() != simd.AVX512 && (!testing.Short() || strings.HasPrefix(rest, "msam/"))
	case "fused", "plain":
		return !testing.Short() || rest == "msam/3/sgd" || rest == "masam/8/adamw"
	}
	return (!testing.Short() || simd.Active() == simd.NEON) && (model == "mlp" || model == "lenet") && rest == "msam/3/sgd"
}

// established are the methods whose lines are of every model. Those that came later combine the
// same passes in other ways, and have lines of small models.
var established = map[string]bool{
	"sgd": true, "sam": true, "msam": true, "asam": true, "masam": true, "sam-on": true, "msam-on": true,
	"sam-quarter": true, "sam-5": true,
}

// goldenBases are the base optimizers that every method runs with.
var goldenBases = map[string]optim.Rule{
	"sgd":   optim.SGD{LR: 0.05, Momentum: 0.9, WeightDecay: 5e-4},
	"adamw": optim.AdamW{LR: 0.001, WeightDecay: 0.01},
}

const (
	goldenBatch = 24
	goldenShort = 20 // samples of one batch
	goldenSteps = 10
	shortStep   = 6 // the step whose batch is short
)

// goldenCases returns every model with every method, number of shards and base, and a few
// cases of the options that no method sets.
func goldenCases(t *testing.T) (cases []goldenCase) {
	names, models := goldenModels(t)
	for i, m := range models {
		name := names[i]
		for _, method := range sam.Methods {
			if method.Preset.Ascent.NormOnly && !hasNorm(m) {
				continue
			}
			if _, ok := m.Loss().(op.Distillable); !ok && method.Preset.Teacher.Weight > 0 {
				continue
			}
			if !established[method.Name] && name != "mse" && name != "plain" {
				continue
			}
			counts := []int{1, 3, 8}
			if !method.Sharded() {
				counts = []int{method.Preset.Shards}
			}
			for _, shards := range counts {
				for base, rule := range goldenBases {
					cfg := method.Preset
					cfg.Shards, cfg.Base = shards, rule
					cases = append(cases, goldenCase{fmt.Sprintf("%s/%s/%d/%s", name, method.Name, shards, base), m, cfg})
				}
			}
		}
		msam := sam.Config{Rho: 0.05, Shards: 3, Base: optim.SGD{LR: 0.05, Momentum: 0.9, Nesterov: true}}
		cases = append(cases, goldenCase{name + "/msam/3/nesterov", m, msam})
		for base, rule := range goldenBases {
			msam.Base = rule
			msam.LRSchedule = optim.Cosine{Steps: goldenSteps, Min: 0.1}
			msam.RhoSchedule = optim.Linear{Steps: goldenSteps / 2, From: 0.2, To: 1}
			msam.Clip = 0.5
			cases = append(cases, goldenCase{name + "/msam/3/scheduled-" + base, m, msam})
		}
	}
	return cases
}

func hasNorm(m *net.Model) bool {
	for _, p := range m.Params() {
		if p.Role == net.Norm {
			return true
		}
	}
	return false
}

// goldenModels returns the models of the zoo for small images, and nets in which every other layer
// and loss appears. Its transformers are all of the same layers, so two small ones stand for them.
func goldenModels(t *testing.T) (names []string, models []*net.Model) {
	add := func(name string, m *net.Model, err error) {
		require.NoError(t, err, name)
		names, models = append(names, name), append(models, m)
	}
	sides := map[string]int{"resnet20": 10, "resnet32": 6, "resnet56": 4, "resnet18": 3, "wrn16-4": 4}
	for _, row := range zoo.Models {
		if row.Text != nil || row.Name == "vit-tiny" {
			continue
		}
		side := cmp.Or(sides[row.Name], 12)
		m, err := row.Compile(net.Shape{side, side, row.Input[2]}, 10)
		add(row.Name, m, err)
	}

	conv := net.Conv2D{Out: 12, Kernel: 3, Padding: net.Same, NoBias: true}
	// Every op takes along those that follow it: convolution, normalization, sum and ReLU.
	m, err := net.Compile(net.Shape{9, 7, 3},
		conv, net.BatchNorm{}, net.ReLU{}, net.MaxPool{Size: 2},
		net.Residual{Body: []net.Layer{conv, net.BatchNorm{}, net.ReLU{}, conv, net.BatchNorm{}}}, net.ReLU{},
		net.Flatten{}, net.Dense{Out: 37}, net.BatchNorm{Momentum: 0.3, Epsilon: 1e-4}, net.ReLU{},
		net.Dense{Out: 21}, net.ReLU{}, net.Dense{Out: 10})
	add("fused", m, err)

	// No op takes any along.
	m, err = net.Compile(net.Shape{9, 7, 3},
		net.Conv2D{Out: 12, Kernel: 3, Padding: net.Same}, net.GELU{},
		net.AvgPool{Size: 3, Stride: 2, Padding: 1}, net.LayerNorm{}, net.ReLU{}, net.Dropout{Rate: 0.2},
		net.Residual{Body: []net.Layer{net.Conv2D{Out: 12, Kernel: 3, Dilation: 2, Padding: 2}, net.BatchNorm{}, net.Tanh{}}},
		net.Residual{
			Body:     []net.Layer{net.Conv2D{Out: 20, Kernel: 3, Stride: 2, Padding: net.Same}, net.Sigmoid{}},
			Shortcut: []net.Layer{net.Subsample{Stride: 2, Out: 20}},
		},
		net.GlobalAvgPool{}, net.Dense{Out: 10}, net.SoftmaxCrossEntropy{Smoothing: 0.1})
	add("plain", m, err)

	m, err = net.Compile(net.Shape{9, 7, 3},
		net.Flatten{}, net.Dense{Out: 45, Init: net.XavierUniform}, net.Tanh{}, net.LayerNorm{Epsilon: 1e-4}, net.Dropout{Rate: 0.1},
		net.Dense{Out: 27, Init: net.TruncatedNormal(0.1)}, net.Sigmoid{}, net.Dense{Out: 10}, net.MSE{})
	add("mse", m, err)

	// All layers over text. Shards differ in their numbers of tokens.
	m, err = net.Compile(net.Shape{11},
		net.Embedding{Vocabulary: 30, Width: 24, Positions: net.LearnedPositions, Segments: 2}, net.LayerNorm{Epsilon: 1e-12},
		net.TransformerBlock{Heads: 3, Dropout: 0.1}, net.TransformerBlock{Heads: 2, PreNorm: true},
		net.Pooling{First: true}, net.Dense{Out: 24}, net.Tanh{}, net.Dense{Out: 10})
	add("encoder", m, err)
	m, err = net.Compile(net.Shape{13},
		net.Embedding{Vocabulary: 50, Width: 20, Tied: true}, net.TransformerBlock{Heads: 2, PreNorm: true, Causal: true, Rotary: true},
		net.LayerNorm{}, net.TiedOutput{}, net.NextToken{})
	add("language", m, err)
	return names, models
}

// hash trains from fixed parameters on fixed batches and returns a hash of the parameters,
// of the running state and of what the last step reported.
func (c goldenCase) hash(t *testing.T) string {
	params := c.model.Init(1)
	c.cfg.Batch, c.cfg.Seed, c.cfg.Workers = goldenBatch, 7, 2
	o, err := sam.New(c.model, params, c.cfg)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 2))
	var last sam.Stats
	for step := range goldenSteps {
		n := goldenBatch
		if step == shortStep {
			n = goldenShort
		}
		last, err = o.Step(goldenBatchOf(r, n, c.model))
		require.NoError(t, err, "step %d", step)
	}
	h := sha256.New()
	for _, data := range []any{params.Values, params.State, last.Loss, last.GradNorm, last.Sharpness} {
		require.NoError(t, binary.Write(h, binary.LittleEndian, data))
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

// goldenBatchOf draws n samples for a model. Text has 2 tokens at least, in two segments.
func goldenBatchOf(r *rand.Rand, n int, m *net.Model) net.Batch {
	most := m.InputShape().Size()
	if m.Vocabulary() == 0 {
		return randomBatch(r, n, most)
	}
	b := randomBatch(r, n, 0)
	b.X, b.Starts = nil, []int{0}
	for range n {
		length := 2 + r.IntN(most-1)
		for i := range length {
			b.Tokens = append(b.Tokens, r.Int32N(int32(m.Vocabulary())))
			b.Segments = append(b.Segments, uint8(2*i/length))
		}
		b.Starts = append(b.Starts, len(b.Tokens))
	}
	return b
}

// randomBatch draws n samples of size floats, with labels and with targets of 10 floats.
func randomBatch(r *rand.Rand, n, size int) net.Batch {
	b := net.Batch{N: n, X: make([]float32, n*size), Labels: make([]int32, n), Targets: make([]float32, n*10)}
	for i := range b.X {
		b.X[i] = float32(r.NormFloat64())
	}
	for i := range b.Labels {
		b.Labels[i] = r.Int32N(10)
	}
	for i := range b.Targets {
		b.Targets[i] = r.Float32()
	}
	return b
}

func readGolden(t *testing.T) map[string]string {
	golden := map[string]string{}
	text, err := os.ReadFile(goldenFile)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		require.Len(t, f, 2, "%s has the line %q, want a key and a hash", goldenFile, line)
		golden[f[0]] = f[1]
	}
	return golden
}

func writeGolden(t *testing.T, golden map[string]string) {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(golden)) {
		fmt.Fprintln(&b, key, golden[key])
	}
	require.NoError(t, os.WriteFile(goldenFile, []byte(b.String()), 0o644))
}

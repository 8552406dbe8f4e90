package flatness

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/zoo"
)

// torch is a running Python that answers all questions, since PyTorch takes seconds to load.
type torch struct {
	in   io.Writer
	out  io.Reader
	errs bytes.Buffer
	wait func() error
}

// startTorch starts testdata/hessian.py, and ends it with the test. Where there is no Python with
// PyTorch, it skips the test.
func startTorch(t *testing.T) *torch {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
	python := ""
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import torch").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("no python3 with PyTorch is on this machine")
	}
	cmd := exec.Command(python, "-B", "testdata/hessian.py")
	p := &torch{wait: cmd.Wait}
	cmd.Stderr = &p.errs
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	p.in, p.out = in, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); !t.Failed() {
			assert.NoError(t, err, p.errs.String())
		}
	})
	return p
}

// products returns the loss of a model of images, and the products of its Hessian and vectors.
func (p *torch) products(t *testing.T, name string, m *net.Model, params *net.Params, mode Mode, batches []net.Batch, vectors [][]float32) (loss float64, hv [][]float64) {
	t.Helper()
	var x []float32
	var labels []int32
	var sizes []int
	for _, b := range batches {
		x, labels, sizes = append(x, b.X...), append(labels, b.Labels...), append(sizes, b.N)
	}
	header, err := json.Marshal(map[string]any{
		"model": name, "size": m.InputShape(), "classes": m.OutputShape()[0], "mode": mode,
		"batches": sizes, "vectors": len(vectors),
	})
	require.NoError(t, err)
	question := bytes.NewBuffer(append(header, '\n'))
	data := []any{params.Values, params.State, x, labels}
	for _, v := range vectors {
		data = append(data, v)
	}
	for _, d := range data {
		require.NoError(t, binary.Write(question, binary.NativeEndian, d))
	}
	var n int64
	var answer []float64
	if _, err = p.in.Write(question.Bytes()); err == nil {
		err = binary.Read(p.out, binary.NativeEndian, &n)
	}
	if err == nil {
		answer = make([]float64, n)
		err = binary.Read(p.out, binary.NativeEndian, answer)
	}
	if err != nil {
		ended := p.wait() // then its error output is complete
		require.NoError(t, err, "PyTorch ended with %v: %s", ended, strings.TrimSpace(p.errs.String()))
	}
	loss, answer = answer[0], answer[1:]
	for range vectors {
		hv, answer = append(hv, answer[:m.NumParams()]), answer[m.NumParams():]
	}
	return loss, hv
}

// Products with models of the zoo are those of PyTorch's autograd in float64, in both modes, along
// the top eigenvector and along a random vector.
func TestProductsAgainstPyTorch(t *testing.T) {
	p := startTorch(t)
	for _, c := range []struct {
		name  string
		input net.Shape
		mode  Mode
		sizes []int
	}{
		{"mlp", net.Shape{8, 8, 1}, Running, []int{20}},
		{"lenet", net.Shape{12, 12, 1}, Running, []int{12}},
		{"resnet20", net.Shape{8, 8, 3}, Running, []int{6, 4}},
		{"resnet20", net.Shape{8, 8, 3}, Batch, []int{6, 4}},
	} {
		row, err := zoo.Lookup(c.name)
		require.NoError(t, err)
		m, err := row.Compile(c.input, 10)
		require.NoError(t, err)
		r := rand.New(rand.NewPCG(1, 1))
		var batches []net.Batch
		for _, n := range c.sizes {
			batches = append(batches, randomBatch(r, m, n))
		}
		params := m.Init(1)
		for i := range params.State {
			params.State[i] = 0.5 + float32(r.Float64())
		}
		s, err := New(m, params, batches, Config{Seed: 1, Mode: c.mode})
		require.NoError(t, err)
		spectrum, err := s.Spectrum(context.Background(), 1)
		require.NoError(t, err)
		random := make([]float32, m.NumParams())
		signs(r, random)
		vectors := [][]float32{spectrum.Vectors[0], random}
		loss, want := p.products(t, c.name, m, params, c.mode, batches, vectors)
		assert.InEpsilon(t, loss, spectrum.Loss, 1e-5, c.name)
		for i, v := range vectors {
			got := make([]float32, len(v))
			_, err := s.product(context.Background(), v, got, 0)
			require.NoError(t, err)
			d := ref.Distance(got, want[i])
			t.Logf("%s, %s: product %d is %.2g apart", c.name, c.mode, i, d)
			assert.Less(t, d, 0.01, "%s, %s: product %d", c.name, c.mode, i)
		}
		rayleigh := 0.0
		for i, v := range spectrum.Vectors[0] {
			rayleigh += float64(v) * want[0][i]
		}
		assert.InEpsilon(t, rayleigh, spectrum.Eigenvalues[0], 0.005, "%s, %s", c.name, c.mode)
	}
}

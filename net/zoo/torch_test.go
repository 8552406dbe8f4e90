package zoo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net"
)

// The same model with the same weights has PyTorch's loss and gradient.
func TestPyTorchAgrees(t *testing.T) {
	torch := startPyTorch(t, "gradient.py")
	for _, c := range []struct {
		model string
		input net.Shape
		batch int
	}{
		{"mlp", net.Shape{28, 28, 1}, 32},
		{"lenet", net.Shape{28, 28, 1}, 16},
		// Among a million activations some are so near 0 that rounding decides on which
		// side of their ReLU they are: of six seeds, PyTorch's own float32 gradient is 1e-3
		// to 4e-3 from its float64 one with each, ours 4e-3 with one, 2e-5 with one and
		// 8e-7 to 1e-6 with four, this among them.
		{"resnet20", net.Shape{32, 32, 3}, 8},
	} {
		row, err := Lookup(c.model)
		require.NoError(t, err)
		m, err := row.Compile(c.input, 10)
		require.NoError(t, err)
		params := m.Init(1)
		b := batch(m, c.batch)
		loss, g := gradient(m, params, b)
		dtypes := []string{"float64", "float32"}
		if c.model == "resnet20" {
			dtypes = dtypes[:1]
		}
		for _, dtype := range dtypes {
			wantLoss, want := torch.ask(t, dtype, c.model, m, params, b)
			require.Len(t, want, len(g), c.model)
			assert.InEpsilon(t, wantLoss, loss, 1e-5, "%s's loss, PyTorch in %s", c.model, dtype)
			d := ref.Distance(g, want)
			t.Logf("%s, PyTorch in %s: loss %.3g apart, gradient %.3g", c.model, dtype, math.Abs(loss/wantLoss-1), d)
			assert.Less(t, d, 1e-5, "%s's gradient, PyTorch in %s", c.model, dtype)
		}
	}
}

// pytorch returns a Python that has PyTorch, and skips the test where there is none.
func pytorch(t *testing.T) string {
	if testing.Short() {
		t.Skip("takes long")
	}
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import torch").Run() == nil {
			return python
		}
	}
	t.Skip("no python3 with PyTorch is on this machine")
	return ""
}

func batch(m *net.Model, n int) net.Batch {
	r := rand.New(rand.NewPCG(1, 1))
	b := net.Batch{N: n, X: make([]float32, n*m.InputShape().Size()), Labels: make([]int32, n)}
	for i := range b.X {
		b.X[i] = float32(r.NormFloat64())
	}
	for i := range b.Labels {
		b.Labels[i] = int32(r.IntN(10))
	}
	return b
}

func gradient(m *net.Model, params *net.Params, b net.Batch) (loss float64, g []float32) {
	g = make([]float32, m.NumParams())
	loss, err := m.Gradient(params, b, 0, g)
	if err != nil {
		panic(err)
	}
	return loss, g
}

// torch is a running Python that answers all questions, since PyTorch takes seconds to load.
type torch struct {
	in   io.Writer
	out  io.Reader
	errs bytes.Buffer
	wait func() error
}

// startPyTorch starts a script of testdata, and ends it with the test.
func startPyTorch(t *testing.T, script string) *torch {
	t.Helper()
	cmd := exec.Command(pytorch(t), "-B", "testdata/"+script)
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
		if !t.Failed() {
			rest, err := io.ReadAll(out)
			assert.NoError(t, err)
			assert.Empty(t, rest, "PyTorch answered with more than it was asked")
		}
		if err := cmd.Wait(); !t.Failed() {
			assert.NoError(t, err, p.errs.String())
		}
	})
	return p
}

// ask returns PyTorch's answer for a model of images.
func (p *torch) ask(t *testing.T, dtype, model string, m *net.Model, params *net.Params, b net.Batch) (loss float64, g []float64) {
	t.Helper()
	s := m.InputShape()
	header := fmt.Sprintf(`{"model": %q, "size": [%d, %d, %d], "classes": 10, "batch": %d, "dtype": %q}`, model, s[0], s[1], s[2], b.N, dtype)
	return p.answer(t, model+" in "+dtype, header, params.Values, b.X, b.Labels)
}

// answer returns PyTorch's answer to a question of a line of JSON and data. Errors call it by what
// it is about.
func (p *torch) answer(t *testing.T, about, header string, data ...any) (loss float64, g []float64) {
	t.Helper()
	in := bytes.NewBufferString(header + "\n")
	for _, d := range data {
		require.NoError(t, binary.Write(in, binary.NativeEndian, d))
	}
	var n int64
	var answer []float64
	_, err := p.in.Write(in.Bytes())
	if err == nil {
		err = binary.Read(p.out, binary.NativeEndian, &n)
	}
	if err == nil {
		require.Positive(t, n)
		answer = make([]float64, n)
		err = binary.Read(p.out, binary.NativeEndian, answer)
	}
	if err != nil {
		ended := p.wait() // then its error output is complete
		require.NoError(t, err, "%s: PyTorch ended with %v: %s", about, ended, strings.TrimSpace(p.errs.String()))
	}
	return answer[0], answer[1:]
}

package child

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// What gonum computes is right, and is not where one element is spoilt.
func TestVerifyDecompositions(t *testing.T) {
	for _, name := range protocol.Decompositions {
		for _, n := range []int{1, 7, 40} {
			task, err := prepareDecomposition(protocol.Decomposition{Name: name, N: n}, Mat)
			require.NoError(t, err)
			d := task.(*decomposing)
			d.run(0, 2)
			assert.NoError(t, d.verify())
			result := d.Result
			d.Result = func(b []float64) (Decomposed, error) {
				r, err := result(b)
				for _, data := range [][]float64{r.Matrix, r.Solution} {
					if len(data) > 0 {
						data[len(data)-1]++
					}
				}
				if len(r.Values) > 0 {
					r.Values[0]++
				}
				return r, err
			}
			assert.ErrorContains(t, d.verify(), "is wrong", name, n)
			d.free()
		}
	}
}

func TestDecompositionsThatFail(t *testing.T) {
	lu := protocol.Job{Dtype: protocol.Float64, Work: protocol.Work{Decomposition: &protocol.Decomposition{Name: "LU", N: 7}}, Workers: 1, Budget: time.Millisecond}
	reply := ask(t, Library{Workers: anyWorkers, Decompose: Mat}, lu)[0]
	assert.Empty(t, reply.Error)
	assert.Positive(t, reply.Seconds)
	assert.Equal(t, "no decompositions", ask(t, Library{Workers: anyWorkers}, lu)[0].Cannot)

	refuse := func(*Decomposition) (Decomposing, error) { return Decomposing{}, errors.New("refused") }
	assert.Equal(t, "refused", ask(t, Library{Workers: anyWorkers, Decompose: refuse}, lu)[0].Error)
	fail := func(d *Decomposition) (Decomposing, error) {
		return Decomposing{Run: func(int) error { return errors.New("it is singular") }}, nil
	}
	assert.Equal(t, "it is singular", ask(t, Library{Workers: anyWorkers, Decompose: fail}, lu)[0].Error)
}

// The operands are integers over a power of two, so the sum of their squares is known exactly.
func TestNormOfManyElements(t *testing.T) {
	d, err := newDecomposition(protocol.Decomposition{Name: "SVD", N: 1000})
	require.NoError(t, err)
	defer d.free()
	squares := int64(0)
	for _, v := range d.A {
		i := int64(v * (1 << 20))
		squares += i * i
	}
	want := float64(squares) / (1 << 40)
	assert.InEpsilon(t, want, norm(d.A)*norm(d.A), 1e-15)
}

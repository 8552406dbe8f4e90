package child

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/conv"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// naively convolves by the definition.
func naively(c *Convolution) (Convolving, error) {
	return Convolving{Run: func(first, times int) {
		for t := range times {
			set := (first + t) % Sets
			clear([][]float32{c.SliceX(set), c.SliceW(set), c.SliceY(set)}[c.result()])
			g := c.Geometry
			x, w, y := c.SliceX(set), c.SliceW(set), c.SliceY(set)
			c.taps(func(in, tap, out int) {
				for i := range g.InC {
					for o := range g.OutC {
						xi, wi, yi := &x[in*g.InC+i], &w[(tap*g.InC+i)*g.OutC+o], &y[out*g.OutC+o]
						switch c.Pass {
						case protocol.Forward:
							*yi += *xi * *wi
						case protocol.BackwardData:
							*xi += *yi * *wi
						default:
							*wi += *xi * *yi
						}
					}
				}
			})
		}
	}}, nil
}

func convolutions(t *testing.T, text string) (jobs []protocol.Job) {
	all, err := protocol.ParseList(text)
	require.NoError(t, err)
	for _, w := range all {
		jobs = append(jobs, protocol.Job{Dtype: protocol.Float32, Work: w, Workers: 1, Budget: time.Millisecond})
	}
	return jobs
}

const someConvolutions = "2x5x4x3->2 3x3 pad 1, 1x9x8x2->5 3x2 stride 2x1 pad 0,1,2,0 dilation 1x2, 3x4x4x2->3 1x1"

func TestConvolutions(t *testing.T) {
	for _, job := range convolutions(t, someConvolutions) {
		freed := 0
		l := Library{Workers: anyWorkers, Convolve: func(c *Convolution) (Convolving, error) {
			ready, err := naively(c)
			ready.Free = func() { freed++ }
			return ready, err
		}}
		reply := ask(t, l, job)[0]
		assert.Empty(t, reply.Error)
		assert.Positive(t, reply.Seconds)
		assert.Equal(t, 1, freed)
	}
}

// The passes that the check is made of are those of package conv.
func TestConvolutionsAreOurs(t *testing.T) {
	l := Library{Workers: anyWorkers, Convolve: func(c *Convolution) (Convolving, error) {
		return Convolving{Run: func(int, int) {
			for set := range Sets {
				x, w, y := c.SliceX(set), c.SliceW(set), c.SliceY(set)
				switch c.Pass {
				case protocol.Forward:
					require.NoError(t, conv.Forward(nil, c.Geometry, y, x, w, conv.Options{}))
				case protocol.BackwardData:
					require.NoError(t, conv.BackwardData(nil, c.Geometry, x, y, w, conv.Options{}))
				default:
					require.NoError(t, conv.BackwardFilter(nil, c.Geometry, w, x, y, conv.Options{}))
				}
			}
		}}, nil
	}}
	for _, reply := range ask(t, l, convolutions(t, someConvolutions)...) {
		assert.Empty(t, reply.Error)
	}
}

func TestWrongConvolutionsDoNotWin(t *testing.T) {
	for _, job := range convolutions(t, "2x5x4x3->2 3x3 pad 1") {
		for name, spoil := range map[string]func(result []float32){
			"one element off by one": func(y []float32) { y[len(y)-1]++ },
			"exchanged":              func(y []float32) { y[0], y[1] = y[1], y[0]+1 },
		} {
			l := Library{Workers: anyWorkers, Convolve: func(c *Convolution) (Convolving, error) {
				ready, err := naively(c)
				ready.Results = func() error {
					spoil([][]float32{c.SliceX(2), c.SliceW(2), c.SliceY(2)}[c.result()])
					return nil
				}
				return ready, err
			}}
			reply := ask(t, l, job)[0]
			assert.Contains(t, reply.Error, job.Work.String()+" is wrong", name)
			assert.Zero(t, reply.Seconds)
		}
		nothing := Library{Workers: anyWorkers, Convolve: func(*Convolution) (Convolving, error) {
			return Convolving{Run: func(int, int) {}}, nil
		}}
		assert.Contains(t, ask(t, nothing, job)[0].Error, "NaN", "nothing computed")
	}
}

func TestConvolutionsThatFail(t *testing.T) {
	job := convolutions(t, "forward 2x5x4x3->2 3x3 pad 1")[0]
	assert.Equal(t, "no convolutions", ask(t, Library{Workers: anyWorkers}, job)[0].Cannot)

	l := Library{Workers: anyWorkers, Convolve: func(*Convolution) (Convolving, error) { return Convolving{}, errors.New("too large") }}
	assert.Equal(t, "too large", ask(t, l, job)[0].Error)

	l.Convolve = func(c *Convolution) (Convolving, error) {
		ready, err := naively(c)
		ready.Results = func() error { return errors.New("lost") }
		return ready, err
	}
	assert.Equal(t, "lost", ask(t, l, job)[0].Error)
}

// Sums of what a pass reads are exact in float32, and those of the check in float64.
func TestConvolutionsAreExact(t *testing.T) {
	for _, job := range convolutions(t, "16x28x28x128->128 3x3 pad 1, 32x32x32x3->16 3x3 pad 1, 1x3x3x1->1 3x3") {
		c, err := newConvolution(*job.Convolution)
		require.NoError(t, err)
		most := [3]float64{}
		for i, data := range [][]float32{c.SliceX(0), c.SliceW(0), c.SliceY(0)} {
			if i == c.result() {
				assert.True(t, data[0] != data[0], "NaN")
				continue
			}
			for _, v := range data {
				most[i] = max(most[i], float64(v))
			}
		}
		largest := 1.0
		for i, m := range most {
			if i != c.result() {
				largest *= m
			}
		}
		assert.Positive(t, largest, job.Work)
		assert.LessOrEqual(t, largest*float64(c.terms()), float64(1<<24), job.Work)
		c.free()
	}
}

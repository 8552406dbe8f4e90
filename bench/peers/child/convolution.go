package child

import (
	"fmt"
	"math"
	"math/rand/v2"
	"unsafe"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// Convolution is the operands of a pass, outside Go's heap. One of them is the result: the output,
// the input's gradient or the filter's gradient.
type Convolution struct {
	protocol.Convolution
	X [Sets]*float32 // the input or its gradient, [Batch, InH, InW, InC]
	W [Sets]*float32 // the filter or its gradient, [KernelH, KernelW, InC, OutC]
	Y [Sets]*float32 // the output or its gradient, [Batch, OutH, OutW, OutC]

	memory[float32]
}

// newConvolution returns operands for a pass. Those that the pass reads are random integers, so
// small that every sum of their products is exact in float32 in any order. The result is NaN, so
// that an element that isn't overwritten shows.
func newConvolution(of protocol.Convolution) (*Convolution, error) {
	c := &Convolution{Convolution: of}
	g := of.Geometry
	var counts []int
	for range Sets {
		counts = append(counts, g.Batch*g.InSize(), g.FilterSize(), g.Batch*g.OutSize())
	}
	operands, err := c.place(counts)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", of, err)
	}
	limit := max(1, int(math.Sqrt((1<<24)/float64(c.terms()))))
	r := rand.NewPCG(uint64(counts[0]), uint64(counts[1]))
	for set := range Sets {
		three := operands[3*set:][:3]
		c.X[set], c.W[set], c.Y[set] = &three[0][0], &three[1][0], &three[2][0]
		for i, data := range three {
			if i == c.result() {
				spoil(data)
			} else {
				fill(data, limit, r)
			}
		}
	}
	return c, nil
}

// terms returns the largest number of products in the sum of an element of the result.
func (c *Convolution) terms() int {
	g := c.Geometry
	switch c.Pass {
	case protocol.Forward:
		return g.KernelH * g.KernelW * g.InC
	case protocol.BackwardData:
		return g.KernelH * g.KernelW * g.OutC
	default:
		return g.Batch * g.OutH() * g.OutW()
	}
}

// result returns the number of the operand that the pass writes: 0 for X, 1 for W, 2 for Y.
func (c *Convolution) result() int {
	return map[string]int{protocol.BackwardData: 0, protocol.BackwardFilter: 1, protocol.Forward: 2}[c.Pass]
}

// SliceX returns X of a set; SliceW and SliceY return W and Y.
func (c *Convolution) SliceX(set int) []float32 {
	return unsafe.Slice(c.X[set], c.Geometry.Batch*c.Geometry.InSize())
}
func (c *Convolution) SliceW(set int) []float32 {
	return unsafe.Slice(c.W[set], c.Geometry.FilterSize())
}
func (c *Convolution) SliceY(set int) []float32 {
	return unsafe.Slice(c.Y[set], c.Geometry.Batch*c.Geometry.OutSize())
}

// verify returns an error if a result is wrong. Like Product.verify, it multiplies the result by a
// random vector. A pass is linear in the channels of its result, so the weighted sum of those
// channels equals the pass on operands that were summed with the same weights before, which is much
// less work. All numbers are integers that float64 holds exactly.
func (c *Convolution) verify() error {
	r := rand.New(rand.NewPCG(3, 5))
	weights := make([]float64, c.Geometry.OutC)
	if c.Pass == protocol.BackwardData {
		weights = make([]float64, c.Geometry.InC)
	}
	for i := range weights {
		weights[i] = float64(r.IntN(2*limitX+1) - limitX)
	}
	for set := range Sets {
		got, want := c.probe(set, weights)
		for i := range want {
			if got[i] != want[i] {
				return fmt.Errorf("%v is wrong: at %d the weighted sum of its channels is %v, want %v", c.Convolution, i, got[i], want[i])
			}
		}
	}
	return nil
}

// probe returns the weighted sums of the result's channels, and the sums that are expected.
func (c *Convolution) probe(set int, weights []float64) (got, want []float64) {
	g := c.Geometry
	x, w, y := c.SliceX(set), c.SliceW(set), c.SliceY(set)
	switch c.Pass {
	case protocol.Forward:
		got = times(y, len(y)/g.OutC, g.OutC, false, weights)
		filter := times(w, len(w)/g.OutC, g.OutC, false, weights) // [tap, InC]
		want = make([]float64, len(got))
		c.taps(func(in, tap, out int) {
			want[out] += dot(x[in*g.InC:][:g.InC], filter[tap*g.InC:])
		})
	case protocol.BackwardData:
		got = times(x, len(x)/g.InC, g.InC, false, weights)
		filter := make([]float64, 0, g.KernelH*g.KernelW*g.OutC) // [tap, OutC]
		for tap := range g.KernelH * g.KernelW {
			filter = append(filter, times(w[tap*g.InC*g.OutC:][:g.InC*g.OutC], g.OutC, g.InC, true, weights)...)
		}
		want = make([]float64, len(got))
		c.taps(func(in, tap, out int) {
			want[in] += dot(y[out*g.OutC:][:g.OutC], filter[tap*g.OutC:])
		})
	default:
		got = times(w, len(w)/g.OutC, g.OutC, false, weights)     // [tap, InC]
		output := times(y, len(y)/g.OutC, g.OutC, false, weights) // [pixel]
		want = make([]float64, len(got))
		c.taps(func(in, tap, out int) {
			for i, v := range x[in*g.InC:][:g.InC] {
				want[tap*g.InC+i] += float64(v) * output[out]
			}
		})
	}
	return got, want
}

// taps calls visit for each tap of each output pixel that lies within the image, with the numbers
// of the input pixel, the tap and the output pixel.
func (c *Convolution) taps(visit func(in, tap, out int)) {
	g := c.Geometry
	strideH, strideW := max(1, g.StrideH), max(1, g.StrideW)
	dilationH, dilationW := max(1, g.DilationH), max(1, g.DilationW)
	for out := range g.Batch * g.OutH() * g.OutW() {
		image, row, column := out/(g.OutH()*g.OutW()), out/g.OutW()%g.OutH(), out%g.OutW()
		for tap := range g.KernelH * g.KernelW {
			h := row*strideH - g.PadTop + tap/g.KernelW*dilationH
			w := column*strideW - g.PadLeft + tap%g.KernelW*dilationW
			if h >= 0 && h < g.InH && w >= 0 && w < g.InW {
				visit((image*g.InH+h)*g.InW+w, tap, out)
			}
		}
	}
}

func dot(a []float32, b []float64) (sum float64) {
	for i, v := range a {
		sum += float64(v) * b[i]
	}
	return sum
}

// Convolving is a pass that is ready to run.
type Convolving struct {
	// Run computes the pass as Library.Run32 computes a product.
	Run func(first, times int)
	// Results writes the results of all sets to Convolution's operands. Nil if Run has written them
	// there.
	Results func() error
	// Free releases what was prepared. Nil if there is nothing to release.
	Free func()
}

// convolving is a Convolving as a task.
type convolving struct {
	*Convolution
	Convolving
}

func prepareConvolution(of protocol.Convolution, convolve func(c *Convolution) (Convolving, error)) (task, error) {
	c, err := newConvolution(of)
	if err != nil {
		return nil, err
	}
	ready, err := convolve(c)
	if err != nil {
		c.free()
		return nil, err
	}
	return convolving{c, ready}, nil
}

func (c convolving) run(first, times int) { c.Run(first, times) }

func (c convolving) verify() error {
	if c.Results != nil {
		if err := c.Results(); err != nil {
			return err
		}
	}
	return c.Convolution.verify()
}

func (convolving) tell(*protocol.Reply) error { return nil }

func (c convolving) free() {
	if c.Free != nil {
		c.Free()
	}
	c.Convolution.free()
}

package sam

import (
	"math"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
)

// noises adds Gaussian noise to parameters. It is a team's job, by chunks of parameters.
type noises struct {
	spans []num.Span // that get noise, in order
	sum   []float32  // w + noise; nil before allocate

	seed  uint64
	sigma float32
	w     []float32
}

// floats is the length of sum, known before it is allocated.
func (n *noises) floats(params int) int {
	if len(n.spans) == 0 {
		return 0
	}
	return params
}

// draw sets sum to w with the noise of a step.
func (n *noises) draw(team *blas.Team, seed, step uint64, sigma float32, w []float32) {
	n.seed, n.sigma, n.w = mix(mix(seed+golden)+golden*(step+1)), sigma, w
	team.Run(num.CeilDiv(len(w), chunk), n)
	n.w = nil
}

// Do sets one chunk.
func (n *noises) Do(c, _ int) {
	at, end := c*chunk, min((c+1)*chunk, len(n.w))
	for _, s := range n.spans {
		if s.To <= at || s.From >= end {
			continue
		}
		from, to := max(s.From, at), min(s.To, end)
		copy(n.sum[at:from], n.w[at:from])
		n.add(from, to)
		at = to
	}
	copy(n.sum[at:end], n.w[at:end])
}

// add sets a run of parameters. Parameter i has half of the random bits of i/2.
func (n *noises) add(from, to int) {
	for ; from < to && from%4 != 0; from++ {
		n.addOne(from)
	}
	for ; from < to && to%4 != 0; to-- {
		n.addOne(to - 1)
	}
	if from >= to {
		return
	}
	// Four at a time, since they don't wait for each other.
	sum, w, state, sigma := n.sum[from:to], n.w[from:to], n.seed+golden*uint64(from/2), n.sigma
	for ; len(sum) >= 4 && len(w) >= 4; sum, w = sum[4:], w[4:] {
		state += golden
		first := mix(state)
		state += golden
		second := mix(state)
		a, b, c, d := normal(uint32(first)), normal(uint32(first>>32)), normal(uint32(second)), normal(uint32(second>>32))
		if nan := a + b + c + d; nan != nan {
			a, b = normalOrTail(uint32(first)), normalOrTail(uint32(first>>32))
			c, d = normalOrTail(uint32(second)), normalOrTail(uint32(second>>32))
		}
		sum[0] = float32(sigma*a) + w[0]
		sum[1] = float32(sigma*b) + w[1]
		sum[2] = float32(sigma*c) + w[2]
		sum[3] = float32(sigma*d) + w[3]
	}
}

func (n *noises) addOne(i int) {
	random := mix(n.seed + golden*uint64(i/2) + golden)
	n.sum[i] = float32(n.sigma*normalOrTail(uint32(random>>(32*(i%2))))) + n.w[i]
}

// mix is the output function of SplitMix64 (Steele et al., OOPSLA 2014), and golden its increment.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

const golden = 0x9e3779b97f4a7c15

// normal makes a standard normal number of random bits: their quantile. Between the quantiles in
// the table it is linear, which changes no probability by more than 2^-16. In both tails it is NaN.
func normal(bits uint32) float32 {
	at := &normalCells[bits>>(32-cellBits)]
	return at.low + float32(at.slope*float32(int32(bits&(1<<(32-cellBits)-1))))
}

// normalOrTail is normal, and the quantile itself in the tails.
func normalOrTail(bits uint32) float32 {
	if z := normal(bits); z == z {
		return z
	}
	return float32(quantile((float64(bits) + 0.5) / (1 << 32)))
}

const (
	cellBits  = 11
	cells     = 1 << cellBits
	tailCells = 4 // at each end
)

// normalCells are runs of equal probability: the number where one begins, NaN in the tails, and its
// slope by bits.
var normalCells = func() (table [cells]struct{ low, slope float32 }) {
	for i := range table {
		low, high := quantile(float64(i)/cells), quantile(float64(i+1)/cells)
		table[i].low, table[i].slope = float32(low), float32((high-low)/(1<<(32-cellBits)))
		if i < tailCells || i >= cells-tailCells {
			table[i].low = float32(math.NaN())
		}
	}
	return table
}()

// quantile returns the number that a standard normal one is below with probability p.
func quantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

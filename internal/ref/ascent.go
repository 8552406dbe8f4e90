package ref

import "math"

// Ascent says how SAM and its kin perturb a shard's parameters before they take its gradient:
//
//	eps = Rho * T^2 g / ||T g||
type Ascent struct {
	Rho float64
	// T returns the factor of a parameter of value w; nil is 1 for all.
	T func(parameter int, w float64) float64
	// Fraction is the share of a shard's samples, its first ones, whose gradient is g, rounded
	// up to a whole number of samples. 0 is all.
	Fraction float64
}

// perturbed returns p + eps.
func (a Ascent) perturbed(p, g []float64) []float64 {
	t := make([]float64, len(p))
	scaled := make([]float64, len(p))
	for i := range p {
		t[i] = 1
		if a.T != nil {
			t[i] = a.T(i, p[i])
		}
		scaled[i] = t[i] * g[i]
	}
	norm := Norm(scaled)
	w := make([]float64, len(p))
	for i := range p {
		w[i] = p[i]
		if norm > 0 && a.Rho > 0 {
			w[i] += a.Rho * t[i] * scaled[i] / norm
		}
	}
	return w
}

// MSAM returns the gradient of an mSAM step (arXiv 2212.04343) whose shards end at the given sample
// numbers, and the mean loss before it over the samples that perturb.
func (n Net) MSAM(p []float64, x [][]float64, labels []int32, ends []int, a Ascent) (loss float64, ghat []float64) {
	ghat = make([]float64, len(p))
	begin, seen := 0, 0.0
	for _, end := range ends {
		xs, ls, share := x[begin:end], labels[begin:end], float64(end-begin)/float64(len(x))
		first := len(xs)
		if a.Fraction > 0 && a.Rho > 0 {
			first = int(math.Ceil(a.Fraction*float64(len(xs)) - 1e-9))
		}
		shardLoss, g := n.Gradient(p, xs[:first], ls[:first])
		loss += float64(first) * shardLoss
		seen += float64(first)
		_, g = n.Gradient(a.perturbed(p, g), xs, ls)
		for i := range ghat {
			ghat[i] += share * g[i]
		}
		begin = end
	}
	return loss / seen, ghat
}

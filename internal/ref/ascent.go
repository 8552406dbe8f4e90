package ref

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
	// Steps repeats the ascent, each time by Rho/Steps from where it has come to. 0 is 1.
	Steps int
	// Less is taken off g; nil is nothing.
	Less []float64
	// Samples is the share of a shard's samples, rounded up, on which it goes down: those whose loss
	// rises most from p to p + eps. 0 is all.
	Samples float64
}

// Perturbed returns p + eps, where g is the gradient.
func (a Ascent) Perturbed(p, g []float64) []float64 {
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
			w[i] += a.Rho / float64(max(1, a.Steps)) * t[i] * scaled[i] / norm
		}
	}
	return w
}

// climb returns p + eps, where gradient returns the gradient at some parameters, and the gradient
// at p.
func (a Ascent) climb(p []float64, gradient func(p []float64) []float64) (w, clean []float64) {
	w = p
	for step := range max(1, a.Steps) {
		g := gradient(w)
		if step == 0 {
			clean = g
		}
		if a.Less != nil {
			g = Axpy(-1, a.Less, g)
		}
		w = a.Perturbed(w, g)
	}
	return w, clean
}

// MSAM returns the gradient of an mSAM step (arXiv 2212.04343) whose shards end at the given sample
// numbers, and the mean loss before it over the samples that perturb.
func (n Net) MSAM(p []float64, x [][]float64, labels []int32, ends []int, a Ascent) (loss float64, ghat []float64) {
	return n.MSAMBy(p, x, ends, a, SoftmaxLoss(labels))
}

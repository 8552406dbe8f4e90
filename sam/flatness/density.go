package flatness

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
)

// Density is the distribution of the Hessian's eigenvalues, as if each had the weight 1/n.
type Density struct {
	About
	Probes int    `json:"probes"`
	Steps  int    `json:"steps"` // of the Lanczos iteration of each probe, at most
	Nodes  []Node `json:"nodes"` // points with weights; the smallest eigenvalue first within each probe
}

// Node is a point of the spectrum, with the share of the eigenvalues that it stands for.
type Node struct {
	Eigenvalue float64 `json:"eigenvalue"`
	Weight     float64 `json:"weight"` // all together are 1
}

// Range returns the smallest and the largest eigenvalue among the nodes.
func (d Density) Range() (lowest, highest float64) {
	lowest, highest = math.Inf(1), math.Inf(-1)
	for _, n := range d.Nodes {
		lowest, highest = min(lowest, n.Eigenvalue), max(highest, n.Eigenvalue)
	}
	return lowest, highest
}

// At returns the density at x: that of the nodes, each blurred to a normal distribution of standard
// deviation sigma. A hundredth of the range is a usual sigma.
func (d Density) At(x, sigma float64) (density float64) {
	for _, n := range d.Nodes {
		z := (x - n.Eigenvalue) / sigma
		density += n.Weight * math.Exp(-z*z/2) / (sigma * math.Sqrt(2*math.Pi))
	}
	return density
}

// Density estimates the spectral density of the Hessian by stochastic Lanczos quadrature (Ghorbani
// et al., arXiv 1901.10159): from each of so many random directions it makes so many steps of the
// Lanczos iteration, each of which takes two passes. The eigenvalues of the tridiagonal matrix are
// the nodes, and the squared first elements of its eigenvectors the weights. Fewer than one probe
// or step is an error. If there are fewer parameters than steps, there are as many steps.
func (s *Surface) Density(ctx context.Context, probes, steps int) (Density, error) {
	found, err := s.density(ctx, probes, steps)
	return found, wrap("density", err)
}

func (s *Surface) density(ctx context.Context, probes, steps int) (found Density, err error) {
	if probes < 1 || steps < 1 {
		return found, fmt.Errorf("%d probes of %d steps, want at least 1 of both", probes, steps)
	}
	steps = min(steps, s.model.NumParams())
	if err := s.begin(ctx, "density", 2*probes*steps); err != nil {
		return found, err
	}
	found = Density{About: s.about, Probes: probes, Steps: steps}
	r := rand.New(rand.NewPCG(s.config.Seed, streamDensity))
	for range probes {
		l := s.newLanczos(r)
		for range steps {
			if _, err := l.advance(ctx); err != nil {
				return Density{}, err
			}
		}
		values, vectors, _ := l.ritz()
		for j, v := range values {
			first := vectors.At(0, j)
			found.Nodes = append(found.Nodes, Node{v, first * first / float64(probes)})
		}
	}
	return found, nil
}

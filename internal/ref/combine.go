package ref

// What methods make of the gradient g at w, and of ghat, that at w + eps.

// Dot returns the product of x and y.
func Dot(x, y []float64) (sum float64) {
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

// Orthogonal returns the part of x that is orthogonal to y.
func Orthogonal(x, y []float64) []float64 {
	if along := Dot(y, y); along > 0 {
		return Axpy(-Dot(x, y)/along, y, x)
	}
	return x
}

// GSAM returns the gradient of GSAM (arXiv 2203.08065).
func GSAM(g, ghat []float64, alpha float64) []float64 { return Axpy(-alpha, Orthogonal(g, ghat), ghat) }

// WSAM returns the gradient of WSAM (arXiv 2305.15817), coupled, and its part apart from g.
func WSAM(g, ghat []float64, gamma float64) (given, apart []float64) {
	apart = Scaled(gamma/(1-gamma), Axpy(-1, g, ghat))
	return Axpy(1, apart, g), apart
}

// LookSAM returns the gradient of a step of LookSAM (arXiv 2203.02714) that doesn't perturb: kept is
// what the last one that did has kept.
func LookSAM(g, kept []float64, alpha float64) []float64 {
	if norm := Norm(kept); norm > 0 {
		return Axpy(alpha*Norm(g)/norm, kept, g)
	}
	return g
}

// FriendlyAverage returns the moving average of Friendly SAM's code (arXiv 2403.12350) after a
// gradient; average is nil before the first.
func FriendlyAverage(average, g []float64, lambda float64) []float64 {
	if average == nil {
		return g
	}
	return Axpy(1-lambda, g, Scaled(lambda, average))
}

package net

// Loss ends a program: it turns outputs and what a batch wants of them into
// one number. A loss is a sum over terms, of which a sample has one or more
// (a sequence: one a token that counts), and means are over terms. As a Layer,
// its Build calls Builder.SetLoss.
type Loss interface {
	Layer

	// Check says what is wrong with the labels or targets of b for outputs of
	// shape out, nil if nothing is.
	Check(out Shape, b Batch) error

	// Terms returns the number of terms of b.
	Terms(b Batch) int

	// Apply returns the sum of b's terms, and sets dout, if wanted, to the
	// gradient of scale times that sum. dout may share out's memory.
	Apply(out Tensor, b Batch, scale float32, dout Tensor) (sum float64)

	// Predict turns outputs into predictions, in place.
	Predict(out Tensor)
}

package op

// Layer is a part of a network as users write it: net.Dense{Out: 10}, or a type of
// their own.
type Layer interface {
	// Build appends the layer's ops to a program, and returns the value that they
	// end in.
	Build(b Builder, in Value) (Value, error)
}

// Value is a value of a program: the model's input, or the output of an op.
type Value int

// Builder makes a program, op by op. The layer that is being built gives its ops
// and parameters their names.
type Builder interface {
	// Shape returns the shape of a sample of v.
	Shape(v Value) Shape

	// Add appends an op with its inputs, and returns its output, of shape out.
	Add(op Op, out Shape, in ...Value) (Value, error)

	// Reshape returns in with samples of another shape and the same elements. It
	// costs nothing.
	Reshape(in Value, shape Shape) (Value, error)

	// Chain builds layers one behind the other. They are named by their places and
	// types, as in "0.Dense".
	Chain(in Value, layers ...Layer) (Value, error)

	// Inner builds a layer that is part of the one being built, and gives it a name
	// there: the parameters of "body" in layer 3, a Residual, begin with
	// "3.Residual.body.". Parts of one layer must have different names.
	Inner(name string, layer Layer, in Value) (Value, error)

	// SetLoss ends the program with a loss that reads v, which must be the last
	// value.
	SetLoss(loss Loss, v Value) (Value, error)
}

// Loss ends a program: it compares outputs with a batch's labels or targets, and
// returns one number. A loss is a sum over terms. A sample has one or more of them,
// and means are over terms. As a Layer, a loss calls Builder.SetLoss in Build.
type Loss interface {
	Layer

	// Validate returns an error unless the labels or targets of b fit outputs of
	// shape out.
	Validate(out Shape, b Batch) error

	// Terms returns the number of terms of b.
	Terms(b Batch) int

	// Apply returns the sum of b's terms, and sets dout, if wanted, to the
	// gradient of scale times that sum. dout may share out's memory.
	Apply(out Tensor, b Batch, scale float32, dout Tensor) (sum float64)

	// Predict turns outputs into predictions, in place.
	Predict(out Tensor)
}

package op

// Layer is a part of a network as users write it, such as net.Dense{Out: 10}.
type Layer interface {
	// Build appends the layer's ops to a program, and returns their output. in is the layer's
	// input. Fields or an input shape that don't fit are an error, which needn't name the
	// layer: Compile adds the name and the shape.
	Build(b Builder, in Value) (Value, error)
}

// Value identifies a value of a program: the model's input, or the output of an op.
type Value int

// Builder appends ops to a program. Ops and parameters are named after the layer being built.
type Builder interface {
	// Shape returns the shape of a sample of v, of the longest one if v is a sequence.
	Shape(v Value) Shape

	// Sequence reports whether v is a sequence, whose samples have a row for each token.
	Sequence(v Value) bool

	// Ops returns the number of ops so far, and Op the one of an index, for layers that use the
	// parameters of another.
	Ops() int
	Op(i int) Op

	// Add appends an op with at least one input, and returns its output, whose samples have
	// shape out. Traits that contradict each other, or the interfaces that the op implements,
	// are an error.
	Add(op Op, out Shape, in ...Value) (Value, error)

	// Reshape returns in with samples of another shape of the same size. It costs nothing. A
	// sequence can't be reshaped.
	Reshape(in Value, shape Shape) (Value, error)

	// Chain builds layers one behind the other, and returns the last one's output. They are
	// named by their index and type, as in "0.Dense".
	Chain(in Value, layers ...Layer) (Value, error)

	// Inner builds a layer inside the one being built, under a name. The parameters of "body"
	// in layer 3, a Residual, have names that begin with "3.Residual.body.". Two inner layers
	// of one layer must have different names.
	Inner(name string, layer Layer, in Value) (Value, error)

	// SetLoss ends the program with a loss that reads v, which must be the last value, and
	// returns v.
	SetLoss(loss Loss, v Value) (Value, error)
}

// Loss ends a program. It compares outputs with a batch's labels or targets, and is a sum of terms,
// one or more for each sample. The loss of a batch is the mean of its terms. Build calls
// Builder.SetLoss.
type Loss interface {
	Layer

	// Validate returns an error unless the labels or targets of b fit outputs of shape out.
	Validate(out Shape, b Batch) error

	// Terms returns the number of terms of b.
	Terms(b Batch) int

	// Apply returns the sum of b's terms. If dout is wanted, it sets dout to the gradient of
	// scale times that sum. dout may share out's memory. It is called for any run of a batch's
	// samples: for a single one it returns that sample's terms.
	Apply(out Tensor, b Batch, scale float32, dout Tensor) (sum float64)

	// Predict turns outputs into predictions in place, for example logits into probabilities.
	Predict(out Tensor)
}

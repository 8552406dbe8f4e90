// Package flatness measures how flat the loss of a model is around its parameters: the largest
// eigenvalues, the trace and the spectral density of the Hessian, how much the loss rises within a
// ball, and how it runs along lines and planes.
//
//	s, err := flatness.New(model, params, batches, flatness.Config{Seed: 1})
//	spectrum, err := s.Spectrum(ctx, 5)
//	fmt.Println(spectrum.Eigenvalues) // the five largest, the largest first
//
// The loss is the mean over all terms of the batches, one term a sample in classification. Only
// these samples count, so give the same ones to models that are to be compared. Dropout is off.
// Mode says by which statistics BatchNorms normalize. Each result says which samples and which mode
// it is of, and has the loss and the norm of the gradient there: where the gradient isn't small,
// the parameters aren't at a minimum.
//
// Products of the Hessian and a vector are central differences of the gradient. docs/FLATNESS.md
// has the definitions, how exact the numbers are, and what they cost.
//
// Results depend on the seed, the parameters, the batches and the instruction set. They are the
// same bit for bit on any number of workers.
package flatness

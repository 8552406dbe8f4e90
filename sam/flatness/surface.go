package flatness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/simd"
)

// Mode says by which statistics BatchNorms normalize while the loss is measured.
type Mode string

// The modes.
const (
	// Running is the loss of the model in use: BatchNorms normalize by their running means and
	// variances, which are constants. Samples don't see each other.
	Running Mode = "running"
	// Batch is the loss of the model in training: BatchNorms normalize by the means and variances
	// of each batch, which depend on the parameters. How the samples are cut into batches is then
	// part of the result.
	Batch Mode = "batch"
	// None is the mode in results for a model without BatchNorm, to which the others are one.
	None Mode = "none"
)

// Modes lists the modes that Config takes.
var Modes = []Mode{Running, Batch}

// Config says how a Surface is measured. The zero value is a good one.
type Config struct {
	Seed    uint64 // of random vectors and directions
	Workers int    // goroutines; 0 is the number of physical cores; changes no result
	Mode    Mode   // "" is Running

	// Progress, if not nil, is called now and then while a method runs, on its goroutine.
	Progress func(Progress)
}

// Progress says how far a method has come.
type Progress struct {
	Method string // in lower case, as in "spectrum"
	Done   int    // passes through all samples, each with the backward pass or without
	Most   int    // the most that there can be; a spectrum takes fewer as a rule
}

// Surface is the loss of a model on some samples, as a function of its parameters. It has memory
// for the parameters and gradients, and of each worker for a pass. It serves one goroutine at a
// time.
type Surface struct {
	model   *net.Model
	params  *net.Params
	config  Config
	batches []net.Batch
	terms   float64     // of the loss, of all samples
	eval    *evaluation // of the loss and its gradient
	near    *evaluation // of the gradient, as if ReLUs didn't switch; nil before the first product

	about    About
	known    bool      // about.Loss and about.GradientNorm are
	gradient []float32 // at the parameters, if known
	up, down []float32 // parameters on both sides, for products
	state    []float32 // running state along a line
	progress Progress  // of the method under way
}

// About says what a result is of. It is part of every result.
type About struct {
	Samples      int     `json:"samples"`       // whose mean loss it is
	Batches      int     `json:"batches"`       // that they were given in; of no effect unless Mode is Batch
	Mode         Mode    `json:"normalization"` // of BatchNorms: "running", "batch", or "none" if there are none
	Parameters   int     `json:"parameters"`    // of the model
	Seed         uint64  `json:"seed"`          // of random vectors
	Loss         float64 `json:"loss"`          // at the parameters
	GradientNorm float64 `json:"gradient_norm"` // at the parameters
}

// New returns the loss of a model on the samples of batches, around params. It has a copy of the
// parameters; the batches must stay as they are.
//
// It is an error if the model has no parameters, if params don't have its lengths or aren't finite,
// and if there are no batches, or one that doesn't fit the model. In mode Batch a batch must have
// as many samples as the model's MinShard.
func New(model *net.Model, params *net.Params, batches []net.Batch, config Config) (*Surface, error) {
	if err := validate(model, params, batches, &config); err != nil {
		return nil, fmt.Errorf("flatness: %w", err)
	}
	s := &Surface{
		model: model, params: params.Clone(), config: config,
		about: About{Batches: len(batches), Mode: modeOf(model, config.Mode), Parameters: model.NumParams(), Seed: config.Seed},
	}
	for _, b := range batches {
		s.about.Samples += b.N
		s.terms += float64(model.Loss().Terms(b))
	}
	if s.terms == 0 {
		return nil, fmt.Errorf("flatness: the loss has no term on the %d samples", s.about.Samples)
	}
	s.up, s.down = make([]float32, model.NumParams()), make([]float32, model.NumParams())
	s.eval = newEvaluation(model.Program(), batches, config.Workers, s.about.Mode, 1/s.terms, nil)
	s.batches = batches
	return s, nil
}

// About returns what results will be of, before anything is measured: without the loss and the
// gradient.
func (s *Surface) About() About { return s.about }

// validate completes config, and returns an error unless all arguments fit together.
func validate(model *net.Model, params *net.Params, batches []net.Batch, config *Config) error {
	switch {
	case model == nil:
		return errors.New("no model")
	case model.NumParams() == 0:
		return errors.New("the model has no parameters, so its loss has no shape")
	case len(batches) == 0:
		return errors.New("no batches: the loss needs at least one sample")
	case config.Workers < 0:
		return fmt.Errorf("Workers is %d, want at least 1, or 0 for the number of cores", config.Workers)
	}
	config.Workers = cmp.Or(config.Workers, parallel.DefaultWorkers())
	if config.Mode = cmp.Or(config.Mode, Running); config.Mode != Running && config.Mode != Batch {
		return fmt.Errorf("Mode is %q, want %q or %q", config.Mode, Running, Batch)
	}
	if err := validateParams(model, params); err != nil {
		return err
	}
	for i, b := range batches {
		if err := model.ValidateBatch(b); err != nil {
			return fmt.Errorf("batch %d of %d: %w", i, len(batches), err)
		}
		if config.Mode == Batch && b.N < model.MinShard() {
			return fmt.Errorf("batch %d of %d has %d samples, the model's normalization needs at least %d", i, len(batches), b.N, model.MinShard())
		}
	}
	return nil
}

// validateParams returns an error unless params fit the model and are finite.
func validateParams(model *net.Model, params *net.Params) error {
	if err := model.ValidateParams(params); err != nil {
		return err
	}
	if v, i, is := nonFinite(model.Params(), params.Values); is {
		return fmt.Errorf("parameter %d of %s is %v, want finite ones", i, v.Name, v.Of(params.Values)[i])
	}
	if v, i, is := nonFinite(model.State(), params.State); is {
		return fmt.Errorf("running state %d of %s is %v, want finite ones", i, v.Name, v.Of(params.State)[i])
	}
	return nil
}

// nonFinite finds an element of flat that isn't finite.
func nonFinite(views []net.View, flat []float32) (v net.View, i int, is bool) {
	for _, v := range views {
		if i := num.FirstNonFinite(v.Of(flat)); i >= 0 {
			return v, i, true
		}
	}
	return v, 0, false
}

// modeOf returns the mode that a model is measured in, of the one that is wanted.
func modeOf(model *net.Model, wanted Mode) Mode {
	mode := None
	for _, o := range model.Program().Ops() {
		switch {
		case o.Traits.Couples && len(o.Traits.State) == 0:
			return Batch // it has nothing but the batch to go by
		case o.Traits.Couples:
			mode = wanted
		}
	}
	return mode
}

// begin is the start of every method: it measures the loss and the gradient at the parameters,
// unless they are known. most is how many passes the method takes besides.
func (s *Surface) begin(ctx context.Context, method string, most int) error {
	s.progress = Progress{Method: method, Most: most}
	if s.known {
		return nil
	}
	s.progress.Most++
	loss, err := s.gradientAt(ctx, s.params.Values)
	if err != nil {
		return err
	}
	norm := math.Sqrt(simd.SumSquares(s.eval.sum32()))
	if !num.Finite(loss) || !num.Finite(norm) {
		return fmt.Errorf("at the parameters the loss is %v and the gradient's norm %v, want finite ones", loss, norm)
	}
	s.gradient = append(s.gradient[:0], s.eval.sum32()...)
	s.about.Loss, s.about.GradientNorm, s.known = loss, norm, true
	return nil
}

// lossAt returns the loss at parameters w, with the running state at of them; nil is that of the
// Surface.
func (s *Surface) lossAt(ctx context.Context, w, state []float32) (float64, error) {
	return s.evaluate(ctx, s.eval, false, point{w, s.stateOr(state)})
}

// gradientAt returns the loss at parameters w. Its gradient is then in s.eval.
func (s *Surface) gradientAt(ctx context.Context, w []float32) (float64, error) {
	return s.evaluate(ctx, s.eval, true, point{w, s.params.State})
}

func (s *Surface) stateOr(state []float32) []float32 {
	if state == nil {
		return s.params.State
	}
	return state
}

// evaluate runs all samples through the model at one point, or at two.
func (s *Surface) evaluate(ctx context.Context, e *evaluation, gradient bool, points ...point) (loss float64, err error) {
	loss, err = e.run(ctx, gradient, points...)
	if err != nil {
		return 0, err
	}
	s.progress.Done += len(points)
	if s.config.Progress != nil {
		s.config.Progress(s.progress)
	}
	return loss, nil
}

// wrap adds the package's name and the method's to an error.
func wrap(method string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("flatness: %s: %w", method, err)
}

var _ program.Gradients = (*worker)(nil)

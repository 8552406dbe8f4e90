package study

import (
	"context"
	"fmt"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam/flatness"
)

// FlatnessConfig says how the flatness of final models is measured.
type FlatnessConfig struct {
	Samples int     // training samples, the same for all models
	Rho     float64 // radius of the sharpness
	Labels  string  // TrainedLabels or TrueLabels, of samples that are relabeled
}

// The labels that flatness is measured with, where some samples are relabeled. With the labels that
// a model was trained with, the loss is the one that training made small.
const (
	TrainedLabels = "trained"
	TrueLabels    = "true"
)

// Flatness is that of a final model. Where it couldn't be measured, such as at parameters that gave
// a loss that isn't finite, Problem says why, and Lambda1 and Sharpness are 0.
type Flatness struct {
	Samples int     `json:"samples"`
	Labels  string  `json:"labels"`
	Mode    string  `json:"mode"` // flatness.Mode
	Rho     float64 `json:"rho"`

	Lambda1   float64 `json:"lambda1"`   // largest eigenvalue of the loss's Hessian
	Sharpness float64 `json:"sharpness"` // the most that the loss was found to rise in the ball of Rho
	Loss      float64 `json:"loss"`      // on these samples
	Problem   string  `json:"problem,omitempty"`
}

const (
	flatnessSeed  = 1   // of the choice of samples, and of random vectors; all runs have the same
	flatnessBatch = 256 // samples of a batch
)

func (c *FlatnessConfig) validate(samples int) error {
	switch {
	case c.Samples < 1 || c.Samples > samples:
		return badField("Flatness.Samples", "is %d, want 1 to %d, the training samples", c.Samples, samples)
	case !(c.Rho > 0):
		return badField("Flatness.Rho", "is %v, want a positive number", c.Rho)
	case c.Labels != TrainedLabels && c.Labels != TrueLabels:
		return badField("Flatness.Labels", "is %q, want %q or %q", c.Labels, TrainedLabels, TrueLabels)
	}
	return nil
}

// flattens reports whether the flatness of a run's model is measured: that of final runs of equal
// epochs. It takes about as long as training.
func (s *Study) flattens(run Run) bool {
	return s.Flatness != nil && run.Stage == Final && run.Epochs == 0
}

// fits reports whether f was measured as c asks.
func (c FlatnessConfig) fits(f *Flatness) bool {
	return c == FlatnessConfig{f.Samples, f.Rho, f.Labels}
}

// flatness measures the flatness of a run's model. The error is that of ctx, or of the data.
func (s *Study) flatness(ctx context.Context, run Run, params *net.Params, workers int) (*Flatness, error) {
	f := &Flatness{Samples: s.Flatness.Samples, Labels: s.Flatness.Labels, Rho: s.Flatness.Rho}
	set, err := s.flatnessSet(run)
	if err != nil {
		return nil, err
	}
	var batches []net.Batch
	for first := 0; first < set.Len(); first += flatnessBatch {
		batches = append(batches, set.Range(first, min(flatnessBatch, set.Len()-first)))
	}
	problem := func() error {
		surface, err := flatness.New(s.Model, params, batches, flatness.Config{Seed: flatnessSeed, Workers: workers})
		if err != nil {
			return err
		}
		f.Mode = string(surface.About().Mode)
		spectrum, err := surface.Spectrum(ctx, 1)
		if err != nil {
			return err
		}
		sharpness, err := surface.Sharpness(ctx, ball(f.Rho))
		if err != nil {
			return err
		}
		f.Lambda1, f.Sharpness, f.Loss = spectrum.Eigenvalues[0], sharpness.Worst, sharpness.Loss
		return nil
	}()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case problem != nil:
		f.Problem = problem.Error()
	}
	return f, nil
}

// ball returns the neighborhood of the worst-case sharpness: one ascent, since the study has a model
// of each seed, and as few random points as there can be, since it doesn't want their average.
func ball(rho float64) flatness.Ball { return flatness.Ball{Rho: rho, Starts: 1, Draws: 4} }

// flatnessSet returns the samples that the flatness of a run's model is measured on, as the model
// was trained on them but for augmentation.
func (s *Study) flatnessSet(run Run) (*dataset.Set, error) {
	if s.Flatness.Labels == TrueLabels {
		run.Noise = 0
	}
	set, _, err := s.sets(run)
	if err != nil {
		return nil, err
	}
	labels := set.Labels
	numbered := *set // by the true labels, so that the choice doesn't depend on the noise
	numbered.Labels, numbered.Targets = s.Train.Labels, make([]float32, set.Len())
	for i := range numbered.Targets {
		numbered.Targets[i] = float32(i)
	}
	if set, err = numbered.Subset(s.Flatness.Samples, flatnessSeed); err != nil {
		return nil, err
	}
	for i, sample := range set.Targets {
		set.Labels[i] = labels[int(sample)]
	}
	set.Targets = nil
	return set.Load()
}

// flatnessRow returns the flatness of a row's models; nil if no result has any.
func flatnessRow(results []Result) *FlatnessRow {
	var row *FlatnessRow
	for _, r := range results {
		if r.Details == nil || r.Details.Flatness == nil {
			continue
		}
		f := r.Details.Flatness
		if row == nil {
			row = &FlatnessRow{Samples: f.Samples, Labels: f.Labels, Mode: f.Mode, Rho: f.Rho}
		}
		if f.Problem != "" {
			row.Problems = append(row.Problems, fmt.Sprintf("seed %d: %s", r.Seed, f.Problem))
			continue
		}
		row.Mode = f.Mode
		row.Seeds = append(row.Seeds, r.Seed)
		row.Lambda1s, row.Sharpnesses = append(row.Lambda1s, f.Lambda1), append(row.Sharpnesses, f.Sharpness)
	}
	if row != nil && row.Seeds != nil {
		row.Lambda1, row.Sharpness = stats.MeanOf(row.Lambda1s), stats.MeanOf(row.Sharpnesses)
	}
	return row
}

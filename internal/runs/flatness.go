package runs

import (
	"context"
	"fmt"
	"time"

	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/sam/flatness"
)

// FlatnessOptions says what Minimum.Measure measures besides the loss and the gradient, and how.
type FlatnessOptions struct {
	Top     int     // eigenvalues of the Hessian, the largest ones
	Rho     float64 // radius of the ball of sharpness; the adaptive one has adaptiveRho times that
	Line    bool    // measure the loss along lines, too
	Plane   bool    // measure it on a plane
	Density bool    // measure the spectral density
	Mode    flatness.Mode
	Seed    uint64 // of random vectors and directions
	Workers int

	// Progress, if not nil, is called now and then with the part that is done, from 0 to 1, and with
	// what is being measured. Eigenvalues come sooner or later, so the part can jump.
	Progress func(part float64, what string)
}

const (
	adaptiveRho  = 10 // ASAM's usual rho is that many times SAM's
	traceProbes  = 32
	densityRuns  = 2
	densitySteps = 30
	randomLines  = 3  // of which the first is drawn beside other runs
	linePoints   = 25 // on each line
	planePoints  = 21 // on each axis of a plane
	sharpReach   = 8  // radii that the line along the sharpest direction reaches to both sides
)

// Flatness is how flat a minimum is. Its JSON is a contract: renaming or dropping a field takes a
// new version. What wasn't measured is nil.
type Flatness struct {
	Folder   string   `json:"folder"`
	Weights  string   `json:"weights"`          // "best" or "last": the best epoch's, or the last step's
	Settings Settings `json:"settings"`         // of the run
	Of       int      `json:"training_samples"` // that the samples were chosen from
	Sum      string   `json:"samples_crc32"`    // two runs with one checksum were measured on the same samples
	flatness.About

	Spectrum  *flatness.Spectrum  `json:"spectrum,omitempty"`
	Trace     *flatness.Trace     `json:"trace,omitempty"`
	Sharpness *flatness.Sharpness `json:"sharpness,omitempty"`
	Adaptive  *flatness.Sharpness `json:"adaptive_sharpness,omitempty"`
	// Random are lines in random directions that are normalized by filter, the same for all models of
	// one kind, and Sharpest is that along the eigenvector of the largest eigenvalue.
	Random   []flatness.Line   `json:"random_lines,omitempty"`
	Sharpest *flatness.Line    `json:"sharpest_line,omitempty"`
	Density  *flatness.Density `json:"density,omitempty"`
	Plane    *flatness.Plane   `json:"plane,omitempty"` // of the first two random directions
	Seconds  float64           `json:"seconds"`
}

// Known reports whether anything was measured: at least the loss and the gradient.
func (f *Flatness) Known() bool { return f.Loss != 0 || f.GradientNorm != 0 }

// Measure measures how flat the minimum is. If ctx ends, or something can't be measured, it returns
// what is known by then, and the error.
func (m *Minimum) Measure(ctx context.Context, o FlatnessOptions) (*Flatness, error) {
	f := m.described()
	start := time.Now()
	measuring := &measuring{f: f, o: o}
	err := measuring.run(ctx, m)
	if f.Spectrum != nil {
		f.Spectrum.Vectors = nil // which are large
	}
	f.Seconds = time.Since(start).Seconds()
	if err != nil {
		err = fmt.Errorf("%s: %w", m.Dir, err)
	}
	return f, err
}

// described returns a Flatness without results.
func (m *Minimum) described() *Flatness {
	f := &Flatness{Folder: m.Dir, Weights: "best", Settings: m.Config.Settings, Of: m.Of, Sum: m.Sum}
	if m.Last {
		f.Weights = "last"
	}
	return f
}

// measuring is one call of Measure.
type measuring struct {
	f       *Flatness
	o       FlatnessOptions
	surface *flatness.Surface

	measures []measure
	done     float64 // cost of those that are over
	lineDone int     // lines of the measure under way that are over
}

// measure is one of the things to measure.
type measure struct {
	what string
	cost float64 // in passes without the backward one, about
	run  func(context.Context) error
}

// A pass with the backward one costs about as much as that many without.
const backward = 3

func (m *measuring) run(ctx context.Context, minimum *Minimum) (err error) {
	m.surface, err = flatness.New(minimum.Model, minimum.Params, minimum.Batches(), flatness.Config{
		Seed: m.o.Seed, Workers: m.o.Workers, Mode: m.o.Mode, Progress: m.progress,
	})
	if err != nil {
		return err
	}
	defer func() { m.f.About = m.surface.About() }()
	m.f.About = m.surface.About()
	m.plan()
	for len(m.measures) > 0 {
		if err := m.measures[0].run(ctx); err != nil {
			return err
		}
		m.done += m.measures[0].cost
		m.measures = m.measures[1:]
	}
	return nil
}

// plan lists what to measure.
func (m *measuring) plan() {
	o, top := m.o, min(m.o.Top, m.f.Parameters)
	m.add("eigenvalues", 2*backward*float64(30+4*top), func(ctx context.Context) error { return m.spectrum(ctx, top) })
	m.add("trace", 2*backward*traceProbes, m.trace)
	for _, adaptive := range []bool{false, true} {
		m.add("sharpness", backward*26+20, func(ctx context.Context) error { return m.sharpness(ctx, adaptive) })
	}
	if o.Line {
		m.add("lines", (randomLines+1)*linePoints, m.lines)
	}
	if o.Density {
		m.add("density", 2*backward*densityRuns*densitySteps, m.density)
	}
	if o.Plane {
		m.add("plane", planePoints*planePoints, m.plane)
	}
}

func (m *measuring) add(what string, cost float64, run func(context.Context) error) {
	m.measures = append(m.measures, measure{what, cost, run})
}

// progress is Config.Progress of the surface.
func (m *measuring) progress(p flatness.Progress) {
	if m.o.Progress == nil {
		return
	}
	now, all := m.measures[0], m.done
	for _, other := range m.measures {
		all += other.cost
	}
	part := float64(p.Done) / float64(p.Most)
	switch p.Method {
	case "spectrum": // which takes far fewer than the most as a rule
		part = min(1, float64(backward*p.Done)/now.cost)
	case "line":
		part = (float64(m.lineDone) + part) / (randomLines + 1)
	}
	m.o.Progress((m.done+part*now.cost)/all, now.what)
}

func (m *measuring) spectrum(ctx context.Context, top int) error {
	found, err := m.surface.Spectrum(ctx, top)
	if err == nil {
		m.f.Spectrum = &found
	}
	return err
}

func (m *measuring) trace(ctx context.Context) error {
	found, err := m.surface.Trace(ctx, traceProbes)
	if err == nil {
		m.f.Trace = &found
	}
	return err
}

func (m *measuring) sharpness(ctx context.Context, adaptive bool) error {
	ball, to := flatness.Ball{Rho: m.o.Rho}, &m.f.Sharpness
	if adaptive {
		ball, to = flatness.Ball{Rho: adaptiveRho * m.o.Rho, Adaptive: true}, &m.f.Adaptive
	}
	found, err := m.surface.Sharpness(ctx, ball)
	if err == nil {
		*to = &found
	}
	return err
}

// lines measures the loss along the random lines and the sharpest direction.
func (m *measuring) lines(ctx context.Context) error {
	reach := sharpReach * m.o.Rho
	sharpest, err := m.surface.Line(ctx, flatness.Axis{
		Direction: flatness.Direction{Name: "eigenvector of the largest eigenvalue", Values: m.f.Spectrum.Vectors[0]},
		From:      -reach, To: reach, Points: linePoints,
	})
	if err != nil {
		return err
	}
	m.f.Sharpest, m.lineDone = &sharpest, 1
	for i := range randomLines {
		line, err := m.surface.Line(ctx, flatness.Axis{Direction: m.surface.Random(i), Points: linePoints})
		if err != nil {
			return err
		}
		m.f.Random = append(m.f.Random, line)
		m.lineDone++
	}
	return nil
}

func (m *measuring) density(ctx context.Context) error {
	found, err := m.surface.Density(ctx, densityRuns, densitySteps)
	if err == nil {
		m.f.Density = &found
	}
	return err
}

func (m *measuring) plane(ctx context.Context) error {
	found, err := m.surface.Plane(ctx,
		flatness.Axis{Direction: m.surface.Random(0), Points: planePoints},
		flatness.Axis{Direction: m.surface.Random(1), Points: planePoints})
	if err == nil {
		m.f.Plane = &found
	}
	return err
}

// Bytes returns about how much memory Measure takes besides the samples and the parameters: for the
// vectors of the Lanczos iteration, which are the most for large models, for gradients, and for the
// passes of each worker.
func (m *Minimum) Bytes(o FlatnessOptions) uint64 {
	params, workers := uint64(m.Model.NumParams()), uint64(max(1, o.Workers))
	vectors := uint64(max(30+5*o.Top, densitySteps)) + 10
	return 4*params*(vectors+2*workers) + workers*m.passBytes()
}

// passBytes is the memory of one worker's pass, by which package flatness cuts the samples.
func (m *Minimum) passBytes() uint64 {
	const most, samples, rows = 256 << 20, 128, 512
	p, n := m.Model.Program(), samples
	if m.Model.Vocabulary() > 0 {
		n = max(1, rows/m.Model.InputShape()[0])
	}
	plan := p.PlanWorkspace(program.Size{Samples: n, Shards: 1, Shard: n, Backward: true, Factored: make([]bool, len(p.Ops()))}, nil)
	return min(most, uint64(plan.Bytes()))
}

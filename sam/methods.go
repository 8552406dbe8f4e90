package sam

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/lookup"
)

// Method is a named way to train: a row of the table Methods.
type Method struct {
	Name  string // in flags and JSON
	Title string // in papers
	About string // one line
	// Preset has the settings that make the method. Those that every method needs, such
	// as Base and Batch, are left out. A method whose Rho is 0 perturbs nothing and takes
	// no other Rho. A method whose Shards is 1 takes no other number of shards.
	Preset Config
}

// Methods lists the methods, each with settings to begin with.
var Methods = []Method{
	{
		Name: "sgd", Title: "SGD",
		About:  "the base optimizer, with nothing perturbed",
		Preset: Config{Rho: 0, Shards: 1},
	},
	{
		Name: "sam", Title: "SAM",
		About:  "one perturbation for the whole batch (arXiv 2010.01412)",
		Preset: Config{Rho: 0.05, Shards: 1},
	},
	{
		Name: "msam", Title: "mSAM",
		About:  "a perturbation for each shard of the batch (arXiv 2212.04343)",
		Preset: Config{Rho: 0.05, Shards: 8},
	},
	{
		Name: "asam", Title: "ASAM",
		About:  "SAM's perturbation, scaled by the weights (arXiv 2102.11600)",
		Preset: Config{Rho: 0.5, Shards: 1, Ascent: Ascent{Adaptive: true}},
	},
	{
		Name: "masam", Title: "mASAM",
		About:  "ASAM's perturbation, for each shard of the batch",
		Preset: Config{Rho: 0.5, Shards: 8, Ascent: Ascent{Adaptive: true}},
	},
	{
		Name: "sam-on", Title: "SAM-ON",
		About:  "SAM's perturbation, of normalizations only (arXiv 2306.04226)",
		Preset: Config{Rho: 0.5, Shards: 1, Ascent: Ascent{NormOnly: true}},
	},
	{
		Name: "msam-on", Title: "mSAM-ON",
		About:  "SAM-ON's perturbation, for each shard of the batch",
		Preset: Config{Rho: 0.5, Shards: 8, Ascent: Ascent{NormOnly: true}},
	},
	{
		Name: "sam-quarter", Title: "SAM-1/4",
		About:  "SAM's perturbation, by a quarter of the batch (arXiv 2110.08529)",
		Preset: Config{Rho: 0.05, Shards: 1, Ascent: Ascent{Fraction: 0.25}},
	},
	{
		Name: "sam-5", Title: "SAM-5",
		About:  "SAM's step in one of five, SGD's in the others (arXiv 2203.02714)",
		Preset: Config{Rho: 0.05, Shards: 1, Ascent: Ascent{Every: 5}},
	},
	{
		Name: "looksam", Title: "LookSAM",
		About:  "SAM's step in one of five, whose correction the others reuse (arXiv 2203.02714)",
		Preset: Config{Rho: 0.05, Shards: 1, Ascent: Ascent{Every: 5}, Descent: Descent{Look: 0.7}},
	},
	{
		Name: "mlooksam", Title: "mLookSAM",
		About:  "LookSAM with mSAM's step in one of five",
		Preset: Config{Rho: 0.05, Shards: 8, Ascent: Ascent{Every: 5}, Descent: Descent{Look: 0.7}},
	},
	{
		Name: "gsam", Title: "GSAM",
		About:  "SAM, less what the clean gradient has orthogonal to it (arXiv 2203.08065)",
		Preset: Config{Rho: 0.05, Shards: 1, Descent: Descent{Orthogonal: 0.4}},
	},
	{
		Name: "mgsam", Title: "mGSAM",
		About:  "GSAM with a perturbation for each shard of the batch",
		Preset: Config{Rho: 0.05, Shards: 8, Descent: Descent{Orthogonal: 0.4}},
	},
	{
		Name: "wsam", Title: "WSAM",
		About:  "the gradient, and nine times what SAM changes in it (arXiv 2305.15817)",
		Preset: Config{Rho: 0.05, Shards: 1, Descent: Descent{Weight: 0.9, Decoupled: true}},
	},
	{
		Name: "mwsam", Title: "mWSAM",
		About:  "WSAM with a perturbation for each shard of the batch",
		Preset: Config{Rho: 0.05, Shards: 8, Descent: Descent{Weight: 0.9, Decoupled: true}},
	},
	{
		Name: "fsam", Title: "Friendly SAM",
		About:  "SAM by what is new in the batch's gradient (arXiv 2403.12350)",
		Preset: Config{Rho: 0.05, Shards: 1, Ascent: Ascent{Sigma: 1, Lambda: 0.9}},
	},
	{
		Name: "mfsam", Title: "Friendly mSAM",
		About:  "mSAM by what is new in each shard's gradient",
		Preset: Config{Rho: 0.05, Shards: 8, Ascent: Ascent{Sigma: 1, Lambda: 0.9}},
	},
	{
		Name: "esam", Title: "ESAM",
		About:  "SAM by some tensors, on the samples whose loss it raises most (arXiv 2110.03141)",
		Preset: Config{Rho: 0.05, Shards: 1, Ascent: Ascent{Tensors: 0.6}, Descent: Descent{Samples: 0.5}},
	},
	{
		Name: "mesam", Title: "mESAM",
		About:  "ESAM's tensors, perturbed by each shard, and ESAM's samples of each shard",
		Preset: Config{Rho: 0.05, Shards: 8, Ascent: Ascent{Tensors: 0.6}, Descent: Descent{Samples: 0.5}},
	},
	{
		Name: "sam-3step", Title: "Multi-step SAM",
		About:  "SAM's perturbation by three steps of ascent, a third of rho each",
		Preset: Config{Rho: 0.05, Shards: 1, Ascent: Ascent{Steps: 3}},
	},
	{
		Name: "msam-3step", Title: "Multi-step mSAM",
		About:  "the same for each shard of the batch",
		Preset: Config{Rho: 0.05, Shards: 8, Ascent: Ascent{Steps: 3}},
	},
	{
		Name: "momentum-sam", Title: "Momentum-SAM",
		About:  "perturbed by the base optimizer's momentum, at its price; not mSAM (arXiv 2401.12033)",
		Preset: Config{Rho: 0.3, Shards: 1, Ascent: Ascent{Momentum: true}},
	},
	{
		Name: "sadt-noise", Title: "SADT by noise",
		About:  "the model learns from itself with noise on its weights (arXiv 2211.00310)",
		Preset: Config{Shards: 1, Teacher: Teacher{Weight: 1, Noise: 1e-4}},
	},
	{
		Name: "sadt-ascent", Title: "SADT by ascent",
		About:  "the model learns from itself at SAM's perturbation (arXiv 2211.00310)",
		Preset: Config{Rho: 0.05, Shards: 1, Teacher: Teacher{Weight: 1}},
	},
	{
		Name: "msadt-ascent", Title: "mSADT by ascent",
		About:  "SADT by ascent with a perturbation for each shard of the batch",
		Preset: Config{Rho: 0.05, Shards: 8, Teacher: Teacher{Weight: 1}},
	},
}

// Lookup returns the method of a name, or an error that lists all names.
func Lookup(name string) (Method, error) {
	return lookup.Row("method", Methods, func(m Method) string { return m.Name }, name)
}

// Perturbs reports whether the method has a radius to choose.
func (m Method) Perturbs() bool { return m.Preset.Rho != 0 }

// Plain reports whether the method is the base optimizer alone.
func (m Method) Plain() bool { return !m.Perturbs() && !m.Preset.Teacher.on() }

// Sharded reports whether the method has a number of shards to choose.
func (m Method) Sharded() bool { return m.Preset.Shards != 1 }

// With names the method with a number of shards, in words.
func (m Method) With(shards int) string {
	switch {
	case !m.Sharded():
		return m.Title
	case shards == 1:
		return m.Title + " with 1 shard"
	}
	return fmt.Sprintf("%s with %d shards", m.Title, shards)
}

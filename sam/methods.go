package sam

import (
	"fmt"
	"strings"
)

// Method is a named way to train: a row of the table Methods.
type Method struct {
	Name  string // as flags and JSON have it
	Title string // as papers write it
	About string
	// Preset is what makes the method: Config's fields but for those that every
	// method needs, such as Base and Batch. A method whose Rho is 0 perturbs
	// nothing and takes no other; one whose Shards is 1 has no shards to choose.
	Preset Config
}

// Methods lists the methods by name. Their settings are where to begin.
var Methods = []Method{
	{
		Name: "sgd", Title: "SGD",
		About:  "the base optimizer alone, with nothing perturbed",
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
}

// LookupMethod returns the method of a name, or an error that lists those
// there are.
func LookupMethod(name string) (Method, error) {
	var known []string
	for _, m := range Methods {
		if m.Name == name {
			return m, nil
		}
		known = append(known, m.Name)
	}
	return Method{}, fmt.Errorf("unknown method %q, want one of %s", name, strings.Join(known, ", "))
}

// Perturbs reports whether the method has a radius to choose.
func (m Method) Perturbs() bool { return m.Preset.Rho != 0 }

// Sharded reports whether the method has a number of shards to choose.
func (m Method) Sharded() bool { return m.Preset.Shards != 1 }

// With returns the method with the given number of shards in words.
func (m Method) With(shards int) string {
	switch {
	case !m.Sharded():
		return m.Title
	case shards == 1:
		return m.Title + " with 1 shard"
	}
	return fmt.Sprintf("%s with %d shards", m.Title, shards)
}

package main

import (
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/sam"
)

// Method is one row of the table of training methods.
type Method struct {
	Name  string // as flags and JSON have it
	Title string // as tables have it
	About string
	// Preset is what makes the method. A method whose Rho is 0 perturbs nothing
	// and takes no other; one whose Shards is 1 has no shards to choose.
	Preset sam.Config
}

// Methods lists the methods by the names that the command knows.
var Methods = []Method{
	{
		Name: "sgd", Title: "SGD",
		About:  "stochastic gradient descent, with nothing perturbed",
		Preset: sam.Config{Rho: 0, Shards: 1},
	},
	{
		Name: "sam", Title: "SAM",
		About:  "one perturbation for the whole batch (arXiv 2010.01412)",
		Preset: sam.Config{Rho: 0.05, Shards: 1},
	},
	{
		Name: "msam", Title: "mSAM",
		About:  "a perturbation for each shard of the batch (arXiv 2212.04343)",
		Preset: sam.Config{Rho: 0.05, Shards: 8},
	},
}

// lookupMethod returns the method of a name, or an error that lists those
// there are.
func lookupMethod(name string) (Method, error) {
	var known []string
	for _, m := range Methods {
		if m.Name == name {
			return m, nil
		}
		known = append(known, m.Name)
	}
	return Method{}, fmt.Errorf("unknown method %q, want one of %s", name, strings.Join(known, ", "))
}

// perturbs reports whether the method has a radius to choose.
func (m Method) perturbs() bool { return m.Preset.Rho != 0 }

// sharded reports whether the method has a number of shards to choose.
func (m Method) sharded() bool { return m.Preset.Shards != 1 }

// with returns m with the given number of shards in words.
func (m Method) with(shards int) string {
	switch {
	case !m.sharded():
		return m.Title
	case shards == 1:
		return m.Title + " with 1 shard"
	}
	return fmt.Sprintf("%s with %d shards", m.Title, shards)
}

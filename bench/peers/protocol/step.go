package protocol

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Step is one training step on a batch of random samples: forward, backward, and the update of the
// parameters by SGD with momentum.
type Step struct {
	Model   string `json:"model"`            // name in Models
	Input   [3]int `json:"input"`            // height, width and channels of a sample
	Classes int    `json:"classes"`          // labels are below it
	Batch   int    `json:"batch"`            // samples
	Method  string `json:"method"`           // SGD, SAM or MSAM
	Shards  int    `json:"shards,omitempty"` // of MSAM: each shard of the batch is perturbed by its own gradient
}

// The methods of Step.Method.
const (
	SGD  = "sgd"
	SAM  = "sam"
	MSAM = "msam"
)

// Model is a network that both sides have, and the shape of the samples that it is measured on.
type Model struct {
	Name    string // as in zoo.Models
	Input   [3]int // height, width and channels of a sample
	Classes int
}

// Models lists all models.
var Models = []Model{
	{"mlp", [3]int{28, 28, 1}, 10},
	{"lenet", [3]int{28, 28, 1}, 10},
	{"resnet20", [3]int{32, 32, 3}, 10},
}

// String returns the step as ParseStep reads it.
func (s Step) String() string {
	text := fmt.Sprintf("%s batch %d %s", s.Model, s.Batch, s.Method)
	if s.Shards > 0 {
		text += " " + strconv.Itoa(s.Shards)
	}
	return text
}

// Flops returns 0: the operations of a step are not counted.
func (s Step) Flops() float64 { return 0 }

// Validate returns what is wrong with a step.
func (s Step) Validate() error {
	shards := s.Shards > 0 && s.Shards <= s.Batch
	switch {
	case !slices.ContainsFunc(Models, func(m Model) bool { return m.Name == s.Model }):
		return fmt.Errorf("protocol: step of model %q, want one of %s", s.Model, modelNames())
	case min(s.Input[0], s.Input[1], s.Input[2], s.Classes) < 1:
		return fmt.Errorf("protocol: step on samples of %v in %d classes, want all at least 1", s.Input, s.Classes)
	case s.Batch < 1:
		return fmt.Errorf("protocol: step on a batch of %d samples, want at least 1", s.Batch)
	case s.Method != SGD && s.Method != SAM && s.Method != MSAM:
		return fmt.Errorf("protocol: step by %q, want %s, %s or %s", s.Method, SGD, SAM, MSAM)
	case shards != (s.Method == MSAM):
		return fmt.Errorf("protocol: step by %s on %d samples in %d shards, want 1 to the batch for %s and 0 for others", s.Method, s.Batch, s.Shards, MSAM)
	}
	return nil
}

func modelNames() string {
	var names []string
	for _, m := range Models {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

var stepFormat = regexp.MustCompile(`^ *([a-z0-9]+) +batch +(\d{1,6})(?: +(sgd|sam|msam +(\d{1,6})))? *$`)

// ParseStep reads a model, a batch and a method, as in "lenet batch 256 sgd", "lenet batch 256 sam"
// and "lenet batch 256 msam 8". The default method is SGD.
func ParseStep(text string) (s Step, err error) {
	parts := stepFormat.FindStringSubmatch(text)
	if parts == nil {
		return s, fmt.Errorf("protocol: step %q, want a model, its batch and the method, as in lenet batch 256 msam 8", text)
	}
	s = Step{Model: parts[1], Method: SGD}
	if parts[3] != "" {
		s.Method = strings.Fields(parts[3])[0]
	}
	s.Batch, _ = strconv.Atoi(parts[2]) // can't fail: the format allows few digits
	s.Shards, _ = strconv.Atoi(parts[4])
	if i := slices.IndexFunc(Models, func(m Model) bool { return m.Name == s.Model }); i >= 0 {
		s.Input, s.Classes = Models[i].Input, Models[i].Classes
	}
	return s, s.Validate()
}

package protocol

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Step is one training step on a batch of random samples: forward, backward, and the update of the
// parameters, by SGD with momentum for images and by AdamW for text.
type Step struct {
	Model   string `json:"model"`            // name in Models
	Input   [3]int `json:"input"`            // height, width and channels of an image; zeros for text
	Text    Text   `json:"text,omitzero"`    // how long a sample of text is; zero for images
	Classes int    `json:"classes"`          // labels are below it
	Batch   int    `json:"batch"`            // samples
	Method  string `json:"method"`           // SGD or AdamW, SAM or MSAM
	Shards  int    `json:"shards,omitempty"` // of MSAM: each shard of the batch is perturbed by its own gradient
}

// The methods of Step.Method.
const (
	SGD   = "sgd"   // of images
	AdamW = "adamw" // of text
	SAM   = "sam"
	MSAM  = "msam"
)

// Model is a network that both sides have, and the shape of the samples that it is measured on.
type Model struct {
	Name    string // as in zoo.Models
	Input   [3]int // height, width and channels of an image; zeros for text
	Text    Text   // zero for images
	Classes int
	encoder encoder // of text
}

// Models lists all models.
var Models = []Model{
	{Name: "mlp", Input: [3]int{28, 28, 1}, Classes: 10},
	{Name: "lenet", Input: [3]int{28, 28, 1}, Classes: 10},
	{Name: "resnet20", Input: [3]int{32, 32, 3}, Classes: 10},
	{Name: "text-tiny", Text: usualText, Classes: 15, encoder: encoder{layers: 2, width: 128, heads: 2}},
	{Name: "text-mini", Text: usualText, Classes: 15, encoder: encoder{layers: 4, width: 256, heads: 4}},
}

// model returns the step's row of Models.
func (s Step) model() (m Model, ok bool) {
	i := slices.IndexFunc(Models, func(m Model) bool { return m.Name == s.Model })
	if i < 0 {
		return m, false
	}
	return Models[i], true
}

// Plain returns the method that perturbs nothing.
func (s Step) Plain() string {
	if s.Text != (Text{}) {
		return AdamW
	}
	return SGD
}

// String returns the step as ParseStep reads it.
func (s Step) String() string {
	text := fmt.Sprintf("%s batch %d ", s.Model, s.Batch)
	if s.Text.Ragged() {
		text += "ragged "
	}
	text += s.Method
	if s.Shards > 0 {
		text += " " + strconv.Itoa(s.Shards)
	}
	return text
}

// Flops returns the operations in the products of a step on text, which has to compute gradients
// once, or twice with a perturbation. It is 0 for images, whose operations are not counted.
func (s Step) Flops() float64 {
	m, ok := s.model()
	if !ok || s.Text == (Text{}) {
		return 0
	}
	flops := m.encoder.gradientFlops(s.Lengths(0), s.Classes)
	if s.Method != AdamW {
		flops *= 2
	}
	return flops
}

// Validate returns what is wrong with a step.
func (s Step) Validate() error {
	shards := s.Shards > 0 && s.Shards <= s.Batch
	switch {
	case !slices.ContainsFunc(Models, func(m Model) bool { return m.Name == s.Model }):
		return fmt.Errorf("protocol: step of model %q, want one of %s", s.Model, modelNames())
	case s.Text != (Text{}) && (s.Input != [3]int{} || s.Classes < 1):
		return fmt.Errorf("protocol: step on text and on images of %v in %d classes, want one of the two, in at least 1 class", s.Input, s.Classes)
	case s.Text != (Text{}) && s.Text.validate() != nil:
		return s.Text.validate()
	case s.Text == (Text{}) && min(s.Input[0], s.Input[1], s.Input[2], s.Classes) < 1:
		return fmt.Errorf("protocol: step on samples of %v in %d classes, want all at least 1", s.Input, s.Classes)
	case s.Batch < 1:
		return fmt.Errorf("protocol: step on a batch of %d samples, want at least 1", s.Batch)
	case s.Method != s.Plain() && s.Method != SAM && s.Method != MSAM:
		return fmt.Errorf("protocol: step of %s by %q, want %s, %s or %s", s.Model, s.Method, s.Plain(), SAM, MSAM)
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

var stepFormat = regexp.MustCompile(`^ *([a-z0-9-]+) +batch +(\d{1,6})( +ragged)?(?: +(sgd|adamw|sam|msam +(\d{1,6})))? *$`)

// ParseStep reads a model, a batch and a method, as in "lenet batch 256 sgd", "lenet batch 256 sam"
// and "text-tiny batch 64 msam 8". The default method is the plain one. Samples of text have as
// many tokens as the model takes; after "ragged", their lengths differ.
func ParseStep(text string) (s Step, err error) {
	parts := stepFormat.FindStringSubmatch(text)
	if parts == nil {
		return s, fmt.Errorf("protocol: step %q, want a model, its batch and the method, as in lenet batch 256 msam 8", text)
	}
	s.Model = parts[1]
	m, _ := s.model()
	s.Input, s.Text, s.Classes = m.Input, m.Text, m.Classes
	s.Batch, _ = strconv.Atoi(parts[2]) // can't fail: the format allows few digits
	s.Shards, _ = strconv.Atoi(parts[5])
	if s.Method = s.Plain(); parts[4] != "" {
		s.Method = strings.Fields(parts[4])[0]
	}
	if parts[3] != "" {
		if s.Text == (Text{}) {
			return s, fmt.Errorf("protocol: step %q, but only samples of text can be ragged", text)
		}
		s.Text.Shortest = s.Text.Length / 4
	}
	return s, s.Validate()
}

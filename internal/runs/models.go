package runs

import (
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/zoo"
)

// What a run of a transformer has where nobody gave it: transformers hardly learn with plain SGD,
// and at their usual learning rates the first steps of AdamW want a warm-up.
const (
	transformerOptimizer = "adamw"
	transformerLR        = 5e-4
	languageLR           = 1e-3 // of language models, which overfit later
	transformerWarmup    = 10   // one epoch of warm-up in so many
	// transformerRho divides the default rho: on Brown and spam, text-tiny chose 0.002 to 0.02 by
	// validation, and at 0.05 it collapsed (docs/RESULTS.md).
	transformerRho = 5
)

// CompleteTransformer fills in what a transformer is trained with, where nobody gave it: the
// optimizer, and its warm-up.
func (s *Settings) CompleteTransformer(given func(flag string) bool) {
	if !given("optimizer") {
		s.Optimizer = transformerOptimizer
	}
	if !given("warmup") {
		s.Warmup = float64(s.Epochs) / transformerWarmup
	}
}

// UsualLR returns the learning rate that a model begins with under an optimizer.
func UsualLR(row zoo.Model, optimizer Optimizer) float64 {
	switch {
	case optimizer.Name != transformerOptimizer || !row.HasBlocks():
	case row.Language:
		return languageLR
	default:
		return transformerLR
	}
	return optimizer.LR
}

// completeModel fills in the settings that weren't given and whose defaults depend on the model:
// the optimizer, its warm-up, and whether samples are for a language model.
func (s *Settings) completeModel(row zoo.Model, given func(flag string) bool) error {
	if given("language") && s.Language != row.Language {
		return fmt.Errorf("--language=%v with --model %s, want one of %s", s.Language, s.Model,
			modelNames(func(m zoo.Model) bool { return m.Text != nil && m.Language == s.Language }))
	}
	if s.Dropout > 0 && !row.HasBlocks() {
		return fmt.Errorf("--dropout %v with --model %s, which has no transformer blocks: %s have", s.Dropout, s.Model, modelNames(zoo.Model.HasBlocks))
	}
	s.Language = row.Language
	if row.HasBlocks() {
		s.CompleteTransformer(given)
	}
	return nil
}

func isLanguage(m zoo.Model) bool { return m.Language }

// modelNames lists the models for which is holds.
func modelNames(is func(zoo.Model) bool) string { return strings.Join(zoo.Names(is), ", ") }

// CheckModel returns an error, in the words of the flags, if a model reads other samples than those
// of a set.
func CheckModel(row zoo.Model, data string, set *dataset.Set) error {
	switch {
	case row.Text != nil && !set.IsText() && dataset.IsTable(data):
		return fmt.Errorf("--model %s reads text, and --data %s has rows of numbers and words: --text names the column with the text", row.Name, data)
	case row.Text != nil && !set.IsText():
		return fmt.Errorf("--model %s reads text, and --data %s has samples of %v: want another of the two, or one of the models %s",
			row.Name, data, set.Shape, modelNames(func(m zoo.Model) bool { return m.Text == nil }))
	case row.Text == nil && set.IsText():
		return fmt.Errorf("--model %s reads no text, and --data %s has texts: want another of the two, or one of the models %s",
			row.Name, data, modelNames(func(m zoo.Model) bool { return m.Text != nil }))
	case set.IsText() && !row.Language && set.Labels == nil && set.Targets == nil:
		return fmt.Errorf("--model %s learns labels, and --data %s is text without any: want a table with --text and --label, or one of the models %s",
			row.Name, data, modelNames(isLanguage))
	}
	return nil
}

// CompileFor compiles a model for the samples of a set: a classifier, for a set without classes a
// model that predicts one number, or a language model.
func CompileFor(row zoo.Model, set *dataset.Set) (*net.Model, error) {
	return compile(row, set.Shape, set.Vocabulary, set.Classes)
}

// compile is CompileFor for samples of a shape; vocabulary is 0 unless they are text.
func compile(row zoo.Model, input net.Shape, vocabulary, classes int) (*net.Model, error) {
	switch {
	case vocabulary > 0 && classes == 0 && !row.Language:
		return row.RegressorText(vocabulary, input[0], 1)
	case vocabulary > 0:
		return row.CompileText(vocabulary, input[0], classes)
	case classes == 0:
		return row.Regressor(input, 1)
	}
	return row.Compile(input, classes)
}

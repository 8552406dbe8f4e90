package campaign

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/dataset/catalog"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
)

// defaultMethods are those of a part that names none.
var defaultMethods = []string{"sgd", "sam", "msam", "asam"}

// check completes a part, and finds what is wrong with it as far as that shows without the data's
// samples. A key whose value was wrong already has its zero, and isn't looked at again.
func (p *Part) check(problems *Problems) {
	p.checkModel(problems)
	p.checkData(problems)
	p.checkMethods(problems)
	if p.Batch > 0 && p.given("shards") {
		for _, n := range p.Shards {
			if n > p.Batch {
				problems.add(p.at("shards"), "shards has %d, more than the %d samples of a batch", n, p.Batch)
			}
		}
	}
	if p.Epochs > 0 && p.Warmup >= float64(p.Epochs) && p.Warmup > 0 {
		problems.add(p.at("warmup"), "warmup is %v epochs, want less than the %d epochs", p.Warmup, p.Epochs)
	}
	if p.Samples > 0 && p.Batch > p.Samples {
		problems.add(p.at("batch"), "batch is %d, more than the %d samples", p.Batch, p.Samples)
	}
}

// checkModel completes what depends on the model.
func (p *Part) checkModel(problems *Problems) {
	if p.Model == "" {
		if !p.given("model") {
			problems.add(p.line, "this part has no model, want one of %s", join(zoo.Names(func(zoo.Model) bool { return true })))
		}
		return
	}
	row, err := zoo.Lookup(p.Model)
	if err != nil {
		return // reading it has said so
	}
	if row.Language {
		problems.add(p.at("model"), "model %s is a language model, and a study compares accuracies of classifiers", p.Model)
		return
	}
	if row.HasBlocks() {
		p.Base.Model, p.Base.Epochs = p.Model, p.Epochs
		p.Base.CompleteTransformer(p.given)
		if !p.given("warmup") {
			p.Warmup = p.Base.Warmup
		}
	}
	if p.optimizer, err = runs.LookupOptimizer(p.Base.Optimizer); err != nil {
		return
	}
	if p.given("momentum") && !slices.Contains(p.optimizer.Own, "momentum") {
		problems.add(p.at("momentum"), "momentum with optimizer %s, which has none", p.Base.Optimizer)
	}
	if !p.given("lrs") {
		p.LRs = []float64{runs.UsualLR(row, p.optimizer)}
	}
	if !p.given("weight-decay") {
		p.Base.WeightDecay = p.optimizer.WeightDecay
	}
}

// checkData finds out whether the data is there, but doesn't read its samples.
func (p *Part) checkData(problems *Problems) {
	if !p.given("data") {
		problems.add(p.line, "this part has no data, want the name of a data set, a file or a folder")
		return
	}
	if p.Source.Data == "" {
		return
	}
	if err := p.Source.Validate(); err != nil {
		problems.add(p.line, "%s", inFileWords(err))
		return
	}
	if err := missing(p.Source.Data); err != nil {
		problems.add(p.at("data"), "%s", inFileWords(err))
	}
}

// missing returns an error if data isn't there that has to be. It says how to get it.
func missing(data string) error {
	if dataset.IsPath(data) {
		_, err := os.Stat(data)
		return err
	}
	for _, set := range catalog.Sets {
		if set.Name == data && (set.BuiltIn() || set.Here("")) {
			return nil
		}
	}
	if strings.HasPrefix(data, "synthetic:") {
		return nil // reading its shape takes its samples' time: Open does
	}
	_, _, err := dataset.Open(data) // says how to get it, or which names there are
	return err
}

// checkMethods finds what is wrong with the methods together.
func (p *Part) checkMethods(problems *Problems) {
	if !p.given("methods") {
		for _, name := range defaultMethods {
			p.Methods, p.methodLines = append(p.Methods, study.Variant{Method: name}), append(p.methodLines, p.line)
		}
	}
	has := func(name string) bool {
		return slices.ContainsFunc(p.Methods, func(v study.Variant) bool { return v.Method == name })
	}
	for i, v := range p.Methods {
		row, err := sam.Lookup(v.Method)
		if err != nil {
			continue
		}
		for _, n := range v.Shards {
			if p.Batch > 0 && n > p.Batch {
				problems.add(p.methodLines[i], "shards of %s has %d, more than the %d samples of a batch", v.Method, n, p.Batch)
			}
		}
		if err := p.standIn(row, v); err != nil {
			problems.add(p.methodLines[i], "%s: %s", v.Method, inFileWords(err))
		}
		if row.Sharded() && v.Shards == nil && !p.given("shards") && p.Batch > 0 {
			p.Shards = fitting(p.Shards, p.Batch)
		}
	}
	if len(p.LRs) > 1 && p.TuneLR == "sgd" && !has("sgd") {
		problems.add(p.at("methods"), "methods lacks sgd, which chooses among the %d lrs for all: add it, or say tune-lr: all", len(p.LRs))
	}
	if p.EqualTime && !has("sam") && len(p.Methods) > 0 {
		if p.given("equal-time") {
			problems.add(p.at("equal-time"), "equal-time is true, and methods lacks sam, whose time is the measure")
		}
		p.EqualTime = false
	}
}

// standIn returns an error if the settings of a method don't go together. It tries them on a small
// model that has all that methods ask of one. What depends on the part's own model shows once there
// is its data.
func (p *Part) standIn(row sam.Method, v study.Variant) error {
	model, err := net.Compile(net.Shape{2}, net.Dense{Out: 4}, net.LayerNorm{}, net.Dense{Out: 2})
	if err != nil {
		return err
	}
	c := row.Preset
	if v.Settings != "" {
		c = v.Preset
	}
	if row.Perturbs() && v.Rhos != nil {
		c.Rho = v.Rhos[0]
	}
	base := p.Base
	base.LR = 0.1
	optimizer := p.optimizer
	if optimizer.Rule == nil { // something is wrong with it, which is said elsewhere
		if optimizer, err = runs.LookupOptimizer("sgd"); err != nil {
			return err
		}
	}
	c.Batch, c.Base, c.Workers = 8*c.Shards, optimizer.Rule(&base), 1
	err = c.Validate(model)
	if field := new(optim.FieldError); c.Ascent.Momentum && errors.As(err, &field) && field.Field == "Ascent.Momentum" {
		return errors.New("it perturbs by the base optimizer's momentum, and momentum is 0")
	}
	return err
}

// fitting returns the numbers of shards that a batch has room for; the most that it has room for if
// that is none of them.
func fitting(shards []int, most int) []int {
	fits := slices.DeleteFunc(slices.Clone(shards), func(n int) bool { return n > most })
	if len(fits) == 0 {
		return []int{max(1, most)}
	}
	return fits
}

var (
	labelWords   = regexp.MustCompile(`for the \w+ \(--([a-z0-9-]+)\)`)
	flagWords    = regexp.MustCompile(`--([a-z])`)
	fieldNames   = regexp.MustCompile(`(^|[^.])\b(Rho|Adaptive)\b`)
	settingWords = regexp.MustCompile(`\b(Ascent|Descent|Teacher)\.([A-Z][A-Za-z]*)`)
	fieldWords   = regexp.MustCompile(`^study: (Recipe|Grid|Flatness)\.([A-Z][A-Za-z]*)`)
)

// inFileWords says an error in the words of a study file, where it speaks of flags or fields.
func inFileWords(err error) string {
	text := labelWords.ReplaceAllString(err.Error(), "for $1")
	text = strings.TrimPrefix(flagWords.ReplaceAllString(text, "$1"), "dataset: ")
	if before, after, ok := strings.Cut(text, "sam: "); ok {
		text = before + fieldNames.ReplaceAllStringFunc(after, strings.ToLower)
	}
	text = fieldWords.ReplaceAllStringFunc(text, func(s string) string {
		group, field, _ := strings.Cut(strings.TrimPrefix(s, "study: "), ".")
		if group == "Flatness" {
			return fmt.Sprintf("%s of flatness", keyOf(field))
		}
		return strings.Replace(keyOf(field), "l-rs", "lrs", 1)
	})
	return settingWords.ReplaceAllStringFunc(text, func(s string) string {
		group, field, _ := strings.Cut(s, ".")
		return strings.ToLower(group) + "." + keyOf(field)
	})
}

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// flagsOf has the flags that fields of configurations come from. A command has one of a field's
// flags at most.
var flagsOf = map[string][]string{
	"Batch": {"batch"}, "Recipe.Batch": {"batch"}, "Shards": {"shards"}, "Rho": {"rho", "rhos"}, "Clip": {"clip"},
	"Communicator": {mpiFlag}, "Units": {"units"}, "Workers": {"workers"}, "MaxMemory": {"max-memory"}, "Recipe.Epochs": {"epochs"},
	"SGD.LR": {"lr", "lrs"}, "SGD.Momentum": {"momentum"}, "SGD.WeightDecay": {"weight-decay"},
	"AdamW.LR": {"lr", "lrs"}, "AdamW.Beta1": {"beta1"}, "AdamW.Beta2": {"beta2"}, "AdamW.Epsilon": {"epsilon"},
	"AdamW.WeightDecay": {"weight-decay"},
	"RhoWithLR":         {"rho-schedule"},
	"Ascent.Eta":        {"eta"}, "Ascent.Fraction": {"ascent-fraction"}, "Ascent.Every": {"ascent-every"},
	"Ascent.Precision": {"ascent"},
	"Ascent.NormOnly":  {"method", "methods"}, "Ascent.Momentum": {"method", "methods"},
	"Grid.Methods": {"methods"}, "Grid.Rhos": {"rhos"}, "Grid.LRs": {"lrs"}, "Grid.Noise": {"label-noise"},
	"Grid.Seeds": {"seeds"}, "Grid.SelectionSeeds": {"selection-seeds"},
}

// problemOf has other words for what is wrong with a field, where the library's speak of fields
// that no flag has.
var problemOf = map[string]string{
	"RhoWithLR":       "is lr, and the method perturbs nothing",
	"Ascent.NormOnly": "perturbs normalizations only, and the model has none",
	"Ascent.Momentum": "perturbs by the base optimizer's momentum, and --momentum is 0",
}

// flagError returns an error that names a command's flag, if err is about the field of a
// configuration that the flag sets. Other errors stay as they are.
func flagError(flags *pflag.FlagSet, err error) error {
	var field *optim.FieldError
	if !errors.As(err, &field) {
		return err
	}
	candidates := flagsOf[field.Field]
	for _, o := range runs.Options {
		if o.Field == field.Field {
			candidates = []string{o.Flag}
		}
	}
	for _, flag := range candidates {
		if flags.Lookup(flag) != nil {
			problem := field.Problem
			if other, ok := problemOf[field.Field]; ok {
				problem = other
				switch flag {
				case "method":
					problem = fmt.Sprintf("%v %s", flags.Lookup(flag).Value, problem)
				case "methods":
					problem = "has one that " + problem
				}
			}
			return agree.Keep(err, fmt.Errorf("--%s %s", flag, problem))
		}
	}
	return err
}

// hintOfRefusal says what may help a run whose step was refused.
func hintOfRefusal(err error, s *runs.Settings) string {
	switch {
	case errors.Is(err, sam.ErrBatch):
		return "the data has a value that isn't a finite number"
	case errors.Is(err, sam.ErrVanishing):
		return "the model fits these samples perfectly, and SAM has no way up from there: fewer --epochs, --patience 1 or fewer --shards end the run before that"
	case errors.Is(err, sam.ErrPerturbed):
		return fmt.Sprintf("a smaller --rho (it is %v) or a smaller --lr (it is %v) may help", s.Rho, s.LR)
	case s.Clip == 0 && s.Warmup == 0:
		return fmt.Sprintf("a smaller --lr (it is %v) may help, and so may --warmup or --clip", s.LR)
	}
	return fmt.Sprintf("a smaller --lr (it is %v) may help", s.LR)
}

// rhoHint adds what may help to the error of a refused step of a command that has --rho and no
// learning rate to choose.
func rhoHint(err error) error {
	if errors.Is(err, sam.ErrPerturbed) {
		return &hintedError{err, "a smaller --rho may help"}
	}
	return err
}

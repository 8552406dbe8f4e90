package optim

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/blas"
)

func TestConfigErrors(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for want, rule := range map[string]Rule{
		"SGD.LR is 0, want a positive float32":                                                                SGD{},
		"SGD.LR is NaN, want a positive float32":                                                              SGD{LR: nan},
		"SGD.LR is 1e+39, want a positive float32":                                                            SGD{LR: 1e39},
		"SGD.LR is 1e-50, want a positive float32":                                                            SGD{LR: 1e-50},
		"SGD.Momentum is 1, want at least 0 and less than 1":                                                  SGD{LR: 1, Momentum: 1},
		"SGD.Momentum is 0.99999999999, which is 1 as a float32, want at least 0 and less than 1":             SGD{LR: 1, Momentum: 0.99999999999},
		"SGD.Momentum is NaN, want at least 0 and less than 1":                                                SGD{LR: 1, Momentum: nan},
		"SGD.Momentum is -0.5, want at least 0 and less than 1":                                               SGD{LR: 1, Momentum: -0.5},
		"SGD.WeightDecay is -1, want 0 or a positive float32":                                                 SGD{LR: 1, WeightDecay: -1},
		"SGD.WeightDecay is NaN, want 0 or a positive float32":                                                SGD{LR: 1, WeightDecay: nan},
		"SGD.WeightDecay is 1e-50, want 0 or a positive float32":                                              SGD{LR: 1, WeightDecay: 1e-50},
		"SGD.Nesterov is true and SGD.Momentum is 0, want Momentum > 0":                                       SGD{LR: 1, Nesterov: true},
		"AdamW.LR is 0, want a positive float32":                                                              AdamW{},
		"AdamW.LR is -1, want a positive float32":                                                             AdamW{LR: -1},
		"AdamW.Beta1 is 1, want more than 0 and less than 1":                                                  AdamW{LR: 1, Beta1: 1},
		"AdamW.Beta1 is 1e-50, which is 0 as a float32, want more than 0 and less than 1":                     AdamW{LR: 1, Beta1: 1e-50},
		"AdamW.Beta1 is NaN, want more than 0 and less than 1":                                                AdamW{LR: 1, Beta1: nan},
		"AdamW.Beta2 is -0.5, want more than 0 and less than 1":                                               AdamW{LR: 1, Beta2: -0.5},
		"AdamW.Beta2 is 0.99999999, which is 1 as a float32, want more than 0 and less than 1":                AdamW{LR: 1, Beta2: 0.99999999},
		"AdamW.Epsilon is -1e-08, want a positive float32":                                                    AdamW{LR: 1, Epsilon: -1e-8},
		"AdamW.Epsilon is 1e-50, want a positive float32":                                                     AdamW{LR: 1, Epsilon: 1e-50},
		"AdamW.WeightDecay is +Inf, want 0 or a positive float32":                                             AdamW{LR: 1, WeightDecay: inf},
		"optim.lion has learning rate 0 and weight decay 0, want a positive float32, and 0 or a positive one": lion{},
	} {
		assert.EqualError(t, Config{Rule: rule}.Validate(nil), "optim: "+want)
	}
	sgd := SGD{LR: 1}
	for want, cfg := range map[string]Config{
		"Rule is missing, such as SGD{LR: 0.1}":                                  {},
		"Clip is -1, want a finite number that isn't negative, 0 for no limit":   {Rule: sgd, Clip: -1},
		"Clip is NaN, want a finite number that isn't negative, 0 for no limit":  {Rule: sgd, Clip: nan},
		"Clip is +Inf, want a finite number that isn't negative, 0 for no limit": {Rule: sgd, Clip: inf},
		"Workers is -1, want at least 1, or 0 for the default":                   {Rule: sgd, Workers: -1},
		"both Workers (2) and Team (of 3) are given, want one of them":           {Rule: sgd, Workers: 2, Team: blas.NewTeam(3)},
	} {
		_, err := New(viewsOf(1), []float32{1}, cfg)
		assert.EqualError(t, err, "optim: "+want)
	}
	_, err := New(viewsOf(2), []float32{1}, Config{Rule: sgd})
	assert.EqualError(t, err, "optim: 1 values, and the views are of 2 parameters")
}

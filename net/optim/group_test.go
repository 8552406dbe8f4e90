package optim

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

func modelViews(t *testing.T) []net.View {
	t.Helper()
	m, err := net.Compile(net.Shape{2}, net.Dense{Out: 3}, net.BatchNorm{}, net.ReLU{}, net.Dense{Out: 2})
	require.NoError(t, err)
	return m.Params() // Dense 6 and 3, BatchNorm 3 and 3, Dense 6 and 2
}

func TestResolve(t *testing.T) {
	views := modelViews(t)
	rule := SGD{LR: 0.1, WeightDecay: 0.5}
	for name, c := range map[string]struct {
		groups []Group
		want   []Range
	}{
		"no group": {nil, []Range{{0, 23, 1, 0.5, false, false}}},
		"no decay": {
			[]Group{NoDecay(net.Bias, net.Norm)},
			[]Range{{0, 6, 1, 0.5, false, false}, {6, 15, 1, 0, false, false}, {15, 21, 1, 0.5, false, false}, {21, 23, 1, 0, false, false}},
		},
		"exact name": {
			[]Group{{Match: Names("0.Dense.bias"), LRFactor: 2}},
			[]Range{{0, 6, 1, 0.5, false, false}, {6, 9, 2, 0.5, false, false}, {9, 23, 1, 0.5, false, false}},
		},
		"glob and freeze": {
			[]Group{{Match: Names("0.*", "1.*"), Frozen: true}},
			[]Range{{0, 15, 1, 0.5, true, true}, {15, 23, 1, 0.5, false, false}},
		},
		"function": {
			[]Group{{Match: MatchFunc(func(v net.View) bool { return strings.HasPrefix(v.Name, "3") }), Unperturbed: true}},
			[]Range{{0, 15, 1, 0.5, false, false}, {15, 23, 1, 0.5, false, true}},
		},
		"several apply": {
			[]Group{
				{Match: Names("*"), LRFactor: 0.5, WeightDecay: new(0.25)},
				{Match: Roles(net.Weight), LRFactor: 4, Unperturbed: true},
				{Match: Names("3.*"), WeightDecay: new(0.125)},
				{Match: Names("3.Dense.bias"), Frozen: true},
			},
			[]Range{{0, 6, 2, 0.25, false, true}, {6, 15, 0.5, 0.25, false, false}, {15, 21, 2, 0.125, false, true}, {21, 23, 0.5, 0.125, true, true}},
		},
	} {
		got, err := Resolve(views, rule, c.groups)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
	}
}

func TestResolveErrors(t *testing.T) {
	views := modelViews(t)
	freeze := func(patterns ...string) Group { return Group{Match: Names(patterns...), Frozen: true} }
	for want, groups := range map[string][]Group{
		"optim: Groups[0]: Match is missing, such as Roles(net.Bias)":                                                              {{Frozen: true}},
		"optim: Groups[0]: Names has no pattern":                                                                                   {freeze()},
		`optim: Groups[1]: no parameter's name matches "0.Dense.wieght", near it are 0.Dense.weight, 3.Dense.weight, 0.Dense.bias`: {freeze("0.*"), freeze("1.*", "0.Dense.wieght")},
		`optim: Groups[0]: no parameter's name matches "*.scales", near it are 1.BatchNorm.scale, 0.Dense.bias, 3.Dense.bias`:      {freeze("*.scales")},
		`optim: Groups[0]: "[a" is no valid pattern: syntax error in pattern`:                                                      {freeze("[a")},
		"optim: Groups[0]: no parameter has a role of [gain], the parameters' roles are [weight bias norm]":                        {{Match: Roles("gain")}},
		"optim: Groups[0]: Match chooses none of the 6 parameters":                                                                 {{Match: MatchFunc(func(net.View) bool { return false })}},
		"optim: Groups[0]: LRFactor is -1, want a positive float32, or 0 for 1":                                                    {{Match: Names("*"), LRFactor: -1}},
		"optim: Groups[0]: LRFactor is NaN, want a positive float32, or 0 for 1":                                                   {{Match: Names("*"), LRFactor: math.NaN()}},
		"optim: Groups[0]: WeightDecay is -1, want 0 or a positive float32":                                                        {{Match: Names("*"), WeightDecay: new(-1.0)}},
		"optim: Groups[0]: WeightDecay is 1e+39, want 0 or a positive float32":                                                     {{Match: Names("*"), WeightDecay: new(1e39)}},
		"optim: Groups freeze all 6 parameters, want at least one to train":                                                        {freeze("*")},
		"optim: the learning rate of 0.Dense.weight is 2e+40, 0.5 times LRFactor 4e+40, want a positive float32":                   {{Match: Names("*"), LRFactor: 1e38}, {Match: Roles(net.Weight), LRFactor: 400}},
	} {
		_, err := Resolve(views, SGD{LR: 0.5}, groups)
		assert.EqualError(t, err, want)
	}

	_, err := Resolve(nil, SGD{LR: 1}, []Group{freeze("a")})
	assert.EqualError(t, err, `optim: Groups[0]: no parameter's name matches "a", there are no parameters`)
	_, err = Resolve(views[1:], SGD{LR: 1}, nil)
	assert.EqualError(t, err, "optim: parameter 0.Dense.bias begins at 6, want 0, where the one before ends")
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b        string
		whole, part int
	}{
		{"", "", 0, 0},
		{"abc", "", 3, 3},
		{"", "abc", 3, 0},
		{"kitten", "sitting", 3, 2},
		{"flaw", "lawn", 2, 1},
		{"same", "same", 0, 0},
		{"bias", "0.Dense.bias", 8, 0},
		{"bais", "0.Dense.bias.x", 12, 2},
	} {
		assert.Equal(t, c.whole, editDistance(c.a, c.b, false), "%q, %q", c.a, c.b)
		assert.Equal(t, c.part, editDistance(c.a, c.b, true), "%q, a part of %q", c.a, c.b)
	}
}

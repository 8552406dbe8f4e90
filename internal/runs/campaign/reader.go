package campaign

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/steppe-ml/steppe/internal/study"
)

// reader reads values of a file, and notes what is wrong with them. A value of a wrong kind is its
// type's zero.
type reader struct {
	problems *Problems
	key      string // of a part that is being read
}

func (r *reader) bad(n *yaml.Node, format string, args ...any) {
	r.problems.add(n.Line, format, args...)
}

// deref follows an alias.
func deref(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// kindOf says what a value is, for a message.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		return "an empty list"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "empty"
	}
	return strconv.Quote(n.Value)
}

// mapping calls take for each key of a mapping that is among keys, in the order of the file. what
// is what messages call the mapping.
func (r *reader) mapping(n *yaml.Node, what string, keys []string, take func(key string, value *yaml.Node)) {
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		r.bad(n, "%s is %s, want keys and values", what, kindOf(n))
		return
	}
	lines := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if first, ok := lines[key.Value]; ok {
			r.bad(key, "%s is given twice, first in line %d", key.Value, first)
			continue
		}
		lines[key.Value] = key.Line
		if !slices.Contains(keys, key.Value) {
			r.bad(key, "%s has an unknown key %q%s, want one of %s", what, key.Value, closest(key.Value, keys), strings.Join(keys, ", "))
			continue
		}
		value = deref(value)
		if value.Line == 0 {
			value.Line = key.Line
		}
		take(key.Value, value)
	}
}

// closest returns a hint at the key that a wrong one may mean, "" if none is near: one that has the
// same letters but for dashes and underscores, or the singular or the plural.
func closest(key string, keys []string) string {
	plain := func(s string) string {
		return strings.TrimSuffix(strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s)), "s")
	}
	for _, k := range keys {
		if plain(k) == plain(key) {
			return fmt.Sprintf(" (%s?)", k)
		}
	}
	return ""
}

// text reads a string.
func (r *reader) text(key string, n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.bad(n, "%s is %s, want a text", key, kindOf(n))
		return ""
	}
	return n.Value
}

// number reads a number that fits, or notes what is wanted.
func (r *reader) number(key string, n *yaml.Node, fits func(float64) bool, want string) float64 {
	x, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || err != nil || math.IsNaN(x) || math.IsInf(x, 0) || !fits(x) {
		r.bad(n, "%s is %s, want %s", key, unquoted(n, err), want)
		return 0
	}
	return x
}

// unquoted is kindOf, but for a number without quotes.
func unquoted(n *yaml.Node, notNumber error) string {
	if n.Kind == yaml.ScalarNode && notNumber == nil {
		return n.Value
	}
	return kindOf(n)
}

// whole reads a whole number of at least least.
func (r *reader) whole(key string, n *yaml.Node, least int) int {
	const most = 1 << 40
	x := r.number(key, n, func(x float64) bool { return x == math.Trunc(x) && x >= float64(least) && x < most },
		fmt.Sprintf("a whole number, at least %d", least))
	return int(x)
}

// truth reads true or false.
func (r *reader) truth(key string, n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		r.bad(n, "%s is %s, want true or false", key, kindOf(n))
		return false
	}
	return n.Value[0] == 't' || n.Value[0] == 'T'
}

// items returns the values of a list; one that is no list is a list of itself.
func items(n *yaml.Node) (list []*yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	for _, item := range n.Content {
		list = append(list, deref(item))
	}
	return list
}

// list reads the values of a list by read, and notes doubles. An empty list is wrong unless none is.
func list[T comparable](r *reader, key string, n *yaml.Node, empty bool, read func(key string, n *yaml.Node) T) (values []T) {
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 && !empty || n.Tag == "!!null" {
		r.bad(n, "%s is empty, want at least one value", key)
	}
	for _, item := range items(n) {
		before := len(r.problems.List)
		v := read(key, item)
		switch {
		case len(r.problems.List) > before:
			if n.Kind == yaml.SequenceNode {
				problem := &r.problems.List[before]
				problem.Text = strings.Replace(problem.Text, key+" is ", key+" has ", 1)
			}
		case slices.Contains(values, v):
			r.bad(item, "%s has %v twice", key, v)
		default:
			values = append(values, v)
		}
	}
	return values
}

// oneOf reads a name that is among some.
func (r *reader) oneOf(key string, n *yaml.Node, names []string) string {
	name := r.text(key, n)
	if name != "" && !slices.Contains(names, name) {
		r.bad(n, "%s is %q, want one of %s", key, name, strings.Join(names, ", "))
	}
	return name
}

// flatness reads what to measure of final models.
func (r *reader) flatness(p *Part, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!bool" && !r.truth("flatness", n) {
		p.Flatness = nil
		return
	}
	if p.Flatness == nil {
		p.Flatness = newPart().Flatness
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!bool" {
		return
	}
	r.mapping(n, "flatness", []string{"samples", "rho", "labels"}, func(key string, value *yaml.Node) {
		switch key {
		case "samples":
			p.Flatness.Samples = r.whole("samples of flatness", value, 1)
			p.lines["flatness.samples"] = value.Line
		case "rho":
			p.Flatness.Rho = r.number("rho of flatness", value, positive, "a positive number")
		case "labels":
			p.Flatness.Labels = r.oneOf("labels of flatness", value, []string{study.TrainedLabels, study.TrueLabels})
		}
	})
}

func positive(x float64) bool { return float32(x) > 0 && float32(x) <= math.MaxFloat32 }

func notNegative(x float64) bool { return x >= 0 && float32(x) <= math.MaxFloat32 }

package campaign

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/sam"
)

// groups are the fields of sam.Config that make methods: structs of settings, which a method of a
// file may change.
var groups = []string{"Ascent", "Descent", "Teacher"}

func methodNames() []string { return namesOf(sam.Methods, func(m sam.Method) string { return m.Name }) }

// methods reads the list of methods.
func (r *reader) methods(p *Part, n *yaml.Node) {
	p.Methods, p.methodLines = nil, nil
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 || n.Tag == "!!null" {
		r.bad(n, "methods is empty, want at least one")
		return
	}
	seen := map[string]int{} // lines by method and settings
	for _, item := range items(n) {
		v, ok := r.method(item)
		if !ok {
			continue
		}
		id := v.Method + " " + v.Settings
		if first, ok := seen[id]; ok {
			r.bad(item, "methods has %s twice, first in line %d", strings.TrimSpace(id), first)
			continue
		}
		seen[id] = item.Line
		p.Methods, p.methodLines = append(p.Methods, v), append(p.methodLines, item.Line)
	}
}

// method reads a method: its name, or a mapping with its name and what it has of its own.
func (r *reader) method(n *yaml.Node) (v study.Variant, ok bool) {
	before := len(r.problems.List)
	if n.Kind != yaml.MappingNode {
		v.Method = r.oneOf("method", n, methodNames())
		return v, len(r.problems.List) == before
	}
	known := []string{"method", "shards", "rhos", "lrs"}
	for _, group := range groups {
		if groupOf(&sam.Config{}, group).IsValid() {
			known = append(known, strings.ToLower(group))
		}
	}
	var settings []*yaml.Node // key, value, key, value
	r.mapping(n, "a method", known, func(key string, value *yaml.Node) {
		switch key {
		case "method":
			v.Method = r.oneOf("method", value, methodNames())
		case "shards":
			v.Shards = r.shards(value)
		case "rhos":
			v.Rhos = r.positives("rhos", value)
		case "lrs":
			v.LRs = r.positives("lrs", value)
		default:
			settings = append(settings, &yaml.Node{Value: key}, value)
		}
	})
	row, err := sam.Lookup(v.Method)
	if err != nil {
		if len(r.problems.List) == before {
			r.bad(n, "a method has no name: want the key method with one of %s", join(methodNames()))
		}
		return v, false
	}
	if v.Shards != nil && !row.Sharded() {
		r.bad(n, "%s has shards, and takes 1 only", v.Method)
	}
	if v.Rhos != nil && !row.Perturbs() {
		r.bad(n, "%s has rhos, and perturbs nothing", v.Method)
	}
	v.Preset = row.Preset
	for i := 0; i < len(settings); i += 2 {
		r.group(&v.Preset, settings[i].Value, settings[i+1])
	}
	v.Settings = difference(row.Preset, v.Preset)
	return v, len(r.problems.List) == before
}

// groupOf returns the struct of settings of that name, in lower case or not.
func groupOf(c *sam.Config, name string) reflect.Value {
	field := reflect.ValueOf(c).Elem().FieldByNameFunc(func(f string) bool { return strings.EqualFold(f, name) })
	if field.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return field
}

// settingsOf lists the settings of a group by their keys: fields that are numbers or truths.
func settingsOf(group reflect.Value) (keys []string, fields []reflect.Value) {
	for i := range group.NumField() {
		f := group.Type().Field(i)
		switch f.Type.Kind() {
		case reflect.Float64, reflect.Int, reflect.Bool:
			if f.IsExported() {
				keys, fields = append(keys, keyOf(f.Name)), append(fields, group.Field(i))
			}
		}
	}
	return keys, fields
}

// keyOf returns the key of a field: norm-only of NormOnly.
func keyOf(field string) string {
	var b strings.Builder
	for i, c := range field {
		if i > 0 && c >= 'A' && c <= 'Z' {
			b.WriteByte('-')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

// group reads settings of a method into the group's struct.
func (r *reader) group(c *sam.Config, name string, n *yaml.Node) {
	group := groupOf(c, name)
	keys, fields := settingsOf(group)
	r.mapping(n, name, keys, func(key string, value *yaml.Node) {
		field, what := fields[slices.Index(keys, key)], name+"."+key
		fits := rangeOf(what)
		switch field.Kind() {
		case reflect.Bool:
			was, is := field.Bool(), r.truth(what, value)
			if field.SetBool(is); was && !is && what != "descent.decoupled" {
				r.bad(value, "%s is false, which makes another method: name that", what)
			}
		case reflect.Int:
			field.SetInt(int64(r.number(what, value, fits.Fits, fits.Want)))
		default:
			field.SetFloat(r.number(what, value, fits.Fits, fits.Want))
		}
	})
}

// rangeOf returns what the number of a setting may be. None may be 0: that would be the default of
// sam.Config, which is another method or another value.
func rangeOf(setting string) runs.Range {
	for _, o := range runs.Options {
		if strings.ToLower(o.Field) == setting {
			return o.Range
		}
	}
	switch setting {
	case "ascent.every":
		return runs.Range{Fits: func(x float64) bool { return x == math.Trunc(x) && x >= 1 && x < 1<<31 }, Want: "a whole number, at least 1"}
	case "ascent.fraction":
		return runs.Range{Fits: func(x float64) bool { return x > 0 && x <= 1 }, Want: "more than 0 and at most 1"}
	}
	return runs.Range{Fits: positive, Want: "a positive number"}
}

// difference lists the settings of b that differ from a, as in "ascent.every=2, descent.look=0.5";
// "" if none does.
func difference(a, b sam.Config) string {
	var list []string
	for _, name := range groups {
		before, after := groupOf(&a, name), groupOf(&b, name)
		if !before.IsValid() {
			continue
		}
		keys, was := settingsOf(before)
		_, is := settingsOf(after)
		for i, key := range keys {
			if !was[i].Equal(is[i]) {
				list = append(list, fmt.Sprintf("%s.%s=%s", strings.ToLower(name), key, format(is[i])))
			}
		}
	}
	return strings.Join(list, ", ")
}

func format(v reflect.Value) string {
	if v.Kind() == reflect.Float64 {
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

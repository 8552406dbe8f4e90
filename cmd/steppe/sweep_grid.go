package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/internal/runs"
)

// axis is a flag with the values that a sweep varies it over.
type axis struct {
	flag   string
	values []string
}

// parseAxis parses FLAG=VALUE,VALUE.
func parseAxis(text string) (axis, error) {
	name, list, found := strings.Cut(text, "=")
	a := axis{flag: strings.TrimLeft(strings.TrimSpace(name), "-")}
	if !found || a.flag == "" {
		return a, fmt.Errorf("--vary %s: want a flag with its values, such as lr=0.01,0.1", text)
	}
	reader := csv.NewReader(strings.NewReader(list))
	reader.TrimLeadingSpace = true
	lines, err := reader.ReadAll()
	if err != nil || len(lines) != 1 {
		return a, fmt.Errorf("--vary %s: want values separated by commas, in double quotes if they have commas of their own", text)
	}
	for i, value := range lines[0] {
		value = strings.TrimSpace(value)
		if slices.Contains(lines[0][:i], value) {
			return a, fmt.Errorf("--vary %s has %s twice", text, value)
		}
		lines[0][i] = value
	}
	a.values = lines[0]
	return a, nil
}

// makeRuns makes a run of each combination of values, the last flag's fastest. Each has valid
// settings.
func (s *sweep) makeRuns(flags *pflag.FlagSet) error {
	if len(s.vary) == 0 {
		return errors.New("--vary is needed: a flag with its values, such as lr=0.01,0.1")
	}
	var own pflag.FlagSet
	addSettingsFlags(&own, new(runs.Settings))
	var shared []string
	flags.Visit(func(f *pflag.Flag) {
		if own.Lookup(f.Name) != nil {
			shared = append(shared, "--"+f.Name+"="+valueOf(f))
		}
	})
	for _, text := range s.vary {
		a, err := parseAxis(text)
		switch {
		case err != nil:
			return err
		case own.Lookup(a.flag) == nil:
			return fmt.Errorf("--vary %s: --%s is no flag that decides the result of steppe train", text, a.flag)
		case flags.Changed(a.flag):
			return fmt.Errorf("--vary %s, and --%s too: want one of them", text, a.flag)
		case slices.ContainsFunc(s.axes, func(b axis) bool { return b.flag == a.flag }):
			return fmt.Errorf("--vary has %s twice", a.flag)
		}
		s.axes = append(s.axes, a)
	}
	names := map[string]bool{}
	for _, values := range combinations(s.axes) {
		r, err := s.newRun(shared, values)
		if err != nil {
			return err
		}
		if names[r.name] {
			return fmt.Errorf("--vary: two runs would have the folder %s", r.dir)
		}
		names[r.name] = true
		s.runs = append(s.runs, r)
	}
	return nil
}

// valueOf returns a flag's value as the command line takes it.
func valueOf(f *pflag.Flag) string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return strings.Join(list.GetSlice(), ",")
	}
	return f.Value.String()
}

// combinations returns one value of each axis, in all ways.
func combinations(axes []axis) [][]string {
	all := [][]string{nil}
	for _, a := range axes {
		var longer [][]string
		for _, values := range all {
			for _, v := range a.values {
				longer = append(longer, append(slices.Clone(values), v))
			}
		}
		all = longer
	}
	return all
}

// newRun returns the run of a combination of values.
func (s *sweep) newRun(shared, values []string) (*sweepRun, error) {
	r := &sweepRun{values: values, args: slices.Clone(shared), settings: runs.Defaults()}
	var flags pflag.FlagSet
	addSettingsFlags(&flags, &r.settings)
	var names []string
	for i, a := range s.axes {
		r.args = append(r.args, "--"+a.flag+"="+values[i])
		names = append(names, a.flag+"="+values[i])
	}
	r.name = fileName(strings.Join(names, ","))
	r.dir = filepath.Join(s.out, r.name)
	for _, arg := range r.args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if err := flags.Set(name, value); err != nil {
			return nil, fmt.Errorf("--vary %s=%s: %q is no value of --%s", name, value, value, name)
		}
	}
	if err := r.settings.Complete(flags.Changed); err != nil {
		return nil, fmt.Errorf("the run %s: %w", strings.Join(names, ", "), err)
	}
	return r, nil
}

// fileName replaces what not every file system takes in a name.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || strings.ContainsRune(`/\:*?"<>| `, r) {
			return '_'
		}
		return r
	}, name)
}

// differences says which settings of a run in a folder differ from those that are wanted, "" if
// none do. Where the data lies is for the run to check.
func differences(there, wanted runs.Settings) string {
	wanted.Adopt(there)
	a, b := fieldsOf(there), fieldsOf(wanted)
	names := maps.Clone(a)
	maps.Copy(names, b)
	var list []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if string(a[name]) != string(b[name]) {
			list = append(list, fmt.Sprintf("--%s %s, and not %s", name, orNone(a[name]), orNone(b[name])))
		}
	}
	return strings.Join(list, ", ")
}

// orNone returns the value of a setting, which has none if nobody gave it.
func orNone(value json.RawMessage) string {
	if value == nil {
		return "none"
	}
	return string(value)
}

// fieldsOf returns the settings by their flags, without where the data and the tokenizer are today.
func fieldsOf(s runs.Settings) (fields map[string]json.RawMessage) {
	s.Path, s.TokenizerPath = "", ""
	s.TokenizerKind = cmp.Or(s.TokenizerKind, runs.Defaults().TokenizerKind) // "" in runs from before there was text
	text, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		panic(err) // impossible: valid settings have strings and finite numbers
	}
	return fields
}

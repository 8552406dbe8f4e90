package main

import (
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
)

// sections joins the tables of a help text, with an empty line between them.
func sections(tables ...string) string { return strings.Join(tables, "\n\n") }

// section formats a table for a help text, with a line or more for each row. Lines fit a terminal
// of 80 columns.
func section[T any](title string, rows []T, text func(T) (name, about string)) string {
	const indent = 20
	lines := []string{title + ":"}
	for _, row := range rows {
		name, about := text(row)
		for line := range strings.SplitSeq(wrap(about, 79-indent), "\n") {
			lines = append(lines, fmt.Sprintf("  %-*s%s", indent-2, name, line))
			name = ""
		}
	}
	return strings.Join(lines, "\n")
}

func aboutMethods() string {
	return section("Methods", sam.Methods, func(m sam.Method) (string, string) { return m.Name, m.About })
}

func aboutModels() string {
	return section("Models", zoo.Models, func(m zoo.Model) (string, string) { return m.Name, m.About })
}

// aboutUsualModels lists the models with the shape and the batch that each is usually trained with.
func aboutUsualModels() string {
	return section("Models", zoo.Models, func(m zoo.Model) (string, string) {
		return m.Name, fmt.Sprintf("%s; %v, batch %d", m.About, m.Input, m.Batch)
	})
}

func aboutData() string {
	return section("Data", dataset.Sources, func(s dataset.Source) (string, string) { return s.Name, s.About })
}

// presets lists the values that the methods preset for a flag: the value of the first method, and
// then those that differ, with their methods, as in "0.05; asam, masam 0.5". It leaves out the
// methods for which has is false.
func presets(has func(sam.Method) bool, value func(sam.Method) any) string {
	var values []string
	names := map[string][]string{}
	for _, m := range sam.Methods {
		if has(m) {
			v := fmt.Sprint(value(m))
			if names[v] == nil {
				values = append(values, v)
			}
			names[v] = append(names[v], m.Name)
		}
	}
	list := values[:1]
	for _, v := range values[1:] {
		list = append(list, strings.Join(names[v], ", ")+" "+v)
	}
	return strings.Join(list, "; ")
}

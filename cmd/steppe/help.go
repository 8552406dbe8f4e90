package main

import (
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
)

// aboutTables lists all methods, models and data for help texts.
func aboutTables() string {
	return aboutMethods() + "\n" + aboutModels(func(m zoo.Model) string { return m.About }) + "\n" + aboutData()
}

// aboutMethods lists the methods alone.
func aboutMethods() string {
	var b strings.Builder
	b.WriteString("Methods:\n")
	for _, m := range sam.Methods {
		about(&b, m.Name, m.About)
	}
	return b.String()
}

// aboutModels lists the models alone, with what is to be said about each.
func aboutModels(say func(zoo.Model) string) string {
	var b strings.Builder
	b.WriteString("Models:\n")
	for _, m := range zoo.Models {
		about(&b, m.Name, say(m))
	}
	return b.String()
}

// withCustom is a model's About with what it is customarily trained with.
func withCustom(m zoo.Model) string {
	return fmt.Sprintf("%s; %v, batch %d", m.About, m.Input, m.Batch)
}

// aboutData lists the data alone.
func aboutData() string {
	var b strings.Builder
	b.WriteString("Data:\n")
	for _, s := range dataset.Sources {
		about(&b, s.Name, s.About)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// about writes one row, which fits a terminal of 80 columns.
func about(b *strings.Builder, name, about string) {
	const indent = 20
	for i, line := range strings.Split(wrap(about, 79-indent), "\n") {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(b, "  %-*s%s\n", indent-2, name, line)
	}
}

// defaults lists what the methods that have a value preset for it: that of the first,
// and those of others that differ, as in "0.05; asam, masam 0.5".
func defaults(have func(sam.Method) bool, value func(sam.Method) any) string {
	var values []string
	names := map[string][]string{}
	for _, m := range sam.Methods {
		if have(m) {
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

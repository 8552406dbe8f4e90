package campaign

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed presets/*.yaml
var presets embed.FS

// Presets lists the names of the studies that come with the program, sorted.
func Presets() (names []string) {
	entries, err := fs.ReadDir(presets, "presets")
	if err != nil {
		panic(err) // impossible: it is part of the program
	}
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Preset returns the study file of a preset.
func Preset(name string) ([]byte, error) {
	text, err := presets.ReadFile("presets/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("unknown preset %q, want one of %s", name, join(Presets()))
	}
	return text, nil
}

// Title returns the title in the text of a study file; "" if there is none.
func Title(text []byte) string {
	var head struct {
		Title string `yaml:"title"`
	}
	if yaml.Unmarshal(text, &head) != nil {
		return ""
	}
	return head.Title
}

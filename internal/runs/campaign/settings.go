package campaign

import (
	"strings"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/sam"
)

// Setting is a setting that a method of a file may have.
type Setting struct {
	Group    string // "ascent", "descent" or "teacher"
	Key      string // in the group
	About    string
	Defaults []Default // of the methods that have it by default
}

// Default is a setting's value in some methods.
type Default struct {
	Value   string
	Methods []string
}

// aboutSettings is about the settings that aren't among runs.Options.
var aboutSettings = map[string]string{
	"ascent.adaptive":   "scale the perturbation by the weights",
	"ascent.eta":        "added to the magnitudes of weights, with adaptive",
	"ascent.norm-only":  "perturb normalizations only",
	"ascent.fraction":   "fraction of each shard to ascend on; 1 is SAM",
	"ascent.every":      "perturb only every n-th step",
	"ascent.momentum":   "perturb by the base optimizer's momentum",
	"descent.decoupled": "keep what weight adds apart from the base optimizer",
}

// Settings lists the settings of methods.
func Settings() (list []Setting) {
	for _, group := range groups {
		name := strings.ToLower(group)
		keys, _ := settingsOf(groupOf(&sam.Config{}, group))
		for i, key := range keys {
			s := Setting{Group: name, Key: key, About: aboutSettings[name+"."+key]}
			for _, o := range runs.Options {
				if strings.ToLower(o.Field) == name+"."+key {
					s.About = o.About
				}
			}
			for _, m := range sam.Methods {
				value := presetOf(m, group, i)
				if value == "" {
					continue
				}
				if n := len(s.Defaults); n > 0 && s.Defaults[n-1].Value == value {
					s.Defaults[n-1].Methods = append(s.Defaults[n-1].Methods, m.Name)
				} else {
					s.Defaults = append(s.Defaults, Default{value, []string{m.Name}})
				}
			}
			list = append(list, s)
		}
	}
	return list
}

// presetOf returns the value of a group's i-th setting in a method's preset; "" if it is off.
func presetOf(m sam.Method, group string, i int) string {
	preset := m.Preset
	if preset.Ascent.Adaptive && preset.Ascent.Eta == 0 {
		preset.Ascent.Eta = defaultEta
	}
	_, fields := settingsOf(groupOf(&preset, group))
	if fields[i].IsZero() {
		return ""
	}
	return format(fields[i])
}

// defaultEta is what sam.Ascent makes of an Eta of 0.
const defaultEta = 0.01

// String lists the defaults, as in "0.6 for esam, mesam".
func (s Setting) String() string {
	var list []string
	for _, d := range s.Defaults {
		list = append(list, d.Value+" for "+strings.Join(d.Methods, ", "))
	}
	return strings.Join(list, "; ")
}

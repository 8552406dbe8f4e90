package findings

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/sam"
)

// setting is a part of the study at one level of label noise: what methods are compared in.
type setting struct {
	part  *study.Part
	level *study.Level
	alone bool // the part has no other level
}

// settings returns the settings of a part that have results.
func settings(p *study.Part) (list []setting) {
	if p.Summary == nil {
		return nil
	}
	for i := range p.Summary.Levels {
		if l := &p.Summary.Levels[i]; len(l.Rows) > 0 {
			list = append(list, setting{p, l, len(p.Summary.Levels) == 1})
		}
	}
	return list
}

// allSettings returns the settings of all parts, in their order.
func allSettings(c *study.Campaign) (list []setting) {
	for i := range c.Parts {
		list = append(list, settings(&c.Parts[i])...)
	}
	return list
}

// String names the setting, as in "lenet on mnist, 20% wrong labels".
func (s setting) String() string {
	if s.alone && s.level.Noise == 0 {
		return s.part.Title
	}
	return s.part.Title + ", " + s.noise()
}

// noise names the level, as in "20% wrong labels".
func (s setting) noise() string { return noiseName(s.level.Noise) }

func noiseName(noise float64) string {
	if noise == 0 {
		return "clean labels"
	}
	return percentNumber(noise) + "% wrong labels"
}

// percentNumber returns a fraction in percent, without digits that it doesn't have.
func percentNumber(fraction float64) string {
	return strconv.FormatFloat(math.Round(1e4*fraction)/100, 'f', -1, 64)
}

// base returns what the base optimizer is called.
func (s setting) base() string {
	if s.part.Summary.Base != "" {
		return s.part.Summary.Base
	}
	return "SGD"
}

// row returns the row of a method without settings of its own, nil if there is none.
func row(rows []study.Row, method string) *study.Row {
	if i := slices.IndexFunc(rows, func(r study.Row) bool { return r.Method == method && r.Settings == "" }); i >= 0 {
		return &rows[i]
	}
	return nil
}

// label names a row as short as a chart needs it: "mSAM 8" of "mSAM with 8 shards", and "LookSAM
// every 2" of "LookSAM, ascent.every=2".
func label(r *study.Row, base string) string {
	return shortName(r.Title, r.Method, r.Shards, r.Settings, base)
}

func shortName(title, method string, shards int, settings, base string) string {
	name := title
	if method == baseMethod {
		name = base
	}
	if name == "" {
		name = method
	}
	if sharded(method, shards) {
		name += " " + strconv.Itoa(shards)
		if settings != "" {
			name += ","
		}
	}
	if settings != "" {
		name += " " + shortSettings(settings)
	}
	return name
}

// shortSettings returns settings without the groups that they are in, and without the names of
// those that a method is all about.
func shortSettings(settings string) string {
	var list []string
	for _, s := range strings.Split(settings, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(s), "=")
		_, name, ok := strings.Cut(key, ".")
		if !ok {
			name = key
		}
		switch {
		case key == "descent.orthogonal" || key == "descent.weight":
			list = append(list, value) // GSAM's and WSAM's own
		case value == "" || value == "true":
			list = append(list, name)
		case value == "false":
			list = append(list, "not "+name)
		default:
			list = append(list, name+" "+value)
		}
	}
	return strings.Join(list, ", ")
}

// chartLabel is label, cut to what an axis or a key has room for.
func chartLabel(r *study.Row, base string) string { return cut(label(r, base)) }

func cut(name string) string {
	const longest = 24 // characters
	if runes := []rune(name); len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return name
}

// The methods that others are compared with.
const (
	baseMethod = "sgd"
	samMethod  = "sam"
	msamMethod = "msam"
)

// sharded reports whether a row's number of shards says something.
func sharded(method string, shards int) bool {
	m, err := sam.Lookup(method)
	return err == nil && m.Sharded() || err != nil && shards > 1
}

// looks gives each row of a study a look. Rows of one method and number of shards that differ in
// their settings have variants of its look.
type looks struct {
	settings map[string][]string // of a method with its shards, in order of appearance
}

func newLooks(c *study.Campaign) *looks {
	l := &looks{map[string][]string{}}
	for _, s := range allSettings(c) {
		for _, rows := range [][]study.Row{s.level.Rows, s.level.EqualTime} {
			for _, r := range rows {
				l.add(r.Method, r.Shards, r.Settings)
			}
		}
	}
	return l
}

func (l *looks) add(method string, shards int, settings string) {
	key := lookKey(method, shards)
	if !slices.Contains(l.settings[key], settings) {
		l.settings[key] = append(l.settings[key], settings)
	}
}

func lookKey(method string, shards int) string { return fmt.Sprintf("%s %d", method, shards) }

func (l *looks) of(method string, shards int, settings string) chart.Look {
	variant := max(0, slices.Index(l.settings[lookKey(method, shards)], settings))
	return chart.Method(method, shards).Variant(variant)
}

func (l *looks) row(r *study.Row) chart.Look { return l.of(r.Method, r.Shards, r.Settings) }

// names joins texts with commas, and the last one with "and".
func names(texts []string) string {
	switch n := len(texts); n {
	case 0:
		return ""
	case 1:
		return texts[0]
	default:
		return strings.Join(texts[:n-1], ", ") + " and " + texts[n-1]
	}
}

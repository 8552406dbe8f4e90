package optim

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/net"
)

// Matcher chooses parameters for a Group. Roles, Names and MatchFunc make matchers.
type Matcher interface {
	// Match reports whether the matcher chooses the parameter v.
	Match(v net.View) bool
}

// MatchFunc is a Matcher that is a function.
type MatchFunc func(v net.View) bool

// Match implements Matcher.
func (f MatchFunc) Match(v net.View) bool { return f(v) }

// Roles chooses the parameters that have one of the roles.
func Roles(roles ...net.Role) Matcher { return roleMatcher(roles) }

type roleMatcher []net.Role

func (r roleMatcher) Match(v net.View) bool { return slices.Contains(r, v.Role) }

// explain says what the matcher looked for, and what the parameters have.
func (r roleMatcher) explain(views []net.View) string {
	var present []net.Role
	for _, v := range views {
		if !slices.Contains(present, v.Role) {
			present = append(present, v.Role)
		}
	}
	return fmt.Sprintf("no parameter has a role of %v, the parameters' roles are %v", []net.Role(r), present)
}

// Names chooses the parameters whose name is one of the patterns, or matches one as path.Match
// defines it: * is any text and ? any character, so that "2.*" is all parameters of layer 2. A
// pattern that matches no parameter is an error of Resolve and New.
func Names(patterns ...string) Matcher { return nameMatcher(patterns) }

type nameMatcher []string

func (n nameMatcher) Match(v net.View) bool {
	return slices.ContainsFunc(n, func(pattern string) bool { return matchesName(pattern, v.Name) })
}

// matchesName reports whether a name is the pattern or matches it.
func matchesName(pattern, name string) bool {
	matched, err := path.Match(pattern, name)
	return pattern == name || err == nil && matched
}

// validate returns an error if a pattern is malformed or matches none of these parameters.
func (n nameMatcher) validate(views []net.View) error {
	if len(n) == 0 {
		return errors.New("Names has no pattern")
	}
	for _, pattern := range n {
		if slices.ContainsFunc(views, func(v net.View) bool { return matchesName(pattern, v.Name) }) {
			continue
		}
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("%q is no valid pattern: %w", pattern, err)
		}
		if len(views) == 0 {
			return fmt.Errorf("no parameter's name matches %q, there are no parameters", pattern)
		}
		return fmt.Errorf("no parameter's name matches %q, near it are %s", pattern, strings.Join(nearNames(pattern, views), ", "))
	}
	return nil
}

// nearNames returns the names that are nearest to a pattern by edit distance, at most three. A
// pattern with a * is compared with the nearest part of a name.
func nearNames(pattern string, views []net.View) []string {
	text := strings.Trim(pattern, "*")
	names := make([]string, len(views))
	distances := make(map[string]int, len(views))
	for i, v := range views {
		names[i] = v.Name
		distances[v.Name] = editDistance(text, v.Name, text != pattern)
	}
	slices.SortStableFunc(names, func(a, b string) int { return distances[a] - distances[b] })
	return names[:min(3, len(names))]
}

// editDistance returns the fewest insertions, deletions and substitutions of bytes that turn a into
// b (Levenshtein's distance), or into any part of b.
func editDistance(a, b string, part bool) int {
	row := make([]int, len(b)+1) // distances of a's first i bytes to b's first j, or to a part that ends there
	for j := range row {
		if !part {
			row[j] = j
		}
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, row[j+1]+1)
		}
	}
	if part {
		return slices.Min(row)
	}
	return row[len(b)]
}

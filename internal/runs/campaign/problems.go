package campaign

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is something that is wrong in a study file.
type Problem struct {
	Line int // from 1 on; 0 for the file as a whole
	Text string
}

// Problems is the error of a study file: everything that is wrong in it.
type Problems struct {
	File string
	List []Problem // by line
}

// Error lists the problems, one a line, as compilers do.
func (p *Problems) Error() string {
	slices.SortStableFunc(p.List, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	lines := make([]string, 0, len(p.List)+1)
	if len(p.List) > 1 {
		lines = append(lines, fmt.Sprintf("%s has %d problems:", p.File, len(p.List)))
	}
	for _, problem := range p.List {
		if problem.Line == 0 {
			lines = append(lines, fmt.Sprintf("%s: %s", p.File, problem.Text))
		} else {
			lines = append(lines, fmt.Sprintf("%s:%d: %s", p.File, problem.Line, problem.Text))
		}
	}
	return strings.Join(lines, "\n")
}

// add adds a problem.
func (p *Problems) add(line int, format string, args ...any) {
	p.List = append(p.List, Problem{line, fmt.Sprintf(format, args...)})
}

// orNil returns p as an error, nil if there are no problems.
func (p *Problems) orNil() error {
	if len(p.List) == 0 {
		return nil
	}
	return p
}

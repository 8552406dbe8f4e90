// Package lookup finds rows of tables by name.
package lookup

import (
	"fmt"
	"strings"
)

// Row returns the first row that has the given name. The error says what kind of row is unknown
// and lists the names in the order of the table:
//
//	unknown model "resnet", want one of mlp, lenet, resnet20
func Row[T any](kind string, rows []T, nameOf func(T) string, name string) (T, error) {
	var known []string
	for _, row := range rows {
		if nameOf(row) == name {
			return row, nil
		}
		known = append(known, nameOf(row))
	}
	var none T
	return none, fmt.Errorf("unknown %s %q, want one of %s", kind, name, strings.Join(known, ", "))
}

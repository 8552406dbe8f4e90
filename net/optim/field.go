package optim

import "fmt"

// FieldError says what is wrong with one field of a configuration. Errors of this package and of
// package sam wrap it, so that a program can name the setting of its own that the value came from.
type FieldError struct {
	Field   string // as in "SGD.LR", "Clip", or "Ascent.Eta" of package sam
	Problem string // follows the field: "is NaN, want a positive float32"
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + " " + e.Problem }

// badField returns the error of a field.
func badField(field, problem string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(problem, args...)}
}

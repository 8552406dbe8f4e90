//go:build purego

package tabletest

// Sets returns the names of the instruction sets that tables have a row for: none but plain Go's.
func Sets() []string { return nil }

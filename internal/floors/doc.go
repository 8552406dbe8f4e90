// Package floors has the test that the floors of docs/ARCHITECTURE.md are true: imports
// only go down, and no floor names a thing that belongs to one above it.
package floors

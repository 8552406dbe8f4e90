// Package panels has the tiles of matrix products and convolutions on each instruction set.
package panels

import "fmt"

// Of are the tiles for panels of B: the accumulators are some three quarters
// of the registers, the others are for the operands.
//
// CPUs that compute 512 bits in halves take few columns by vectors of 256 bits, of
// which Zen 4 loads two a cycle, but only one of 512. Where units have 512 bits,
// such tiles run at half speed. There, a tile of one 512-bit vector has 12 rows: 8
// are enough for the FMAs in flight, and 12 share the load of B's row. Tiles of more
// rows were slower in a trial (docs/TUNING.md).
//
// Products of pairs on AVX512_BF16 have the tiles of AVX-512 that are whole vectors wide: VDPBF16PS
// has the operands and the place of an FMA. On AVX2 they have AVX2's, with two FMAs for each.
//
// NEON multiplies by an element of a register, so elements of A are loaded by
// vectors, too: tiles are nearly square. Those of one vector have as many rows as
// four units have FMAs in flight.
var Of = map[string][]Panel{
	"AVX2": {{Rows: 10, Fewest: 1, Most: 1}, {Rows: 6, Fewest: 2, Most: 2}},
	"AVX512": {
		{Rows: 10, Fewest: 1, Most: 1, Halves: true},
		{Rows: 6, Fewest: 2, Most: 2, Halves: true},
		{Rows: 4, Fewest: 3, Most: 3, Halves: true},
		{Rows: 12, Fewest: 1, Most: 1},
		{Rows: 12, Fewest: 2, Most: 2},
		{Rows: 8, Fewest: 3, Most: 3, Broad: true},
	},
	"BF16": {{Rows: 12, Fewest: 1, Most: 1}, {Rows: 12, Fewest: 2, Most: 2}},
	"NEON": {{Rows: 16, Fewest: 1, Most: 1}, {Rows: 12, Fewest: 2, Most: 2}, {Rows: 8, Fewest: 3, Most: 3}},
}

// Panel describes the kernels for the tiles of one kind of panel.
type Panel struct {
	Rows         int  // the most of a tile
	Fewest, Most int  // vectors of columns
	Broad        bool // more than a packed panel has
	Halves       bool // its vectors are half of the registers
}

// Kernel returns the name of the kernel for tiles of a number of rows, without the
// element type, and what its comment says of the tiles. Vectors have so many lanes.
func (p Panel) Kernel(lanes, rows int) (name, tiles string) {
	least, columns := (p.Fewest-1)*lanes+1, p.Most*lanes
	name = fmt.Sprintf("%dx%d", rows, columns)
	if p.Halves {
		name = "Halves" + name
	}
	return name, fmt.Sprintf("tiles of %d rows and %d to %d columns", rows, least, columns)
}

// Wides are the tiles, in rows and vectors, for products of so few rows that
// nothing else would keep the FMA units busy.
var Wides = map[string][][2]int{
	"AVX2":   {{1, 8}, {1, 4}, {2, 4}, {3, 4}},
	"AVX512": {{1, 16}, {1, 8}, {1, 4}, {2, 8}, {2, 4}, {3, 8}, {3, 4}, {4, 4}},
	"NEON":   {{1, 16}, {1, 8}, {2, 8}, {3, 8}, {4, 6}},
}

package tile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/asm_gen/neon"
	"github.com/steppe-ml/steppe/asm_gen/panels"
)

// eachTile calls f with the plan of every tile of a panel.
func eachTile(f func(t Tile)) {
	for _, of := range []neon.Element{neon.Float32, neon.Float64} {
		for _, p := range panels.Of["NEON"] {
			for rows := 1; rows <= p.Rows; rows++ {
				fn := (&neon.File{}).Func("f", "func(n int)", "")
				Ragged(fn, of, rows, p, f)
			}
		}
	}
}

var register = regexp.MustCompile(`V(\d+)\.([SD])(?:(\d)|\[(\d)\])`)

// The lanes that FMAs read have the elements that the parts of a column put there.
func TestColumns(t *testing.T) {
	eachTile(func(tile Tile) {
		lanes := map[string]int{} // the element in each, by Go's name
		for _, p := range tile.columnParts() {
			next := p.first
			for _, m := range register.FindAllStringSubmatch(p.registers.String(), -1) {
				n, bytes := 1, 4
				if m[2] == "D" {
					bytes = 8
				}
				if m[3] != "" { // all lanes, of which there are so many
					n, _ = strconv.Atoi(m[3])
				}
				first, _ := strconv.Atoi("0" + m[4])
				size := int(tile.Element)
				for at := first * bytes; at < (first+n)*bytes; at += size {
					lanes[fmt.Sprintf("V%s.%s[%d]", m[1], map[int]string{4: "S", 8: "D"}[size], at/size)] = next
					next++
				}
			}
			assert.LessOrEqual(t, next, tile.Rows, "elements of %d rows", tile.Rows)
		}
		if tile.Rows == 1 {
			return // its loop is along the row
		}
		for i := range tile.Rows {
			got, loaded := lanes[tile.inColumn(i).String()]
			assert.True(t, loaded)
			assert.Equal(t, i, got, "%d rows of %s", tile.Rows, tile.Type())
		}
	})
}

// Accumulators, B's vectors and A's share no register.
func TestRegisters(t *testing.T) {
	eachTile(func(tile Tile) {
		taken := map[int]string{}
		take := func(v neon.V, what string) {
			assert.Less(t, v.Number, 32)
			assert.Empty(t, taken[v.Number], "register %d of %d x %d has another use: %s", v.Number, tile.Rows, tile.Vectors, what)
			taken[v.Number] = what
		}
		tile.Each(func(i, v int) { take(tile.Acc(i, v), "an accumulator") })
		for v := range tile.Vectors {
			take(tile.B(v), "B")
		}
		for i := range tile.spares() {
			take(tile.Spare(i), "A")
		}
	})
	of := neon.Float32
	tooTall := panels.Panel{Rows: 15, Fewest: 2, Most: 2}
	assert.PanicsWithValue(t, "asm_gen: a tile of 15 rows and 2 vectors leaves 0 vector registers for A", func() {
		Ragged((&neon.File{}).Func("f", "func(n int)", ""), of, 15, tooTall, func(Tile) {})
	})
}

// Rows of 4 columns or fewer are a vector, two halves of one, or an element.
func TestRows(t *testing.T) {
	var labels []string
	Ragged((&neon.File{}).Func("f", "func(n int)", ""), neon.Float32, 16, panels.Of["NEON"][0], func(tile Tile) {
		var moved []string
		tile.row(0, tile.B, func(_, registers neon.Operand) { moved = append(moved, registers.String()) }, func([]int) {})
		labels = append(labels, tile.Label+": "+strings.Join(moved, " "))
	})
	assert.Equal(t, []string{"columns4: [V16.S4]", "columns3: [V16.S2] V16.D[1]", "columns1: V16.S[0]"}, labels)
}

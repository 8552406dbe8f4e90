package tile

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// oddMask is where a set that splits pairs keeps the mask of odd values, below that of the last
// vector.
const oddMask = maskRegister - 1

// OddMask is the register with the mask of odd values of pairs.
func (t Tile) OddMask() reg.Register { return t.V(oddMask) }

// splitStep adds the products of one k of pairs: the odd values' first, then the even ones'. Behind
// the accumulators are the even values of B's row, the odd ones, and those of an element of A.
func (t Tile) splitStep(b, row func(int) operand.Mem) {
	for v := range t.Vectors {
		t.Load(b(v), v, t.B(v))
		t.SplitPairs(t.OddMask(), t.B(v), t.B(t.Vectors+v))
	}
	first := (t.Rows + 2) * t.Vectors
	left := (oddMask - first) / 2
	for i := range t.Rows {
		even, odd := t.V(first+2*(i%left)), t.V(first+2*(i%left)+1)
		t.VBROADCAST(row(i), even)
		t.SplitPairs(t.OddMask(), even, odd)
		for v := range t.Vectors {
			t.VFMADD231(t.B(t.Vectors+v), odd, t.Acc(i, v))
		}
		for v := range t.Vectors {
			t.VFMADD231(t.B(v), even, t.Acc(i, v))
		}
	}
}

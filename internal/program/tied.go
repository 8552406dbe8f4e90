package program

import (
	"fmt"

	"github.com/steppe-ml/steppe/net/op"
)

// owner returns the index of the op whose parameters o uses: its own, unless it is tied to another.
func (b *Builder) owner(o op.Op, traits op.Traits) (int, error) {
	tied, ok := o.(op.Tied)
	if !ok {
		return len(b.nodes), nil
	}
	_, factored := o.(op.Factorable)
	for i := len(b.nodes) - 1; i >= 0; i-- {
		n := &b.nodes[i]
		_, factorable := n.op.(op.Factorable)
		switch {
		case !tied.TiedTo(n.op):
		case len(traits.Params) > 0 || traits.Deferred || factored || factorable || n.traits.Deferred:
			return 0, fmt.Errorf("op %T is tied to the parameters of %T: it can have none of its own, and neither op may be Deferred or Factorable", o, n.op)
		default:
			return n.owner, nil // n may be tied itself
		}
	}
	return 0, fmt.Errorf("op %T is tied to an op before it, and there is none that fits", o)
}

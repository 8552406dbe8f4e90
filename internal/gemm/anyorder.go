package gemm

import "github.com/steppe-ml/steppe/internal/parallel"

// RunSmall computes the operation if it is best computed at once, on the caller, and reports
// whether it did. Its sums are those of runInAnyOrder.
func (o *Operation[T]) RunSmall() bool {
	if !o.direct() || o.dotShaped() {
		return false
	}
	o.compute()
	return true
}

// RunInAnyOrder computes the operation on a team with its sums in whichever order is fastest: of
// dot products, or with K in chunks. The shape alone decides which, so the result is the same for
// any number of workers; the element rule doesn't hold.
func (o *Operation[T]) RunInAnyOrder(team *parallel.Team) {
	if o.dotShaped() {
		o.runDots(team)
	} else if chunks := o.chunksOfK(); chunks > 1 {
		o.runSplit(chunks, team)
	} else {
		o.Run(team)
	}
}

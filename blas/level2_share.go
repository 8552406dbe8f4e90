package blas

import (
	"math"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// A matrix of level 2 is read once, so that several workers pay only where it comes from
// further away than a core's own cache. It is cut by its shape: into parts for which
// the results are the same, whoever computes them.
const (
	sharedBytes = 2 << 20 // of A from which on workers share it, if they are awake
	wakingBytes = 8 << 20 // and if they aren't
	partBytes   = 1 << 19 // the least of a part
	mostParts   = 64
	partColumns = 128 // the least of a part that is columns
)

// partsOf returns in how many parts a matrix of so many elements is cut, each with at
// least one of so many pieces.
func partsOf[T Float](elements, pieces int) int {
	bytes := elements * gemm.Size[T]()
	if bytes < sharedBytes {
		return 1
	}
	return max(1, min(mostParts, bytes/partBytes, pieces))
}

// share calls do for each part of a matrix of so many elements, on all cores that are free.
func share[T Float](elements, parts int, do func(part int)) {
	team, release := crewFor(gemm.Active[T](), elements)
	defer release()
	tasks := parts
	if elements*gemm.Size[T]() < wakingBytes && !team.Awake() {
		tasks = 1 // which tells the team that there may be more soon
	}
	team.Run(tasks, &partsJob{parts, tasks, do})
}

// partsJob is parts of a matrix for a team, in tasks of one or several.
type partsJob struct {
	parts, tasks int
	do           func(part int)
}

// Do computes the parts of a task.
func (j *partsJob) Do(task, worker int) {
	from, to := parallel.Cut(j.parts, 1, j.tasks, task)
	for part := from; part < to; part++ {
		j.do(part)
	}
}

// shareDots is addDots in parts, which are groups of rows.
func (k *vectors[T]) shareDots(m, n int, alpha T, a *T, lda int, x, y *T) {
	parts := partsOf[T](m*n, m/groupRows)
	if parts == 1 {
		k.addDots(m, n, alpha, a, lda, x, y)
		return
	}
	share[T](m*n, parts, func(part int) {
		from, to := parallel.Cut(m, groupRows, parts, part)
		k.addDots(to-from, n, alpha, gemm.At(a, from*lda), lda, x, gemm.At(y, from))
	})
}

// shareRows is addRows in parts, which are blocks of columns.
func (k *vectors[T]) shareRows(m, n int, alpha T, a *T, lda int, x, y *T) {
	parts := partsOf[T](m*n, n/partColumns)
	if parts == 1 {
		k.addRows(m, n, alpha, a, lda, x, y)
		return
	}
	share[T](m*n, parts, func(part int) {
		from, to := parallel.Cut(n, partColumns, parts, part)
		k.addRows(m, to-from, alpha, gemm.At(a, from), lda, x, gemm.At(y, from))
	})
}

// shareOuter is addOuter in parts, which are groups of rows.
func (k *vectors[T]) shareOuter(m, n int, alpha T, x, y, a *T, lda int) {
	parts := partsOf[T](m*n, m/groupRows)
	if parts == 1 {
		k.addOuter(m, n, alpha, x, y, a, lda)
		return
	}
	share[T](m*n, parts, func(part int) {
		from, to := parallel.Cut(m, groupRows, parts, part)
		k.addOuter(to-from, n, alpha, gemm.At(x, from), y, gemm.At(a, from*lda), lda)
	})
}

// shareSymmetric is addSymmetric in parts, each of which has a y of its own, if there are
// several: how y is summed depends on n alone.
func (k *vectors[T]) shareSymmetric(h half, alpha T, a []T, lda int, x, y []T) {
	parts := min(16, h.n/partColumns)
	if parts <= 1 {
		k.addSymmetric(h, 0, h.n, alpha, a, lda, x, y)
		return
	}
	c := copiesPool[T]().Get()
	defer copiesPool[T]().Put(c)
	c.sums = gemm.Grow(c.sums, parts*h.n)
	do := func(part int) {
		sum := c.sums[part*h.n:][:h.n]
		clear(sum)
		from, to := h.cut(parts, part)
		k.addSymmetric(h, from, to, alpha, a, lda, x, sum)
	}
	if elements := h.n * h.n / 2; partsOf[T](elements, parts) > 1 {
		share[T](elements, parts, do)
	} else {
		for part := range parts {
			do(part)
		}
	}
	for part := range parts {
		sum := c.sums[part*h.n:][:h.n]
		for i := 0; i < h.n; i += stretch {
			k.axpy(min(stretch, h.n-i), 1, &sum[i], &y[i])
		}
	}
}

// shareSquare is addSquare in parts, and shareSymmetricOuter is addSymmetricOuter.
func (k *vectors[T]) shareSquare(h half, alpha T, x, a []T, lda int) {
	parts := partsOf[T](h.n*h.n/2, h.n/blockRows)
	if parts == 1 {
		k.addSquare(h, 0, h.n, alpha, x, a, lda)
		return
	}
	share[T](h.n*h.n/2, parts, func(part int) {
		from, to := h.cut(parts, part)
		k.addSquare(h, from, to, alpha, x, a, lda)
	})
}

func (k *vectors[T]) shareSymmetricOuter(h half, alpha T, x, y, a []T, lda int) {
	parts := partsOf[T](h.n*h.n/2, h.n/blockRows)
	if parts == 1 {
		k.addSymmetricOuter(h, 0, h.n, alpha, x, y, a, lda)
		return
	}
	share[T](h.n*h.n/2, parts, func(part int) {
		from, to := h.cut(parts, part)
		k.addSymmetricOuter(h, from, to, alpha, x, y, a, lda)
	})
}

// cut returns the rows of a part, which are whole blocks: parts have about as many
// elements.
func (h half) cut(parts, part int) (from, to int) {
	bound := func(part int) int {
		share := float64(part) / float64(parts) // of the elements, which are as the square of the rows
		rows := math.Sqrt(share)
		if !h.lower {
			rows = 1 - math.Sqrt(1-share)
		}
		return min(h.n, num.CeilDiv(int(rows*float64(h.n)), blockRows)*blockRows)
	}
	return bound(part), bound(part + 1)
}

package blas

import (
	"math"
	"unsafe"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// Level 2 reads a matrix once, so several workers pay only if the matrix lies beyond a core's own
// cache. The shape alone decides the parts, so the results don't depend on the workers. Those that
// bench/tune measures are variables.
var (
	sharedBytes = 2 << 20 // workers that are awake share an A of at least this size
	wakingBytes = 8 << 20 // workers are woken for an A of at least this size
	partBytes   = 1 << 19 // least size of a part
)

const (
	mostParts   = 64
	partColumns = 128 // least columns of a part that is cut by columns
)

// partsOf returns the number of parts to cut a matrix of the given elements into. Each part has at
// least one of the pieces.
func partsOf[T Float](elements, pieces int) int {
	bytes := elements * gemm.Size[T]()
	if bytes < sharedBytes {
		return 1
	}
	return max(1, min(mostParts, bytes/partBytes, pieces))
}

// sharing is a team's job: a routine of level 2 cut into parts, each computed by one worker. It has
// fields for the operands of all routines. A pool keeps it for the next call, so calls don't
// allocate.
type sharing[T Float] struct {
	*vectors[T]
	routine      routine
	parts, tasks int

	m, n  int  // of the matrix
	half  half // of a symmetric matrix
	alpha T
	a     *T
	lda   int
	x, y  *T
	sums  []T // of parts, where each has a y of its own
}

type routine uint8

const (
	dotsRoutine routine = iota
	rowsRoutine
	outerRoutine
	symmetricRoutine
	squareRoutine
	symmetricOuterRoutine
)

var (
	sharings32 parallel.Pool[sharing[float32]]
	sharings64 parallel.Pool[sharing[float64]]
)

// run computes the parts of a matrix of the given elements on all free cores, and returns s to the
// pool.
func (s *sharing[T]) run(elements int) {
	team := crewFor(gemm.Active[T](), elements)
	defer endCrew(team)
	s.tasks = s.parts
	if elements*gemm.Size[T]() < wakingBytes && !team.Awake() {
		s.tasks = 1 // tells the team that more work may come soon
	}
	team.Run(s.tasks, s)
	s.release()
}

// runAlone computes the parts on the caller alone, and returns s to the pool.
func (s *sharing[T]) runAlone() {
	for part := range s.parts {
		s.compute(part)
	}
	s.release()
}

func (s *sharing[T]) release() {
	*s = sharing[T]{} // keep no reference to the caller's memory
	gemm.PoolOf[sharing[T]](&sharings32, &sharings64).Put(s)
}

// Do computes the parts of a task.
func (s *sharing[T]) Do(task, _ int) {
	from, to := parallel.Cut(s.parts, 1, s.tasks, task)
	for part := from; part < to; part++ {
		s.compute(part)
	}
}

func (s *sharing[T]) compute(part int) {
	switch s.routine {
	case dotsRoutine:
		s.dots(part)
	case rowsRoutine:
		s.rows(part)
	case outerRoutine:
		s.outer(part)
	case symmetricRoutine:
		s.symmetric(part)
	case squareRoutine:
		s.square(part)
	case symmetricOuterRoutine:
		s.symmetricOuter(part)
	}
}

// share returns a job with the operands of a routine.
func (k *vectors[T]) share(parts int, what routine, alpha T, a *T, lda int, x, y *T) *sharing[T] {
	s := gemm.PoolOf[sharing[T]](&sharings32, &sharings64).Get()
	s.vectors, s.parts, s.routine = k, parts, what
	s.alpha, s.a, s.lda, s.x, s.y = alpha, a, lda, x, y
	return s
}

// matrix returns all of a symmetric matrix, and vector a vector that goes with it.
func (s *sharing[T]) matrix() []T     { return unsafe.Slice(s.a, (s.half.n-1)*s.lda+s.half.n) }
func (s *sharing[T]) vector(x *T) []T { return unsafe.Slice(x, s.half.n) }

// shareDots is addDots in parts, which are groups of rows.
func (k *vectors[T]) shareDots(m, n int, alpha T, a *T, lda int, x, y *T) {
	parts := partsOf[T](m*n, m/groupRows)
	if parts == 1 {
		k.addDots(m, n, alpha, a, lda, x, y)
		return
	}
	s := k.share(parts, dotsRoutine, alpha, a, lda, x, y)
	s.m, s.n = m, n
	s.run(m * n)
}

func (s *sharing[T]) dots(part int) {
	from, to := parallel.Cut(s.m, groupRows, s.parts, part)
	s.addDots(to-from, s.n, s.alpha, gemm.At(s.a, from*s.lda), s.lda, s.x, gemm.At(s.y, from))
}

// shareRows is addRows in parts, which are blocks of columns.
func (k *vectors[T]) shareRows(m, n int, alpha T, a *T, lda int, x, y *T) {
	parts := partsOf[T](m*n, n/partColumns)
	if parts == 1 {
		k.addRows(m, n, alpha, a, lda, x, y)
		return
	}
	s := k.share(parts, rowsRoutine, alpha, a, lda, x, y)
	s.m, s.n = m, n
	s.run(m * n)
}

func (s *sharing[T]) rows(part int) {
	from, to := parallel.Cut(s.n, partColumns, s.parts, part)
	s.addRows(s.m, to-from, s.alpha, gemm.At(s.a, from), s.lda, s.x, gemm.At(s.y, from))
}

// shareOuter is addOuter in parts, which are groups of rows.
func (k *vectors[T]) shareOuter(m, n int, alpha T, x, y, a *T, lda int) {
	parts := partsOf[T](m*n, m/groupRows)
	if parts == 1 {
		k.addOuter(m, n, alpha, x, y, a, lda)
		return
	}
	s := k.share(parts, outerRoutine, alpha, a, lda, x, y)
	s.m, s.n = m, n
	s.run(m * n)
}

func (s *sharing[T]) outer(part int) {
	from, to := parallel.Cut(s.m, groupRows, s.parts, part)
	s.addOuter(to-from, s.n, s.alpha, gemm.At(s.x, from), s.y, gemm.At(s.a, from*s.lda), s.lda)
}

// shareSymmetric is addSymmetric in parts. If there are several, each has a y of its own, and these
// are added up in order: n alone decides how y is summed.
func (k *vectors[T]) shareSymmetric(h half, alpha T, a []T, lda int, x, y []T) {
	parts := min(16, h.n/partColumns)
	if parts <= 1 {
		k.addSymmetric(h, 0, h.n, alpha, a, lda, x, y)
		return
	}
	c := copiesPool[T]().Get()
	defer copiesPool[T]().Put(c)
	c.sums = gemm.Grow(c.sums, parts*h.n)
	elements := h.n * h.n / 2
	s := k.share(parts, symmetricRoutine, alpha, &a[0], lda, &x[0], &y[0])
	s.half, s.sums = h, c.sums
	if partsOf[T](elements, parts) > 1 {
		s.run(elements)
	} else {
		s.runAlone()
	}
	for part := range parts {
		sum := c.sums[part*h.n:][:h.n]
		for i := 0; i < h.n; i += stretch {
			k.axpy(min(stretch, h.n-i), 1, &sum[i], &y[i])
		}
	}
}

func (s *sharing[T]) symmetric(part int) {
	sum := s.sums[part*s.half.n:][:s.half.n]
	clear(sum)
	from, to := s.half.cut(s.parts, part)
	s.addSymmetric(s.half, from, to, s.alpha, s.matrix(), s.lda, s.vector(s.x), sum)
}

// shareSquare is addSquare in parts, which are blocks of rows.
func (k *vectors[T]) shareSquare(h half, alpha T, x, a []T, lda int) {
	elements := h.n * h.n / 2
	parts := partsOf[T](elements, h.n/blockRows)
	if parts == 1 {
		k.addSquare(h, 0, h.n, alpha, x, a, lda)
		return
	}
	s := k.share(parts, squareRoutine, alpha, &a[0], lda, &x[0], nil)
	s.half = h
	s.run(elements)
}

func (s *sharing[T]) square(part int) {
	from, to := s.half.cut(s.parts, part)
	s.addSquare(s.half, from, to, s.alpha, s.vector(s.x), s.matrix(), s.lda)
}

// shareSymmetricOuter is addSymmetricOuter in parts, which are blocks of rows.
func (k *vectors[T]) shareSymmetricOuter(h half, alpha T, x, y, a []T, lda int) {
	elements := h.n * h.n / 2
	parts := partsOf[T](elements, h.n/blockRows)
	if parts == 1 {
		k.addSymmetricOuter(h, 0, h.n, alpha, x, y, a, lda)
		return
	}
	s := k.share(parts, symmetricOuterRoutine, alpha, &a[0], lda, &x[0], &y[0])
	s.half = h
	s.run(elements)
}

func (s *sharing[T]) symmetricOuter(part int) {
	from, to := s.half.cut(s.parts, part)
	s.addSymmetricOuter(s.half, from, to, s.alpha, s.vector(s.x), s.vector(s.y), s.matrix(), s.lda)
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

package gemm

// A TapKernel computes tiles of C, one below the other in lines, each of a number
// of rows that is fixed per kernel and of n columns:
//
//	C(i,j) = sum over t < taps, l < k of A(i,t,l) * B(t,l,j)  (+ C(i,j), to accumulate)  (+ bias(j))
//
// and, with relu, 0 in place of what is negative. The sum is one accumulator an
// element, from 0, tap by tap and in ascending order of l. Unless it accumulates,
// C is not read. A bias of nil is none. Element A(i,t,l) of the first tile is
// tap[t][0] elements from a + i*aRow + l*aCol; each further tile's A is aTile
// further on, and each further line's aLine. B(t,l,j) is tap[t][1] elements from
// b + l*bRow + j: of its rows a kernel reads the n columns, and no more. C(i,j) is
// at c + i*cRow + j; the tiles of a line follow one another, and each further
// line's C is cLine further on. As it comes to a tap, it asks the cache for
// nextLines lines of A, from aNext elements further on than the tile's. Strides count
// elements. lines, tiles, n >= 1; k >=
// 1 unless there are no taps.
type TapKernel[T Float] func(lines, tiles, n int, tap *[2]int, taps, k int, a *T, aRow, aCol, aTile, aLine, aNext, nextLines int,
	b *T, bRow int, c *T, cRow, cLine int, accumulate bool, bias *T, relu bool)

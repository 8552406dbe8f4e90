package net

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/simd"
)

// block is the scores of some queries of a head. They are computed block by block. Its width is the
// number of keys that any of them sees, the sample's first ones.
type block struct {
	simd.Scores
	first int // query
}

const (
	// mostQueries is the most queries of a block. Products of more rows are hardly faster.
	mostQueries = 96
	// mostCausal is the same of causal attention. The products of a block's queries with keys
	// behind them are in vain, and more of them are in larger blocks.
	mostCausal = 48
	// fewestQueries is the most queries of a block that sees many keys.
	fewestQueries = 24
	// scoreFloats is about the scores of a block of more than fewestQueries. With their
	// gradients they take half of an L2 cache of 512 KiB.
	scoreFloats = 1 << 15
)

// blocks returns how many blocks a head with so many rows has.
func (o attention) blocks(rows int) int {
	most := mostQueries
	if o.causal {
		most = mostCausal
	}
	return num.CeilDiv(rows, min(most, max(fewestQueries, scoreFloats/rows)))
}

// block returns block i of n of a head with so many rows.
func (o attention) block(rows, i, n int) block {
	from, to := parallel.Cut(rows, 1, n, i)
	s := simd.Scores{Rows: to - from, Columns: rows, Stride: scoreStride(rows)}
	if o.causal {
		s.Columns, s.Growth, s.Stride = from+1, 1, scoreStride(to)
	}
	return block{s, from}
}

// scoreStride is the floats between the rows of a block of so many keys: whole cache lines, and no
// power of two, since rows would fight for the same places of the cache.
func scoreStride(keys int) int {
	const line = 16
	return num.CeilDiv(keys, line)*line + line
}

// in returns b's scores in memory.
func (b block) in(memory []float32) blas.Mat[float32] {
	return blas.Mat[float32]{Data: memory, Rows: b.Rows, Cols: b.Width(), RowStride: b.Stride, ColStride: 1}
}

// headScratch is a worker's memory for a head. It suffices for the longest sample of an op, so that
// none allocates that is longer than those before.
type headScratch struct {
	rows, features int // of the largest head

	p, d  []float32 // a block's scores and then probabilities, and their gradients
	delta []float32 // by row of a block

	keys, values   packedHead // [rows, features]
	keysT, valuesT packedHead // their transposes
}

// grow makes room for the heads of an op.
func (s *headScratch) grow(o attention) {
	if o.rows <= s.rows && o.features() <= s.features {
		return
	}
	s.rows, s.features = max(s.rows, o.rows), max(s.features, o.features())
	stride := scoreStride(s.rows)
	floats := min(min(s.rows, mostQueries)*stride, max(scoreFloats+mostQueries*2*scoreStride(0), fewestQueries*stride))
	s.p, s.d, s.delta = make([]float32, floats), make([]float32, floats), make([]float32, mostQueries)
	largest := blas.RowMajor(make([]float32, s.rows*s.features), s.rows, s.features)
	s.keys.pack(largest)
	s.values.pack(largest)
	s.keysT.pack(largest.T())
	s.valuesT.pack(largest.T())
}

// packedHead is a head's keys or values, packed once as an operand B for the products of all
// blocks.
type packedHead struct{ whole, first blas.PackedB[float32] }

func (p *packedHead) pack(m blas.Mat[float32]) {
	p.whole.Reset(m.Rows, m.Cols)
	p.whole.Pack(nil, m)
}

// options returns those of a product with the first rows and columns.
func (p *packedHead) options(rows, cols int) (options blas.Options[float32]) {
	var ok bool
	if p.first, ok = p.whole.First(rows, cols); ok {
		options.PackedB = &p.first
	}
	return options
}

package blas

import (
	"unsafe"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/simd"
)

// Precision says how exactly MatMul multiplies.
type Precision uint8

// The precisions.
const (
	// Full multiplies what A and B hold.
	Full Precision = iota
	// BFloat16 rounds A and B, of float32, to bfloat16 before it multiplies them: to 8 significant
	// bits, to nearest even. Sums are of float32. It is meant for CPUs that multiply bfloat16 twice as
	// fast, by AVX512_BF16 (simd.HasBF16). Others with AVX2 imitate it at about float32's speed, and
	// the rest computes the same bits slowly, in plain Go.
	//
	// Products are summed in pairs along k, as VDPBF16PS does: of each pair the odd one's first, with
	// one rounding a product. Numbers below 2^-126 count as zeros.
	BFloat16
)

// String returns the name of a precision: float32 for Full, though it may stand for float64.
func (p Precision) String() string {
	if p == BFloat16 {
		return "bfloat16"
	}
	return "float32"
}

// pairedRows returns how many pairs k elements make.
func pairedRows(k int) int { return num.CeilDiv(k, 2) }

// runRounded runs a product of operands that it rounds to bfloat16. A packed B is rounded already.
func runRounded[T Float](team *Team, of *gemm.Operation[T], a, b *Mat[T], batch Batch) {
	if unsafe.Sizeof(T(0)) != unsafe.Sizeof(float32(0)) {
		panic("blas: a product of float64 in bfloat16")
	}
	if batch.Count != 0 {
		panic("blas: a batch of products in bfloat16")
	}
	o := (*gemm.Operation[float32])(unsafe.Pointer(of))
	o.Table, o.K = gemm.Pairs(), pairedRows(o.K)
	r := roundedPool.Get()
	if o.M > 0 && o.N > 0 && o.K > 0 {
		o.A = r.roundA(team, as32(a))
		if o.Packed == nil {
			o.B = r.roundB(team, as32(b))
		}
	}
	o.Run(team)
	roundedPool.Put(r)
}

// as32 returns m, whose elements are float32s.
func as32[T Float](m *Mat[T]) *Mat[float32] { return (*Mat[float32])(unsafe.Pointer(m)) }

// rounded is memory for operands in pairs of bfloat16, which lie in float32s' places.
type rounded struct {
	a, b    []float32
	pairing pairing
}

var roundedPool parallel.Pool[rounded]

// roundA returns A in pairs along its columns.
func (r *rounded) roundA(team *Team, a *Mat[float32]) gemm.View[float32] {
	r.a = gemm.Grow(r.a, a.Rows*pairedRows(a.Cols))
	return r.pairing.of(team, *a, r.a)
}

// roundB returns B in pairs along its rows.
func (r *rounded) roundB(team *Team, b *Mat[float32]) gemm.View[float32] {
	r.b = gemm.Grow(r.b, b.Cols*pairedRows(b.Rows))
	v := r.pairing.of(team, b.T(), r.b)
	return v.T()
}

// pairing is a team's job: it makes pairs of the elements of each row of m, its lines.
type pairing struct {
	m   Mat[float32]
	dst []float32
}

// taskOfPairs is how many elements one worker makes pairs of at once.
const taskOfPairs = 1 << 14

// of makes pairs in dst, and returns the view of them.
func (p *pairing) of(team *Team, m Mat[float32], dst []float32) (v gemm.View[float32]) {
	p.m, p.dst = m, dst
	pairs := pairedRows(m.Cols)
	if p.byLines() {
		v = gemm.ViewOf(unsafe.SliceData(dst), pairs, 1)
	} else {
		v = gemm.ViewOf(unsafe.SliceData(dst), 1, m.Rows)
	}
	team.Run(num.CeilDiv(p.steps(), p.stepsOfTask()), p)
	p.m, p.dst = Mat[float32]{}, nil
	return v
}

// byLines reports whether the elements of a pair follow each other in memory. Otherwise those of a
// line's neighbors do.
func (p *pairing) byLines() bool { return p.m.ColStride == 1 }

// steps is how many calls of package simd it takes.
func (p *pairing) steps() int {
	if p.byLines() {
		return p.m.Rows
	}
	return pairedRows(p.m.Cols)
}

// stepsOfTask is how many of them a task makes.
func (p *pairing) stepsOfTask() int {
	of := p.m.Cols
	if !p.byLines() {
		of = 2 * p.m.Rows
	}
	return max(1, taskOfPairs/of)
}

// Do makes the steps of a task.
func (p *pairing) Do(task, _ int) {
	n := p.stepsOfTask()
	pairs := pairedRows(p.m.Cols)
	for step := task * n; step < min(p.steps(), (task+1)*n); step++ {
		if p.byLines() {
			simd.Pairs(p.dst[step*pairs:][:pairs], p.m.Data[step*p.m.RowStride:][:p.m.Cols])
			continue
		}
		even, odd := p.m.Data[2*step*p.m.ColStride:][:p.m.Rows], []float32(nil)
		if 2*step+1 < p.m.Cols {
			odd = p.m.Data[(2*step+1)*p.m.ColStride:][:p.m.Rows]
		}
		simd.PairRows(p.dst[step*p.m.Rows:][:p.m.Rows], even, odd)
	}
}

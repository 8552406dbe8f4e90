package ref

import "math"

// Divergence compares the outputs of the samples from index first on with a teacher's for the same
// samples. It returns the sum of KL(p || q) over its terms, and the sum's gradient by the outputs.
type Divergence func(out, teacher [][]float64, first int) (sum float64, d [][]float64)

// SoftmaxDivergence is that of the outputs' softmax: a term for each sample.
func SoftmaxDivergence(out, teacher [][]float64, _ int) (sum float64, d [][]float64) {
	for i, row := range out {
		kl, e := divergence(row, teacher[i])
		sum, d = sum+kl, append(d, e)
	}
	return sum, d
}

// NextTokenDivergence is that of the softmax of each row but a sample's last, which predicts
// nothing.
func NextTokenDivergence(vocabulary int) Divergence {
	return func(out, teacher [][]float64, _ int) (sum float64, d [][]float64) {
		for i, sample := range out {
			rows, others := cut(sample, vocabulary), cut(teacher[i], vocabulary)
			var e []float64
			for j, row := range rows[:len(rows)-1] {
				kl, of := divergence(row, others[j])
				sum, e = sum+kl, append(e, of...)
			}
			d = append(d, append(e, make([]float64, vocabulary)...))
		}
		return sum, d
	}
}

// divergence returns KL(p || q) of the softmax p of x and the softmax q of y, and its gradient by
// x, p * ((log p - log q) - KL).
func divergence(x, y []float64) (kl float64, d []float64) {
	logP, logQ := LogSoftmax(x), LogSoftmax(y)
	for j := range x {
		kl += math.Exp(logP[j]) * (logP[j] - logQ[j])
	}
	for j := range x {
		d = append(d, math.Exp(logP[j])*((logP[j]-logQ[j])-kl))
	}
	return kl, d
}

// LogSoftmax returns the logarithms of the softmax of x.
func LogSoftmax(x []float64) (logs []float64) {
	largest, total := math.Inf(-1), 0.0
	for _, v := range x {
		largest = math.Max(largest, v)
	}
	for _, v := range x {
		total += math.Exp(v - largest)
	}
	for _, v := range x {
		logs = append(logs, v-largest-math.Log(total))
	}
	return logs
}

// Taught is what a step with a teacher computes: mean losses at w and of the teacher, the mean
// divergence, and the gradient of the loss plus Weight times the divergence.
type Taught struct {
	Loss, Teacher, Divergence float64
	Gradient                  []float64
	Clean                     []float64 // of the loss alone
}

// SADT returns the step of a model that learns from itself (arXiv 2211.00310), whose shards end at
// the given sample numbers. The teacher has the parameters noisy, or if that is nil, each shard has
// its own at w + eps.
func (n Net) SADT(p []float64, x [][]float64, ends []int, weight float64, noisy []float64, a Ascent, loss Loss, divergence Divergence) (t Taught) {
	t.Gradient, t.Clean = make([]float64, len(p)), make([]float64, len(p))
	begin, all := 0, 0.0
	for _, end := range ends {
		xs := x[begin:end]
		teacher, clean := a.climb(p, func(p []float64) []float64 {
			_, _, g := n.GradientBy(p, xs, begin, loss)
			return g
		})
		if noisy != nil {
			teacher = noisy
		}
		q := n.Outputs(teacher, xs)
		ys := n.forward(p, xs)
		out := ys[len(ys)-1]
		own, terms, d := loss(out, begin)
		theirs, _, _ := loss(q, begin)
		apart, e := divergence(out, q, begin)
		for i := range d {
			d[i] = Axpy(weight, e[i], d[i])
		}
		n.backward(p, ys, d, t.Gradient)
		t.Loss, t.Teacher, t.Divergence, all = t.Loss+own, t.Teacher+theirs, t.Divergence+apart, all+float64(terms)
		t.Clean = Axpy(float64(terms), clean, t.Clean)
		begin = end
	}
	t.Clean = Scaled(1/all, t.Clean)
	t.Loss, t.Teacher, t.Divergence = t.Loss/all, t.Teacher/all, t.Divergence/all
	t.Gradient = Scaled(1/all, t.Gradient)
	return t
}

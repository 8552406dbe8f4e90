package ref

import "math"

// Loss compares the outputs of the samples from index first on. It returns the sum of its terms,
// how many they are, and the sum's gradient.
type Loss func(out [][]float64, first int) (sum float64, terms int, d [][]float64)

// SoftmaxLoss is the cross-entropy of the outputs' softmax: a term for each sample.
func SoftmaxLoss(labels []int32) Loss {
	return func(out [][]float64, first int) (sum float64, terms int, d [][]float64) {
		for i, row := range out {
			loss, e := softmax(row, int(labels[first+i]))
			sum, d = sum+loss, append(d, e)
		}
		return sum, len(out), d
	}
}

// NextTokenLoss is the cross-entropy of each token but a sample's first, by the softmax of the row
// before it: a term for each. x is the samples of the batch, as [Text] returns them.
func NextTokenLoss(x [][]float64, vocabulary int) Loss {
	return func(out [][]float64, first int) (sum float64, terms int, d [][]float64) {
		for i, sample := range out {
			tokens, rows := x[first+i], cut(sample, vocabulary)
			var e []float64
			for j, row := range rows[:len(rows)-1] {
				loss, of := softmax(row, int(tokens[j+1])%vocabulary)
				sum, terms, e = sum+loss, terms+1, append(e, of...)
			}
			d = append(d, append(e, make([]float64, vocabulary)...)) // the last row predicts nothing
		}
		return sum, terms, d
	}
}

// softmax returns the cross-entropy of a label by the softmax of x, and its gradient.
func softmax(x []float64, label int) (loss float64, d []float64) {
	largest, total := math.Inf(-1), 0.0
	for _, v := range x {
		largest = math.Max(largest, v)
	}
	for _, v := range x {
		total += math.Exp(v - largest)
	}
	for j, v := range x {
		d = append(d, math.Exp(v-largest)/total)
		if j == label {
			d[j]--
		}
	}
	return math.Log(total) - x[label] + largest, d
}

// GradientBy returns the mean of the loss's terms over samples x, which begin at index first, and
// its gradient. Both are 0 if there is no term.
func (n Net) GradientBy(p []float64, x [][]float64, first int, loss Loss) (mean float64, terms int, g []float64) {
	ys := n.forward(p, x)
	sum, terms, d := loss(ys[len(ys)-1], first)
	g = make([]float64, n.Params())
	if terms == 0 {
		return 0, 0, g
	}
	for i := range d {
		d[i] = Scaled(1/float64(terms), d[i])
	}
	n.backward(p, ys, d, g)
	return sum / float64(terms), terms, g
}

// MSAMBy is MSAM with another loss. Terms count alike, so that shards weigh as many as they have.
func (n Net) MSAMBy(p []float64, x [][]float64, ends []int, a Ascent, loss Loss) (mean float64, ghat []float64) {
	ghat = make([]float64, len(p))
	begin, seen, all := 0, 0.0, 0.0
	for _, end := range ends {
		xs := x[begin:end]
		clean := len(xs)
		if a.Fraction > 0 && a.Rho > 0 {
			clean = int(math.Ceil(a.Fraction*float64(len(xs)) - 1e-9))
		}
		cleanLoss, terms, g := n.GradientBy(p, xs[:clean], begin, loss)
		mean += cleanLoss * float64(terms)
		seen += float64(terms)
		_, terms, g = n.GradientBy(a.perturbed(p, g), xs, begin, loss)
		ghat = Axpy(float64(terms), g, ghat)
		all += float64(terms)
		begin = end
	}
	return mean / seen, Scaled(1/all, ghat)
}

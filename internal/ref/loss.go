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
	mean, _, ghat = n.MSAMGradients(p, x, ends, a, loss)
	return mean, ghat
}

// MSAMGradients is MSAMBy that returns the gradient at p, too: the mean of the shards', by the
// samples that perturb them.
func (n Net) MSAMGradients(p []float64, x [][]float64, ends []int, a Ascent, loss Loss) (mean float64, clean, ghat []float64) {
	clean, ghat = make([]float64, len(p)), make([]float64, len(p))
	begin, seen, all := 0, 0.0, 0.0
	for _, end := range ends {
		xs := x[begin:end]
		first := len(xs)
		if a.Fraction > 0 && a.Rho > 0 {
			first = int(math.Ceil(a.Fraction*float64(len(xs)) - 1e-9))
		}
		cleanLoss, cleanTerms, _ := n.GradientBy(p, xs[:first], begin, loss)
		mean += cleanLoss * float64(cleanTerms)
		seen += float64(cleanTerms)
		w, g := a.climb(p, func(p []float64) []float64 {
			_, _, g := n.GradientBy(p, xs[:first], begin, loss)
			return g
		})
		clean = Axpy(float64(cleanTerms), g, clean)
		_, terms, g := n.GradientBy(w, xs, begin, loss)
		if a.Samples > 0 && a.Rho > 0 {
			g = n.gradientOf(w, xs, begin, loss, n.sharpest(p, w, xs, begin, loss, a.Samples))
		}
		ghat = Axpy(float64(terms), g, ghat)
		all += float64(terms)
		begin = end
	}
	return mean / seen, Scaled(1/seen, clean), Scaled(1/all, ghat)
}

// GradientOfShards returns the mean loss over shards that end at the given sample numbers, each a
// batch to normalizations, how many terms it has, and its gradient.
func (n Net) GradientOfShards(p []float64, x [][]float64, ends []int, loss Loss) (mean float64, terms int, g []float64) {
	g = make([]float64, len(p))
	begin := 0
	for _, end := range ends {
		l, t, of := n.GradientBy(p, x[begin:end], begin, loss)
		mean, terms, g = mean+l*float64(t), terms+t, Axpy(float64(t), of, g)
		begin = end
	}
	return mean / float64(terms), terms, Scaled(1/float64(terms), g)
}

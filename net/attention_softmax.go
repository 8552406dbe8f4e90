package net

import (
	"math"

	"github.com/steppe-ml/steppe/simd"
)

// softmaxScores turns rows of scores, ld floats apart, into probabilities in place: row r has
// n+r*growth of them, and zeros behind, up to the length of the last row. It stores the logarithm of
// the sum of exponentials of scale times the scores in lse.
func softmaxScores(scores []float32, ld, rows, n, growth int, scale float32, lse, total []float32) {
	all := n + (rows-1)*growth
	for r := range rows {
		row := scores[r*ld:][:all]
		seen := row[:n+r*growth]
		simd.Scale(scale, seen)
		simd.SoftmaxRows(seen, seen, len(seen), lse[r:r+1], total[:1])
		lse[r] += float32(math.Log(float64(total[0])))
		clear(row[len(seen):])
	}
}

// softmaxScoresAgain computes the probabilities again, from the scores and lse.
func softmaxScoresAgain(scores []float32, ld, rows, n, growth int, scale float32, lse []float32) {
	all := n + (rows-1)*growth
	for r := range rows {
		row := scores[r*ld:][:all]
		seen := row[:n+r*growth]
		for i, v := range seen {
			seen[i] = float32(scale*v) - lse[r]
		}
		simd.Exp(seen, seen)
		clear(row[len(seen):])
	}
}

// softmaxScoresBackward turns the gradients d of probabilities p into those of scores:
// scale * p * (d - delta), and zeros behind.
func softmaxScoresBackward(d, p []float32, ld, rows, n, growth int, scale float32, delta []float32) {
	all := n + (rows-1)*growth
	for r := range rows {
		row := d[r*ld:][:all]
		seen := row[:n+r*growth]
		for i, v := range p[r*ld:][:len(seen)] {
			seen[i] = float32(scale*v) * (seen[i] - delta[r])
		}
		clear(row[len(seen):])
	}
}

package study

import (
	"cmp"
	"slices"

	"github.com/steppe-ml/steppe/internal/stats"
)

// Candidate is a pair of rho and learning rate, with the results of a method's validation runs.
type Candidate struct {
	Rho float64 `json:"rho"`
	LR  float64 `json:"lr"`
	// Accuracy on the validation samples, with its interval over seeds.
	Accuracy  stats.Mean `json:"accuracy"`
	Collapsed int        `json:"collapsed"` // runs that are no better than guessing
	Diverged  int        `json:"diverged"`  // runs that ended in a refused step
}

// Choice is the rho and the learning rate that were chosen for a method.
type Choice struct {
	Rho        float64     `json:"rho"`
	LR         float64     `json:"lr"`
	Candidates []Candidate `json:"candidates,omitempty"` // none if there was nothing to choose
}

// candidates returns the candidates of an entry. known is false if SGD chooses the learning rate
// for all methods and SGD's runs aren't done; then only the number of candidates is right.
func (s *Study) candidates(store *Store, noise float64, e Entry) (list []Candidate, known bool) {
	lrs, known := s.Grid.LRs, true
	if len(lrs) > 1 && !s.Grid.TuneLR && e.Method.Name != sgd {
		i := slices.IndexFunc(s.entries, func(e Entry) bool { return e.Method.Name == sgd })
		var choice Choice
		choice, known = s.choose(store, noise, s.entries[i])
		lrs = []float64{choice.LR}
	}
	for _, lr := range lrs {
		for _, rho := range s.rhos(e) {
			list = append(list, Candidate{Rho: rho, LR: lr})
		}
	}
	return list, known
}

// choose returns the best candidate of an entry. It compares candidates by the number of diverged
// runs first and by the mean accuracy second, and prefers the first of equals. known is false if a
// run that it needs is missing; then the choice is a guess.
func (s *Study) choose(store *Store, noise float64, e Entry) (choice Choice, known bool) {
	candidates, known := s.candidates(store, noise, e)
	guess := Choice{Rho: candidates[0].Rho, LR: candidates[0].LR}
	if !known || !s.selects() {
		return guess, known
	}
	for i := range candidates {
		c := &candidates[i]
		var accuracies []float64
		for seed := 1; seed <= s.Grid.SelectionSeeds; seed++ {
			r, ok := store.Get(e.run(Selection, noise, c.Rho, c.LR, seed))
			if !ok {
				return guess, false
			}
			accuracies = append(accuracies, r.Accuracy())
			if r.Collapsed {
				c.Collapsed++
			}
			if r.Diverged != "" {
				c.Diverged++
			}
		}
		c.Accuracy = stats.MeanOf(accuracies)
	}
	best := slices.MaxFunc(candidates, func(a, b Candidate) int { // the first of equals
		if a.Diverged != b.Diverged {
			return b.Diverged - a.Diverged
		}
		return cmp.Compare(a.Accuracy.Mean, b.Accuracy.Mean)
	})
	return Choice{Rho: best.Rho, LR: best.LR, Candidates: candidates}, true
}

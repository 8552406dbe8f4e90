package study

import (
	"cmp"
	"slices"
	"strconv"

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

	missing bool // it lacks runs
}

// Choice is the rho and the learning rate that were chosen for a method.
type Choice struct {
	Rho        float64     `json:"rho"`
	LR         float64     `json:"lr"`
	Candidates []Candidate `json:"candidates,omitempty"` // none if there was nothing to choose; by learning rate, then by rho
	Extended   []float64   `json:"extended,omitempty"`   // rhos that the grid got since the best was at its edge, in their order
	// AtEdge reports whether Rho is the largest of several rhos nevertheless, or the smallest and
	// better than the next: the grid has been extended as often as it may be.
	AtEdge bool `json:"at_edge,omitempty"`
}

// candidates returns the candidates of an entry: those of its grid, and those that extend it, as
// far as the results so far tell. known is false if SGD chooses the learning rate for all methods
// and SGD's runs aren't done; then only the number of candidates is right.
func (s *Study) candidates(store *Store, noise float64, e Entry) (list []Candidate, known bool) {
	choice, known := s.search(store, noise, e)
	return choice.Candidates, known
}

// choose returns the best candidate of an entry. It compares candidates by the number of diverged
// runs first and by the mean accuracy second; middleBest says which of equals it takes. known is false if a
// run that it needs is missing; then the choice is a guess.
func (s *Study) choose(store *Store, noise float64, e Entry) (choice Choice, known bool) {
	choice, known = s.search(store, noise, e)
	if known && s.selects() {
		known = !slices.ContainsFunc(choice.Candidates, func(c Candidate) bool { return c.missing })
		return choice, known
	}
	choice.Candidates = nil
	return choice, known
}

// search tries the entry's grid of rhos, and extends it while the best of them is at its edge, up
// to where results are missing. The smallest rho has to be better than the next: where both are as
// good, smaller ones lead to SGD. Without all results, the choice is the first candidate.
func (s *Study) search(store *Store, noise float64, e Entry) (choice Choice, known bool) {
	rhos := slices.Clone(s.rhos(e))
	lrs, known := s.lrs(store, noise, e)
	for below, above := 0, 0; ; {
		choice.Candidates = nil
		missing := false
		for _, lr := range lrs {
			for _, rho := range rhos {
				c := s.candidate(store, noise, e, rho, lr)
				choice.Candidates = append(choice.Candidates, c)
				missing = missing || c.missing
			}
		}
		choice.Rho, choice.LR = choice.Candidates[0].Rho, choice.Candidates[0].LR
		if !known || missing || !s.selects() {
			return choice, known
		}
		best := middleBest(choice.Candidates)
		choice.Rho, choice.LR = best.Rho, best.LR
		n := len(rhos)
		switch {
		case n > 1 && best.Rho == rhos[0] && choice.beats(rhos[1]):
			if choice.AtEdge = below == s.Grid.Extend; choice.AtEdge {
				return choice, true
			}
			below++
			next := rounded(rhos[0] * rhos[0] / rhos[1])
			rhos, choice.Extended = slices.Insert(rhos, 0, next), append(choice.Extended, next)
		case n > 1 && best.Rho == rhos[n-1]: // better than the one before: the middle of two is the smaller
			if choice.AtEdge = above == s.Grid.Extend; choice.AtEdge {
				return choice, true
			}
			above++
			next := rounded(rhos[n-1] * rhos[n-1] / rhos[n-2])
			rhos, choice.Extended = append(rhos, next), append(choice.Extended, next)
		default:
			return choice, true
		}
	}
}

// beats reports whether the chosen rho is better than another, and not just as good.
func (c *Choice) beats(rho float64) bool {
	at := func(rho float64) Candidate {
		list := slices.DeleteFunc(slices.Clone(c.Candidates), func(c Candidate) bool { return c.Rho != rho })
		return slices.MaxFunc(list, compare)
	}
	return compare(at(c.Rho), at(rho)) > 0
}

// middleBest returns the best of candidates that are in the order of Choice.Candidates. Small
// validation sets make several equally good. Then it takes the learning rate with the most of
// them, and of its rhos the middle one of the longest run of neighbors that are equally good: a
// perturbation that serves has neighbors that do.
func middleBest(list []Candidate) Candidate {
	best := slices.MaxFunc(list, compare)
	isBest := func(c Candidate) bool { return compare(c, best) == 0 }
	var groups [][]Candidate // by learning rate
	for i, c := range list {
		if i == 0 || c.LR != list[i-1].LR {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], c)
	}
	most := 0
	counts := make([]int, len(groups))
	bestOf := make([]Candidate, len(groups))
	for i, group := range groups {
		for _, c := range group {
			if isBest(c) {
				counts[i]++
			}
		}
		most = max(most, counts[i])
		bestOf[i] = slices.MaxFunc(group, compare)
	}
	group := groups[middleOfRun(bestOf, func(i int) bool { return counts[i] == most })]
	return group[middleOfRun(group, func(i int) bool { return isBest(group[i]) })]
}

// middleOfRun returns the number of the candidate in the middle of the longest run of neighbors for
// which good holds. Of equally long runs, it is the one between the candidates with the better mean
// accuracy, and the first if these are equal, too. good must hold for one of them.
func middleOfRun(list []Candidate, good func(i int) bool) int {
	middle, longest, around := 0, 0, 0.0
	for i := 0; i < len(list); i++ {
		if !good(i) {
			continue
		}
		end := i + 1
		for end < len(list) && good(end) {
			end++
		}
		var neighbors []float64
		if i > 0 {
			neighbors = append(neighbors, list[i-1].Accuracy.Mean)
		}
		if end < len(list) {
			neighbors = append(neighbors, list[end].Accuracy.Mean)
		}
		mean := 0.0
		if neighbors != nil {
			mean = stats.MeanOf(neighbors).Mean
		}
		if n := end - i; n > longest || n == longest && mean > around {
			middle, longest, around = i+(n-1)/2, n, mean
		}
		i = end
	}
	return middle
}

// compare is negative if candidate a is worse than b.
func compare(a, b Candidate) int {
	if a.Diverged != b.Diverged {
		return b.Diverged - a.Diverged
	}
	return cmp.Compare(a.Accuracy.Mean, b.Accuracy.Mean)
}

// rounded returns x with three significant digits, so that a grid of 0.05 and 0.1 goes on with
// exactly 0.2.
func rounded(x float64) float64 {
	y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 3, 64), 64)
	if err != nil {
		return x // infinite; such a rho is refused as a run
	}
	return y
}

// lrs returns the learning rates to try an entry with. known is false if that is SGD's choice, and
// SGD's runs aren't done.
func (s *Study) lrs(store *Store, noise float64, e Entry) (list []float64, known bool) {
	base := s.entry(sgd)
	if e.own.LRs != nil || len(s.Grid.LRs) == 1 || s.Grid.TuneLR || e.Method.Name == sgd || base == nil {
		return s.ownLRs(e), true
	}
	choice, known := s.choose(store, noise, *base)
	return []float64{choice.LR}, known
}

// candidate returns the results of a candidate's validation runs, or a candidate that is missing.
func (s *Study) candidate(store *Store, noise float64, e Entry, rho, lr float64) Candidate {
	c := Candidate{Rho: rho, LR: lr}
	var accuracies []float64
	for seed := 1; seed <= s.Grid.SelectionSeeds; seed++ {
		r, ok := store.Get(e.run(Selection, noise, rho, lr, seed))
		if !ok {
			return Candidate{Rho: rho, LR: lr, missing: true}
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
	return c
}

package program

import "github.com/steppe-ml/steppe/net/op"

// Where the first ops of a program have the same parameters in two passes over a tile, one after
// the other, they compute the same values. The second pass may begin behind them, if what it reads
// of them has outlived the first.

// ResumeAt returns the first op of a forward pass after a whole pass over the same tile, whose
// backward pass had the given needs, if the ops that those leave out keep their parameters.
func (w *Workspace) ResumeAt(needs *Needs) (i int) {
	for i = needs.first; i > 0 && (i == len(w.resumes) || !w.resumes[i]); i-- {
	}
	return i
}

// findResumes returns by op whether a forward pass may begin there, after a backward pass that has
// ended there.
func (w *Workspace) findResumes() (resumes []bool) {
	p := w.program
	end := &planner{Program: p, n: len(p.nodes)}
	for i := range p.nodes {
		ok := true
		for _, n := range p.nodes[i:] {
			for _, v := range n.in {
				ok = ok && (p.isInput(v) || p.madeFrom(v, i) || w.outlives(v, i, end.back(i, backward)))
			}
		}
		resumes = append(resumes, ok)
	}
	return resumes
}

// madeFrom reports whether v is made by op i or one behind it.
func (p *Program) madeFrom(v op.Value, i int) bool {
	for _, n := range p.nodes[i:] {
		if n.out == p.base[v] {
			return true
		}
	}
	return false
}

// outlives reports whether v, which an op before op i makes, is still there after a time in the
// backward pass.
func (w *Workspace) outlives(v op.Value, i, time int) bool {
	p := w.program
	s := p.storage[v]
	for _, n := range p.nodes[i:] {
		if p.storage[n.out] == s {
			return false // it works in place
		}
	}
	if w.memory.rematerialized[p.base[v]] != nil {
		return false
	}
	b := w.memory.values[s]
	return w.deferred.holdsValue(s) || b != nil && b.to >= time
}

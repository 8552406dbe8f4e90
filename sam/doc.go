// Package sam trains models of package net by sharpness-aware minimisation:
// SAM (Foret et al., arXiv 2010.01412) and mSAM (arXiv 2212.04343), and by
// their base optimiser alone.
//
// A mini-batch B is cut into m disjoint shards S_1 to S_m, whose sizes differ
// by at most one. A step is
//
//	g_i   = grad L_{S_i}(w)
//	eps_i = rho * g_i / ||g_i||                     (one norm over all parameters)
//	ghat  = sum_i |S_i|/|B| * grad L_{S_i}(w + eps_i)
//	w     = Base(w, ghat)
//
// where L_S is the mean loss over S. One shard is SAM; rho = 0 is the base
// optimiser on the same shards. docs/MSAM.md derives how this is computed for
// less than SAM's price. Config.Ascent has other perturbations, among them ASAM's
// and SAM-ON's, and Methods names them all.
//
// Given the same seed, data, instruction set and Config (Workers and
// Config.Force's schedule apart), every result is the same bit for bit,
// whatever the number of cores.
package sam

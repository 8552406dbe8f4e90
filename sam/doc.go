// Package sam trains models of package net by sharpness-aware minimization: SAM (Foret
// et al., arXiv 2010.01412) and mSAM (arXiv 2212.04343).
//
// Begin with package sam/train, which has the training loop. To keep the loop in your
// own hands, make an Optimizer with New and call Step with one batch after the other.
//
// A mini-batch B is cut into m disjoint shards S_1 to S_m, whose sizes differ by at
// most one. A step is
//
//	g_i   = grad L_{S_i}(w)
//	eps_i = rho * g_i / ||g_i||                     (one norm over all parameters)
//	ghat  = sum_i |S_i|/|B| * grad L_{S_i}(w + eps_i)
//	w     = Base(w, ghat)
//
// where L_S is the mean loss over S, and Base is the base optimizer: a rule of package
// net/optim, or your own. One shard is SAM; rho = 0 is the base optimizer on the same
// shards. docs/MSAM.md derives how the step gets cheaper than SAM's usual price.
// Config.Ascent has other perturbations, among them ASAM's and SAM-ON's; Config.Descent
// has other uses of the gradients at w and at w + eps, such as GSAM's and LookSAM's; and
// Config.Teacher makes a step of SADT. Methods lists the methods by name.
//
// Given the same seed, data, instruction set and Config, but for Workers and MaxMemory,
// every result is the same bit for bit on any number of cores.
package sam

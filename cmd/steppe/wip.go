package main

import "github.com/steppe-ml/steppe/internal/runs"

func hintOfRefusal(err error, s *runs.Settings) string { return "a smaller --lr or --rho may help" }

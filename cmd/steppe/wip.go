package main

import (
	"errors"

	"github.com/steppe-ml/steppe/internal/runs"
)

var errClosedPipe = errors.New("closed pipe")

func hintOfRefusal(err error, s *runs.Settings) string { return "a smaller --lr or --rho may help" }

package main

import (
	"context"
	"errors"
)

var errClosedPipe = errors.New("closed pipe")

func (t *trainCommand) writeReport(ctx context.Context, dir string, finished bool) error { return nil }

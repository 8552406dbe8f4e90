package main

import (
	"context"
	"time"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/sam/train"
)

// curvesEvery is how many times longer a run trains than it draws its curves.
const curvesEvery = 100

// curves is a hook that draws curves.png after an epoch, so that a run can be watched. Drawing
// takes a part of a second, so short epochs get it only now and then.
type curves struct {
	dir  string
	next time.Time
}

// Handle implements train.Hook.
func (c *curves) Handle(at train.Moment, s *train.Status) error {
	if at != train.AfterEpoch || time.Now().Before(c.next) {
		return nil
	}
	start := time.Now()
	if err := runs.SaveCurves(c.dir, s.History.BestEpoch); err != nil {
		return err
	}
	c.next = time.Now().Add(curvesEvery * time.Since(start))
	return nil
}

// writeReport writes curves.png and report.html. A run that isn't finished is measured on the
// validation set: the test set is for its end.
func (t *trainCommand) writeReport(ctx context.Context, dir string, finished bool) (err error) {
	if err := runs.SaveCurves(dir, t.history.BestEpoch); err != nil {
		return err
	}
	set := t.job.Test
	if !finished {
		set = t.job.Valid
		if set != nil && t.history.Best != nil {
			if t.review, err = runs.NewReview(context.WithoutCancel(ctx), t.job.Model, t.history.Best, set, nil); err != nil {
				return err
			}
		}
	}
	return t.job.SaveReport(dir, t.config, t.history, t.review, set)
}

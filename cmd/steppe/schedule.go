package main

import (
	"slices"

	"github.com/steppe-ml/steppe/internal/lookup"
	"github.com/steppe-ml/steppe/net/optim"
)

// schedule is a row of a table of schedules. Its function makes the schedule of a run of that many
// steps; nil is a constant factor of 1.
type schedule struct {
	name, about string
	of          func(steps int) optim.Schedule
}

func constant(int) optim.Schedule { return nil }

func cosine(steps int) optim.Schedule { return optim.Cosine{Steps: steps} }

// lrSchedules lists the learning-rate schedules.
var lrSchedules = []schedule{
	{"constant", "the learning rate stays as it is", constant},
	{"step", "falls to a tenth after half of the steps, and again after three quarters", func(steps int) optim.Schedule {
		return optim.MultiStep{Milestones: slices.Compact([]int{(steps + 1) / 2, (3*steps + 3) / 4})}
	}},
	{"cosine", "falls to 0 along half a cosine", cosine},
}

// rhoSchedules lists the schedules of rho.
var rhoSchedules = []schedule{
	{"constant", "rho stays as it is", constant},
	{"linear", "rises linearly from 0", func(steps int) optim.Schedule { return optim.Linear{Steps: steps, To: 1} }},
	{"cosine", "falls to 0 along half a cosine", cosine},
}

func aboutSchedules(title string, rows []schedule) string {
	return section(title, rows, func(s schedule) (string, string) { return s.name, s.about })
}

// findSchedule returns a row of one of the tables; kind is what the error calls it.
func findSchedule(kind string, rows []schedule, name string) (schedule, error) {
	return lookup.Row(kind, rows, func(s schedule) string { return s.name }, name)
}

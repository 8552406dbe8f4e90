package dataset

// Input says how outside data became the samples of a set.
type Input struct{}

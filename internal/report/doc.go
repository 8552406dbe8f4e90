// Package report shows how a run went: its curves and the confusion of its classes as charts, and
// all there is to say about it as one page of HTML. It takes plain data, and knows neither the
// command nor its settings.
package report

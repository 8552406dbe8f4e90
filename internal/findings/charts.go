package findings

import (
	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/study"
)

// AccuracyChart returns the test accuracies of one study, with a panel for each level of noise.
// title names the study, as in "lenet on mnist".
func AccuracyChart(title string, s *study.Summary) chart.Chart {
	c := campaignOf(title, s)
	f := accuracyFigure(allSettings(c), newLooks(c))
	return f.Grid()
}

// RhoChart returns the validation accuracies of one study by rho, with a panel for each level of
// noise. It can't be drawn if no method had several rhos to choose from.
func RhoChart(title string, s *study.Summary) chart.Chart {
	c := campaignOf(title, s)
	f := rhoFigure("rho", "Validation accuracy by rho", allSettings(c), newLooks(c), func(*study.Row) bool { return true })
	return f.Grid()
}

func campaignOf(title string, s *study.Summary) *study.Campaign {
	return &study.Campaign{Parts: []study.Part{{Title: title, Summary: s}}}
}

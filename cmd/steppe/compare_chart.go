package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/chart"
	"github.com/steppe-ml/steppe/internal/findings"
	"github.com/steppe-ml/steppe/internal/study"
)

// accuracyChart has a panel for each level of label noise, with a row for each method.
func (c *compare) accuracyChart(s *study.Summary) chart.Chart {
	return findings.AccuracyChart(c.chartTitle(), s)
}

// rhoChart has a panel for each level of label noise, with a line for each method: the validation
// accuracy at each rho.
func (c *compare) rhoChart(s *study.Summary) chart.Chart {
	return findings.RhoChart(c.chartTitle(), s)
}

func (c *compare) chartTitle() string { return fmt.Sprintf("%s on %s", c.modelName, c.dataName()) }

package runs

import (
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/sam/flatness"
)

// Incomparable says why the flatness of minima can't be compared with that of the first one, in a
// sentence for each that differs; none if all can be. Numbers depend on the model and on the
// samples, and in mode Batch on how many samples are normalized together.
func Incomparable(minima []*Minimum, mode flatness.Mode) (reasons []string) {
	first := minima[0]
	a := &first.Config.Settings
	for _, m := range minima[1:] {
		b := &m.Config.Settings
		pair := fmt.Sprintf("%s and %s", first.Dir, m.Dir)
		switch {
		case a.Model != b.Model:
			reasons = append(reasons, fmt.Sprintf("%s have different models, %s and %s: their numbers can't be compared", pair, a.Model, b.Model))
		case first.Sum != m.Sum:
			reasons = append(reasons, fmt.Sprintf("%s were measured on different samples%s: their numbers can't be compared strictly", pair, differences(first, m)))
		case mode == flatness.Batch && a.Batch != b.Batch:
			reasons = append(reasons, fmt.Sprintf("%s normalize over batches of %d and %d samples: their numbers can't be compared", pair, a.Batch, b.Batch))
		}
	}
	return reasons
}

// differences says by which settings two runs come to different samples, in brackets; "" if that
// doesn't show.
func differences(one, other *Minimum) string {
	a, b := &one.Config.Settings, &other.Config.Settings
	var list []string
	differ := func(flag string, a, b any) {
		if a != b {
			list = append(list, fmt.Sprintf("--%s %v and %v", flag, a, b))
		}
	}
	differ("data", a.Data, b.Data)
	differ("valid", a.Valid, b.Valid)
	differ("label-noise", a.LabelNoise, b.LabelNoise)
	differ("standardize", a.Standardize, b.Standardize)
	if a.Valid > 0 || a.LabelNoise > 0 {
		differ("seed", a.Seed, b.Seed)
	}
	if list == nil {
		return ""
	}
	return " (" + strings.Join(list, "; ") + ")"
}

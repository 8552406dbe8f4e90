package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/steppe-ml/steppe/sam/train"
)

// verdict says in a sentence or two how good the model is.
func (p *Page) verdict() string {
	r := p.Result
	switch {
	case r == nil:
		return p.lastScores()
	case r.Confusion != nil && r.Samples > 0:
		right, _ := r.Confusion.right()
		low, high := wilson(right, r.Samples)
		return fmt.Sprintf("%s accuracy: %s of %s of %s are right. With 95%% confidence, the accuracy on samples like these is from %s to %s.",
			share(right, r.Samples), number(right), count(r.Samples, "sample"), r.Set, percent(low, 1), percent(high, 1))
	}
	var scores []string
	for _, s := range r.Scores {
		scores = append(scores, words(s.Name)+" "+s.text(r.Samples))
	}
	if len(scores) == 0 {
		return ""
	}
	return fmt.Sprintf("On %s of %s: %s.", count(r.Samples, "sample"), r.Set, list(scores))
}

// lastScores says what the log knows of a model that wasn't measured.
func (p *Page) lastScores() string {
	row := p.row(p.Best)
	if row == nil {
		return "No epoch is finished."
	}
	scores := []string{"training loss " + value(row.TrainLoss)}
	for _, name := range []string{"loss", "accuracy", "R2", "r2", "perplexity"} {
		if v, ok := row.Valid[name]; ok {
			scores = append(scores, "validation "+words(name)+" "+Score{name, v}.text(0))
		}
	}
	return fmt.Sprintf("After epoch %d: %s. The model wasn't measured on a test set.", row.Epoch, list(scores))
}

// row returns the log's row of an epoch, the last for 0; nil if there is none.
func (p *Page) row(epoch int) *train.Row {
	var found *train.Row
	for i, r := range p.Rows {
		if r.Kind == train.RowEpoch && (epoch == 0 || r.Epoch == epoch) {
			found = &p.Rows[i]
		}
	}
	return found
}

// course says how far the run came, and where it was the best.
func (p *Page) course() string {
	var sentences []string
	done := 0
	if last := p.row(0); last != nil {
		done = last.Epoch
	}
	of := ""
	if p.Epochs > 0 {
		of = fmt.Sprintf(" of %d", p.Epochs)
	}
	if p.Best > 0 {
		by := ""
		if p.Monitor != "" {
			by = ", by " + shorten(p.Monitor)
		}
		sentences = append(sentences, fmt.Sprintf("Best epoch: %d%s%s.", p.Best, of, by))
	}
	if p.Stopped != "" {
		sentences = append(sentences, fmt.Sprintf("The run ended after epoch %d%s: %s.", done, of, strings.TrimSuffix(shorten(p.Stopped), ".")))
	}
	if seconds := p.seconds(); seconds > 0 {
		sentences = append(sentences, fmt.Sprintf("Training took %s.", duration(seconds)))
	}
	return strings.Join(sentences, " ")
}

// seconds returns the time that the finished epochs took.
func (p *Page) seconds() float64 {
	total := 0.0
	for _, r := range p.Rows {
		if r.Kind == train.RowEpoch {
			total += r.Seconds
		}
	}
	return total
}

// duration returns a time in units that fit it.
func duration(seconds float64) string {
	switch s := int(math.Round(seconds)); {
	case seconds < 1:
		return "less than a second"
	case seconds < 10:
		return fmt.Sprintf("%.1f seconds", seconds)
	case s < 120:
		return fmt.Sprintf("%d seconds", s)
	case s < 7200:
		return fmt.Sprintf("%d minutes", int(math.Round(seconds/60)))
	default:
		return fmt.Sprintf("%.1f hours", seconds/3600)
	}
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam/train"
)

// show is the hook of the run that prints.
func (t *trainCommand) show(at train.Moment, s *train.Status) error {
	switch at {
	case train.AtStart:
		t.printHeader(s)
	case train.AfterStep:
		t.live.set((s.Epoch-1)*t.job.Run.Loader().Samples()+s.Samples, func() string {
			return fmt.Sprintf("epoch %d, loss %.4f", s.Epoch, s.Loss)
		})
	case train.AfterEpoch:
		t.live.clear()
		t.printEpoch(s)
	}
	if t.json && s.Row != nil {
		return t.printJSON(s.Row)
	}
	return nil
}

// printJSON prints a value as a line of JSON.
func (t *trainCommand) printJSON(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = t.stdout.Write(append(text, '\n'))
	return err
}

// printHeader prints the model, the data, the settings and the machine.
func (t *trainCommand) printHeader(s *train.Status) {
	j := t.job
	fmt.Fprintf(t.tables, "%s on %s: %s training", t.settings.Model, j.Name, count(j.Train.Len()))
	if j.Valid != nil {
		fmt.Fprintf(t.tables, ", %s validation", count(j.Valid.Len()))
	}
	fmt.Fprintf(t.tables, " and %s of %v", plural(j.Test.Len(), "test sample"), samplesOf(j.Train))
	if j.Train.Classes > 0 {
		fmt.Fprintf(t.tables, " in %s", plural(j.Train.Classes, "class"))
	}
	fmt.Fprintln(t.tables)
	printTexts(t.tables, j.Train)
	if changes := describeChanges(&t.settings); changes != "" {
		fmt.Fprintln(t.tables, changes)
	}
	if loader := j.Run.Loader(); loader.Samples() < j.Train.Len() {
		fmt.Fprintf(t.tables, "%s left out of each epoch, others each time: the last batch is too short for a normalization\n",
			plural(j.Train.Len()-loader.Samples(), "sample"))
	}
	fmt.Fprintf(t.tables, "%s, batch %d, %s\n", describeMethod(&t.settings, s.Plan.Ascent.String()), t.settings.Batch, describeOptimizer(&t.settings))
	fmt.Fprintf(t.tables, "%s, seed %d\n", machine(t.workers), t.settings.Seed)
	if line := t.ranksLine(); line != "" {
		fmt.Fprintln(t.tables, line)
	}
	if t.dir() != "" {
		fmt.Fprintf(t.tables, "in %s\n", t.dir())
	}
	switch done := len(s.History.Epochs); {
	case s.Batch > 0:
		fmt.Fprintf(t.tables, "going on in epoch %d, after %s\n", done+1, plural(s.Batch, "step"))
	case done > 0:
		fmt.Fprintf(t.tables, "going on after %s\n", plural(done, "epoch"))
	}
	head := "\nepoch   train loss"
	if j.Valid != nil {
		head += fmt.Sprintf("   valid loss   %-*s", t.scoreWidth(), "valid "+t.score())
	}
	fmt.Fprintln(t.tables, head+"   seconds   samples/s")
}

// samplesOf says what the samples of a set are.
func samplesOf(s *dataset.Set) string {
	if s.IsText() {
		return fmt.Sprintf("up to %s", plural(s.Shape[0], "token"))
	}
	return s.Shape.String()
}

// printTexts says which tokens the training samples have; nothing if they are no text.
func printTexts(w io.Writer, s *dataset.Set) {
	if !s.IsText() {
		return
	}
	fmt.Fprintf(w, "vocabulary of %s, %.1f a sample on average", plural(s.Vocabulary, "token"), float64(len(s.Tokens))/float64(s.Len()))
	if texts, tokens := s.Cut(); texts > 0 {
		fmt.Fprintf(w, "; %s too long, and cut by %s in all", plural(texts, "text")+isAre(texts), plural(tokens, "token"))
	}
	fmt.Fprintln(w)
}

// score returns the metric that people look at.
func (t *trainCommand) score() string { return scoreOf(t.job) }

func scoreOf(j *runs.Job) string {
	switch {
	case j.Language():
		return "perplexity"
	case j.Regression():
		return "r2"
	}
	return "accuracy"
}

// scoreWidth returns the columns of the table that scores take.
func (t *trainCommand) scoreWidth() int { return max(14, len("valid "+t.score())) }

// formatScore formats an accuracy as a percentage, and another score as a number.
func (t *trainCommand) formatScore(x float64) string {
	switch t.score() {
	case "perplexity":
		return significant(x)
	case "r2":
		return fmt.Sprintf("%.4f", x)
	}
	return fmt.Sprintf("%.2f%%", 100*x)
}

// printEpoch prints the row of the epoch that has just ended. The best one so far has a star.
func (t *trainCommand) printEpoch(s *train.Status) {
	h := s.History
	e := h.Epochs[len(h.Epochs)-1]
	line := fmt.Sprintf("%5d   %10.4f", e.Epoch, e.Loss)
	if t.job.Valid != nil {
		star := ""
		if h.BestEpoch == e.Epoch {
			star = " *"
		}
		line += fmt.Sprintf("   %10.4f   %-*s", e.Valid["loss"], t.scoreWidth(), fmt.Sprintf("%8s%s", t.formatScore(e.Valid[t.score()]), star))
	}
	fmt.Fprintf(t.tables, "%s   %7.3f   %9s\n", line, e.Seconds, rate(float64(e.Samples)/e.Seconds))
}

// printResult prints how the tested model does, and a warning if it is no better than guessing.
// ended is the error that ended the run, if it hasn't come to its end.
func (t *trainCommand) printResult(ended error) error {
	if ended != nil {
		return nil
	}
	if t.json {
		return t.printJSON(t.result())
	}
	h, r := t.history, t.review
	if h.Stopped != "" {
		fmt.Fprintf(t.tables, "\nStopped early: %s.\n", h.Stopped)
	}
	fmt.Fprintln(t.tables)
	fmt.Fprint(t.stdout, testLine(r))
	fmt.Fprintf(t.stdout, ", with epoch %d of %d, the best by %s.\n", h.BestEpoch, len(h.Epochs), t.settings.Monitor)
	if t.collapsed() {
		fmt.Fprintln(t.stdout, "That is no better than guessing: the run has collapsed, or there is nothing to learn.\n"+
			"More --epochs, a smaller --lr or --rho, or fewer --shards may help.")
	}
	if dir := t.dir(); dir != "" {
		use := fmt.Sprintf("steppe predict %s ...", quoted(dir))
		if t.job.Language() {
			use = fmt.Sprintf("steppe generate %s --prompt ...", quoted(dir))
		}
		fmt.Fprintf(t.tables, "Look at %s/report.html. `steppe eval %s` and `%s` use the model.\n", dir, quoted(dir), use)
	}
	return nil
}

// testLine says how a model does on the test samples, in a sentence without its end.
func testLine(r *runs.Review) string {
	score, has := r.Scores, func(name string) bool { _, ok := r.Scores[name]; return ok }
	var b strings.Builder
	switch {
	case has("perplexity"):
		fmt.Fprintf(&b, "Test perplexity %s, token accuracy %.2f%%, loss %.4f (%s)",
			significant(score["perplexity"]), 100*score["token accuracy"], score["loss"], plural(r.Samples, "sample"))
	case has("r2"):
		fmt.Fprintf(&b, "Test R2 %.4f", score["r2"])
		if has("pearson") {
			fmt.Fprintf(&b, ", Pearson %.4f, Spearman %.4f", score["pearson"], score["spearman"])
		}
		fmt.Fprintf(&b, ", loss %.4f (%s)", score["loss"], plural(r.Samples, "sample"))
	default:
		fmt.Fprintf(&b, "Test accuracy %.2f%% (%s of %s)", 100*score["accuracy"], count(trace(r.Confusion)), count(r.Samples))
		if has("f1") {
			fmt.Fprintf(&b, ", F1 %.4f, Matthews %.4f", score["f1"], score["matthews"])
		}
		fmt.Fprintf(&b, ", loss %.4f", score["loss"])
	}
	return b.String()
}

// trace returns the sum of a matrix's diagonal.
func trace(confusion [][]int) (n int) {
	for class, row := range confusion {
		n += row[class]
	}
	return n
}

// collapsed reports whether the tested model is no better than guessing.
func (t *trainCommand) collapsed() bool {
	switch {
	case t.job.Language():
		return !(t.review.Scores["perplexity"] < float64(t.job.Test.Vocabulary))
	case t.job.Regression():
		return !(t.review.Scores["r2"] > 0)
	}
	return t.review.Scores["accuracy"] <= train.Chance(t.job.Test)
}

// printStopped says where the run has stopped, for readers of the table: in an epoch, or in the test
// after the training.
func (t *trainCommand) printStopped(trained bool) {
	h := t.history
	if trained {
		fmt.Fprintf(t.tables, "\nStopped in the test, after epoch %d.", len(h.Epochs))
	} else {
		fmt.Fprintf(t.tables, "\nStopped in epoch %d.", len(h.Epochs)+1)
	}
	if h.BestEpoch > 0 {
		best := h.Epochs[h.BestEpoch-1]
		if score, ok := best.Valid[t.score()]; ok {
			fmt.Fprintf(t.tables, " The best epoch by %s so far is %d, with a validation %s of %s.",
				t.settings.Monitor, h.BestEpoch, t.score(), t.formatScore(score))
		}
	}
	fmt.Fprintln(t.tables)
}

// hint adds to the error that ended a run how to go on, or what may help.
func (t *trainCommand) hint(ended error) error {
	var hints []string
	var refused *train.StepError
	var unsaved *train.SaveError
	if errors.As(ended, &refused) {
		hints = append(hints, hintOfRefusal(refused.Err, &t.settings))
	}
	switch {
	case errors.As(ended, &unsaved):
		if _, err := os.Stat(train.LastFile(t.dir())); err == nil {
			hints = append(hints, fmt.Sprintf("%s has the last state that was saved whole: `steppe train --resume %s` goes on from there",
				t.dir(), quoted(t.dir())))
		}
	case t.dir() != "" && refused == nil:
		hints = append(hints, fmt.Sprintf("`steppe train --resume %s` goes on from here", quoted(t.dir())))
	case t.dir() != "":
		hints = append(hints, fmt.Sprintf("%s has the state before this step", t.dir()))
	case t.save == "" && refused == nil && !errors.Is(ended, errClosedPipe):
		hints = append(hints, "nothing was kept: --out DIR keeps a run that can go on")
	}
	return &hintedError{ended, strings.Join(hints, "; ")}
}

// hintedError is an error with advice.
type hintedError struct {
	error
	hint string
}

func (e *hintedError) Error() string {
	if e.hint == "" {
		return e.error.Error()
	}
	return e.error.Error() + "\n" + e.hint
}

func (e *hintedError) Unwrap() error { return e.error }

// quoted quotes a path for a shell, if it needs quotes.
func quoted(path string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+:,@%"
	special := func(c rune) bool { return !strings.ContainsRune(plain, c) }
	if path != "" && !strings.ContainsFunc(path, special) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

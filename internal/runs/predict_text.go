package runs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/steppe-ml/steppe/net/dataset"
)

// texts predicts texts, those in files, and those that come by stdin.
func (p *predicting) texts(inputs []string, stdin io.Reader) error {
	for i := 0; i < len(inputs); i++ {
		var err error
		switch a := inputs[i]; {
		case a == "-":
			err = p.lines(stdin)
		case isTextFile(a):
			err = p.textFile(a)
		case !p.pairs():
			err = p.text(a, a, "")
		case i+1 == len(inputs) || inputs[i+1] == "-" || isTextFile(inputs[i+1]):
			err = fmt.Errorf("%q has no second text behind it: %s takes two", a, p.Path)
		default:
			i++
			err = p.text(a+"\t"+inputs[i], a, inputs[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pairs reports whether the model takes two texts at a time.
func (t *Trained) pairs() bool { return len(t.input.Text.Columns) == 2 }

// isTextFile reports whether an input is the name of a file of texts, and no text that ends like
// one.
func isTextFile(input string) bool {
	if !dataset.IsTable(input) && !dataset.IsText(input) {
		return false
	}
	_, err := os.Stat(input)
	return !errors.Is(err, fs.ErrNotExist) || !strings.ContainsFunc(input, unicode.IsSpace)
}

// lines predicts each line of a reader, as it comes.
func (p *predicting) lines(r io.Reader) error {
	lines := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		if err != nil && err != io.EOF {
			return err
		}
		if line == "" && err == io.EOF {
			return nil
		}
		line = strings.TrimRight(line, "\r\n")
		a, b, second := strings.Cut(line, "\t")
		switch {
		case strings.TrimSpace(line) == "":
			return fmt.Errorf("line %d of the standard input is empty, want a text", number)
		case !p.pairs():
			a, b = line, ""
		case !second:
			return fmt.Errorf("line %d of the standard input has no tab: %s takes two texts, with a tab between them", number, p.Path)
		}
		if err := p.text(line, a, b); err != nil {
			return err
		}
	}
}

// textFile predicts the texts in a file.
func (p *predicting) textFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	a, b, err := p.input.TextColumns(file, path)
	if err != nil {
		return err
	}
	for i := range a {
		second := ""
		if b != nil {
			second = b[i]
		}
		if err := p.text(fmt.Sprintf("%s row %d", path, i+1), a[i], second); err != nil {
			return err
		}
	}
	return nil
}

// text predicts one text, or one pair.
func (p *predicting) text(input, a, b string) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	var second []string
	if p.pairs() {
		second = []string{b}
	}
	batch, cut, err := p.input.Texts(shorten(input), []string{a}, second)
	if err != nil {
		return err
	}
	if p.outputs, err = p.predictor.OutputsOf(p.outputs, batch); err != nil {
		return fmt.Errorf("%s: %w", shorten(input), err)
	}
	return p.yield(Prediction{Input: input, Outputs: p.outputs, Cut: cut})
}

// shorten quotes a text for an error, of a long one the beginning.
func shorten(text string) string {
	const most = 40
	if letters := []rune(text); len(letters) > most {
		return fmt.Sprintf("%q...", string(letters[:most]))
	}
	return fmt.Sprintf("%q", text)
}

package dataset

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// spamArchive is the package of npm that has the messages of SpamAssassin's public corpus, a file
// each, in folders by their kind.
const spamArchive = "datasets-spam-assassin-0.2.3.tgz"

var spamClasses = []string{"ham", "spam"}

// spam makes sets of SpamAssassin's messages. A message is its subject and
// its text, as parseEmail finds them: the other lines of the header say by which hosts and programs
// a message came, which tells ham from spam in this corpus without a look at it. Of messages with
// the same text, the first alone counts, so that none is in both parts.
func (o Options) spam(all *rows) (train, test *Set, err error) {
	if o.Language {
		o.Text = "text"
	} else {
		o.Text, o.Label, o.Task = "text", "label", Classify
	}
	return o.textTables("spam", all, nil)
}

// readSpam reads the messages of the archive, in the order of their paths.
func readSpam(archive string) (*rows, error) {
	files, err := readArchive(archive, func(name string) bool {
		return path.Ext(name) == ".txt" && kindOfMessage(name) != ""
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no messages: %w", archive, fs.ErrNotExist)
	}
	t := &rows{name: archive, header: []string{"text", "label"}}
	seen := map[string]bool{}
	for i, file := range files {
		subject, body := parseEmail(file.content)
		text := strings.TrimSpace(subject + "\n" + body)
		if text == "" || seen[text] {
			continue
		}
		seen[text] = true
		t.cells, t.lines = append(t.cells, []string{text, kindOfMessage(file.name)}), append(t.lines, i+1)
	}
	return t, nil
}

// kindOfMessage returns the class of a message by its folder, "" for other files.
func kindOfMessage(name string) string {
	folder := path.Base(path.Dir(name))
	i := slices.IndexFunc(spamClasses, func(class string) bool {
		return strings.HasPrefix(folder, class) || strings.Contains(folder, "-"+class)
	})
	if i < 0 || path.Base(path.Dir(path.Dir(name))) != "data" {
		return ""
	}
	return spamClasses[i]
}

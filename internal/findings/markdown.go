package findings

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

const proseWidth = 100 // columns by which lines of prose end

// WriteMarkdown writes the findings as Markdown. picture returns where the picture of a name is, as
// in "study/accuracy.png"; the pictures are those of Pictures.
func (f *Findings) WriteMarkdown(w io.Writer, picture func(name string) string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", f.title())
	for _, p := range f.about() {
		prose(&b, "", p)
	}
	for _, a := range f.Answers {
		prose(&b, "- ", fmt.Sprintf("**%s.** %s", a.Title, a.Sentence))
	}
	b.WriteString("\n")
	for i := range f.Answers {
		f.Answers[i].markdown(&b, picture)
	}
	b.WriteString("### The study\n\n")
	t := recipeTable(f.Study)
	b.WriteString(t.Markdown() + "\n\n")
	list := doubts(f.Study)
	for _, d := range list {
		prose(&b, "- ", d)
	}
	if list != nil {
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}

func (a *Answer) markdown(b *strings.Builder, picture func(name string) string) {
	fmt.Fprintf(b, "### %s\n\n", a.Title)
	prose(b, "", "**"+a.Sentence+"**")
	for i := range a.Figures {
		fig := &a.Figures[i]
		fmt.Fprintf(b, "![%s](%s)\n\n", fig.Title, picture(fig.Name))
		prose(b, "", fig.About)
	}
	for _, d := range a.Details {
		prose(b, "- ", d)
	}
	if a.Details != nil {
		b.WriteString("\n")
	}
	prose(b, "", "Beside the papers: "+a.Papers)
	said := map[string]bool{} // notes, which many tables share
	for i := range a.Tables {
		t := &a.Tables[i]
		if t.Long {
			continue
		}
		prose(b, "", t.Title+":")
		b.WriteString(t.Markdown() + "\n\n")
		if t.Note != "" && !said[t.Note] {
			prose(b, "", t.Note)
		}
		said[t.Note] = true
	}
}

// prose writes a paragraph, or an item of a list if mark is that of one, in lines that end by
// proseWidth.
func prose(b *strings.Builder, mark, paragraph string) {
	indent := strings.Repeat(" ", len(mark))
	lines := strings.Split(text.WrapSoft(paragraph, proseWidth-len(mark)), "\n")
	for i, line := range lines {
		if i > 0 {
			mark = indent
		}
		b.WriteString(mark + strings.TrimRight(line, " ") + "\n")
	}
	if indent == "" {
		b.WriteString("\n")
	}
}

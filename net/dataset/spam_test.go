package dataset

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a reader of mail sees of messages of all kinds.
func TestParseEmail(t *testing.T) {
	const plain = "Subject: s\nContent-Type: text/plain\n\n"
	multi := func(parts ...string) string {
		return "Subject: s\nContent-Type: multipart/alternative;\n boundary=\"b b\"\n\npreamble\n--b b\n" + strings.Join(parts, "\n--b b\n") + "\n--b b--\nend\n"
	}
	for _, test := range []struct{ name, message, subject, body string }{
		{"of a mailbox", "From a@b Thu Aug 22 12:36:23 2002\nReceived: x\nSubject: Re: a\n  long   one\nX-Spam: yes\n\nHello ,\n\n  world  \n", "Re: a long one", "Hello ,\nworld"},
		{"CRLF", "SUBJECT: s\r\nTo: a\r\n\r\nbody\r\n", "s", "body"},
		{"two subjects", "Subject: first\nSubject: second\n and more\n\nbody", "first", "body"},
		{"no header", "\nbody", "", "body"},
		{"no body", "Subject: s\n", "s", ""},
		{"nothing", "", "", ""},
		{"lines that are no fields", "Subject: s\nnot a field\n folded\nTo: a\n\nbody", "s folded", "body"},
		{"words in the subject", "Subject: =?iso-8859-1?q?caf=E9?= =?koi8-r?b?8NLJ18XU?=\n\nbody", "caféПривет", "body"},
		{"an unknown charset", "Subject: =?nonsense?q?a=E9?=\nContent-Type: text/plain; charset=nonsense\n\ncaf\xe9", "aé", "café"},
		{"a charset", "Subject: s\nContent-Type: text/plain; charset=\"KOI8-R\"\n\n\xf0\xd2\xc9", "s", "При"},
		{"no charset", plain + "caf\xe9 \x93quoted\x94", "s", "café “quoted”"},
		{"UTF-8", plain + "café", "s", "café"},
		{"quoted-printable", "Subject: s\nContent-Transfer-Encoding: Quoted-Printable\nContent-Type: text/plain; charset=iso-8859-1\n\ncaf=E9 a=\nb", "s", "café ab"},
		{"base64", "Subject: s\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte("hello there")) + "\n\nfooter", "s", "hello there"},
		{"broken base64", "Subject: s\nContent-Transfer-Encoding: base64\n\naGVsbG8h!!", "s", "hello!"},
		{"HTML", "Subject: s\nContent-Type: text/html\n\n<html><head><style>p {x}</STYLE><title>T</title></head><BODY>V<!-- x>y -->iagra&nbsp;&amp;<br>more<script>a<b</script>!<p class='c'>end<td>1</td><td>2</td>", "s", "T\nViagra &\nmore!\nend 1 2"},
		{"HTML that breaks off", "Subject: s\nContent-Type: text/html\n\na<script>b<script>c<b", "s", "abc"},
		{"a comment that breaks off", "Subject: s\nContent-Type: text/html\n\na<!-- b", "s", "a"},
		{"parts", multi("Content-Type: text/html\n\n<p>markup", "Content-Type: text/plain\n\nplain"), "s", "plain"},
		{"parts of HTML", multi("Content-Type: image/png\n\n....", "Content-Type: text/html\n\n<p>markup"), "s", "markup"},
		{"parts in parts", multi("Content-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\naGk=\n--c--\n"), "s", "hi"},
		{"a part without a type", multi("\nplain"), "s", "plain"},
		{"parts that break off", "Subject: s\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nplain", "s", "plain"},
		{"no boundary", "Subject: s\nContent-Type: multipart/mixed\n\nplain", "s", "plain"},
		{"a message in a message", "Subject: s\nContent-Type: message/rfc822\n\nSubject: t\n\ninner", "s", "inner"},
		{"a broken type", "Subject: s\nContent-Type: text/html; charset=\"us\n\n<p>markup", "s", "markup"},
		{"a picture", "Subject: s\nContent-Type: image/gif\n\nGIF89a", "s", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			subject, body := parseEmail([]byte(test.message))
			assert.Equal(t, []string{test.subject, test.body}, []string{subject, body})
		})
	}
}

// Whatever a message is, its text is UTF-8.
func FuzzEmail(f *testing.F) {
	f.Add([]byte("Subject: =?utf-8?q?=FF?=\nContent-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/html\n\n<b>&#xD800;\xff--a--"))
	f.Add([]byte("Subject: s\nContent-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n//4="))
	f.Fuzz(func(t *testing.T, message []byte) {
		subject, body := parseEmail(message)
		for _, text := range []string{subject, body} {
			require.Equal(t, strings.ToValidUTF8(text, ""), text)
			require.Equal(t, strings.TrimSpace(text), text)
		}
	})
}

func TestSpam(t *testing.T) {
	files := map[string]string{
		"package/data/file_list.json": "[]", "package/data/easy-ham-1/00001.a.json": "{}", "package/docs/spam-1/x.txt": "Subject: not data\n\n",
	}
	for i := range 20 {
		for _, folder := range []string{"easy-ham-1", "hard-ham-1", "spam-2"} {
			files[fmt.Sprintf("package/data/%s/%05d.a.txt", folder, i)] = fmt.Sprintf("Received: from %s\nSubject: %s %d\n\nbody %d\n", folder, folder, i, i)
		}
	}
	files["package/data/spam-1/00001.b.txt"] = files["package/data/spam-2/00003.a.txt"] // once more
	files["package/data/spam-1/00002.b.txt"] = "Received: x\n\n"                        // nothing in it
	cacheOf(t, "spam", spamArchive, files)
	train, test, err := Options{TokenizerKind: TokenizerBytes}.Open("spam")
	require.NoError(t, err)
	require.NoError(t, train.Validate())
	require.NoError(t, test.Validate())
	assert.Equal(t, []string{"spam/train", "spam/test"}, []string{train.Name, test.Name})
	assert.Equal(t, []string{"ham", "spam"}, train.ClassNames)
	assert.Equal(t, []int{48, 12}, []int{train.Len(), test.Len()})
	var counts [2]int
	for i := range test.Len() {
		text := textOf(t, test, i)[0]
		counts[test.Labels[i]]++
		assert.Equal(t, strings.HasPrefix(text, "spam"), test.Labels[i] == 1)
		assert.NotContains(t, text, "Received")
		assert.Contains(t, text, "\nbody ")
	}
	assert.Equal(t, [2]int{8, 4}, counts, "a fifth of each class")

	language, _, err := Options{TokenizerKind: TokenizerBytes, Language: true}.Open("spam")
	require.NoError(t, err)
	require.NoError(t, language.Validate())
	assert.Nil(t, language.Labels)

	cacheOf(t, "spam", spamArchive, map[string]string{"x": "y"})
	_, _, err = Open("spam")
	assert.ErrorContains(t, err, "has no messages")
}

// The messages themselves, where they are in the cache.
func TestRealSpam(t *testing.T) {
	dir, err := cached("spam")
	if testing.Short() || err != nil {
		t.Skipf("-short, or no SpamAssassin messages here (steppe data get spam): %v", err)
	}
	all, err := readSpam(filepath.Join(dir, spamArchive))
	require.NoError(t, err)
	counts := map[string]int{}
	for _, cells := range all.cells {
		counts[cells[1]]++
	}
	assert.Equal(t, map[string]int{"ham": 4108, "spam": 1809}, counts)
	train, test, err := Options{TokenizerKind: TokenizerBytes}.spam(all)
	require.NoError(t, err)
	require.NoError(t, train.Validate())
	require.NoError(t, test.Validate())
}

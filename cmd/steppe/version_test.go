package main

import (
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/simd"
)

func TestVersion(t *testing.T) {
	code, stdout, stderr := steppe(t, "--version")
	assert.Zero(t, code)
	assert.Empty(t, stderr)
	assert.Regexp(t, `^steppe \d+\.\d+\.\d+( \(.+\))?, `+runtime.Version()+` \w+/\w+, `+simd.Active().String()+`\n$`, stdout)
}

// The changelog has a section for the version that the command prints.
func TestVersionInChangelog(t *testing.T) {
	require.Regexp(t, `^\d+\.\d+\.\d+\n$`, versionFile)
	changelog, err := os.ReadFile("../../CHANGELOG.md")
	require.NoError(t, err)
	number := versionFile[:len(versionFile)-1]
	assert.Regexp(t, `(?m)^## v`+regexp.QuoteMeta(number)+` \(\d{4}-\d\d-\d\d\)$`, string(changelog))
}

func TestRevision(t *testing.T) {
	vcs := func(pairs ...string) (s []debug.BuildSetting) {
		for i := 0; i < len(pairs); i += 2 {
			s = append(s, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return s
	}
	for _, c := range []struct {
		name     string
		module   string
		settings []debug.BuildSetting
		want     string
	}{
		{"no version control", "(devel)", nil, ""},
		{"a test", "", nil, ""},
		{"a clean checkout", "(devel)", vcs("vcs.revision", "0123456789abcdef", "vcs.modified", "false"), "0123456789ab"},
		{"a modified checkout", "v0.2.1-0.20261126-0123456789ab+dirty", vcs("vcs.revision", "0123456789abcdef", "vcs.modified", "true"), "0123456789ab, modified"},
		{"the release, installed", "v0.2.0", nil, ""},
		{"a later commit, installed", "v0.2.1-0.20261126000000-0123456789ab", nil, "v0.2.1-0.20261126000000-0123456789ab"},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Version: c.module}, Settings: c.settings}
		assert.Equal(t, c.want, revision(info, "0.2.0"), c.name)
	}
}

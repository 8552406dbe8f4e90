package main

import (
	_ "embed"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/steppe-ml/steppe/simd"
)

// versionFile has the number of the release that this is, or that it leads to.
//
//go:embed VERSION
var versionFile string

// version says what was built, and what it runs on: the number of the release, the
// revision where the build recorded one, Go, the system, and the instruction set.
func version() string {
	number := strings.TrimSpace(versionFile)
	if info, ok := debug.ReadBuildInfo(); ok {
		if r := revision(info, number); r != "" {
			number += " (" + r + ")"
		}
	}
	return fmt.Sprintf("%s, %s %s/%s, %v", number, runtime.Version(), runtime.GOOS, runtime.GOARCH, simd.Active())
}

// revision returns the commit of a checkout, and whether it was modified; or, of a
// program that go install built, the module's version where it isn't the release. It
// returns "" where the build says neither.
func revision(info *debug.BuildInfo, release string) string {
	var commit, modified string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ", modified"
		}
	}
	if commit != "" {
		return commit + modified
	}
	switch v := info.Main.Version; v {
	case "(devel)", "v" + release:
		return ""
	default:
		return v
	}
}

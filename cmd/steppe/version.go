package main

import (
	_ "embed"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/steppe-ml/steppe/simd"
)

// versionFile has the number of this release, or of the next one.
//
//go:embed VERSION
var versionFile string

// version returns the number of the release, the revision if the build recorded one, the version of
// Go, the system, and the instruction set.
func version() string {
	return fmt.Sprintf("%s, %s %s/%s, %v", release(), runtime.Version(), runtime.GOOS, runtime.GOARCH, simd.Active())
}

// release returns the number of the release, and the revision if the build recorded one.
func release() string {
	number := strings.TrimSpace(versionFile)
	if info, ok := debug.ReadBuildInfo(); ok {
		if r := revision(info, number); r != "" {
			number += " (" + r + ")"
		}
	}
	return number
}

// revision returns the commit of a build from a checkout, with ", modified" if it was. For a
// program that go install built, it returns the module's version, unless that is the release. It
// returns "" if the build recorded neither.
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

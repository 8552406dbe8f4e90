package findings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/study"
)

// To look at the pages of made-up studies, name a folder in STEPPE_FINDINGS.
func TestLook(t *testing.T) {
	dir := os.Getenv("STEPPE_FINDINGS")
	if dir == "" {
		t.Skip("STEPPE_FINDINGS names no folder")
	}
	for name, c := range map[string]*study.Campaign{"wide": wide(t), "rough": rough(t), "short": short(t)} {
		of := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(of, 0o755))
		require.NoError(t, New(c).Save(of), name)
	}
}

package campaign

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/sam"
)

// Every setting is explained, belongs to a method, and has its row in the table of docs/STUDIES.md.
func TestSettingsAreExplained(t *testing.T) {
	text, err := os.ReadFile("../../../docs/STUDIES.md")
	require.NoError(t, err)
	list := Settings()
	assert.Len(t, list, 17)
	for _, s := range list {
		assert.NotEmpty(t, s.About, s.Key)
		assert.NotEmpty(t, s.Defaults, s.Key)
		assert.Contains(t, string(text), fmt.Sprintf("\n| `%s.%s` | %s | %s |\n", s.Group, s.Key, s.About, s))
	}
	assert.Contains(t, sam.Ascent{Adaptive: true}.String(), "+ "+presetOf(sam.Method{Preset: sam.Config{Ascent: sam.Ascent{Adaptive: true}}}, "Ascent", 1))
}

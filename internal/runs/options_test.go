package runs

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each option belongs to some method, reaches the step's configuration, and survives config.json.
func TestOptions(t *testing.T) {
	for _, o := range Options {
		require.NotEmpty(t, o.Methods(), o.Flag)
		s := Defaults()
		s.Method, s.Options = o.Methods()[0], map[string]float64{o.Flag: 0.25}
		if o.Flag == "ascent-steps" {
			s.Options[o.Flag] = 4
		}
		require.NoError(t, s.Complete(func(flag string) bool { return flag == o.Flag }))
		require.NoError(t, s.Validate())
		text, err := json.Marshal(s)
		require.NoError(t, err)
		var again Settings
		require.NoError(t, json.Unmarshal(text, &again))
		c, err := again.config(10, 1)
		require.NoError(t, err)
		assert.Equal(t, s.Options[o.Flag], o.get(&c), o.Flag)
	}
	for want, change := range map[string]func(*Settings){
		"--descent-look 0.2 with --method sam, which doesn't use it; looksam and mlooksam do": func(s *Settings) { s.Method, s.Options = "sam", map[string]float64{"descent-look": 0.2} },
		"--descent-look is -1, want a positive number":                                        func(s *Settings) { s.Method, s.Options = "looksam", map[string]float64{"descent-look": -1} },
		"--ascent-steps is 2.5, want a whole number from 1 to 1000":                           func(s *Settings) { s.Method, s.Options = "sam-3step", map[string]float64{"ascent-steps": 2.5} },
		"--descent-samples is 1.5, want more than 0 and at most 1":                            func(s *Settings) { s.Method, s.Options = "esam", map[string]float64{"descent-samples": 1.5} },
		"--descent-weight is 1, want more than 0 and less than 1":                             func(s *Settings) { s.Method, s.Options = "wsam", map[string]float64{"descent-weight": 1} },
		"--descent-weight is 0, want more than 0 and less than 1":                             func(s *Settings) { s.Method, s.Options = "wsam", map[string]float64{"descent-weight": 0} },
		"--teacher-noise 1 with --method sam, which doesn't use it; sadt-noise does":          func(s *Settings) { s.Method, s.Options = "sam", map[string]float64{"teacher-noise": 1} },
		`unknown option "frob" of a method`:                                                   func(s *Settings) { s.Options = map[string]float64{"frob": 1} },
	} {
		s := Defaults()
		change(&s)
		assert.EqualError(t, s.Complete(func(string) bool { return false }), want)
	}
	s := Defaults()
	s.Method, s.AscentEvery = "looksam", 1
	assert.EqualError(t, s.Complete(func(flag string) bool { return flag == "ascent-every" }), "--ascent-every is 1, want at least 2 with looksam")
}

package dataset

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/net"
)

func TestValidate(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	for _, test := range []struct {
		name   string
		damage func(s *Set)
		want   string // "" for none
	}{
		{"nothing", func(*Set) {}, ""},
		{"largest values", func(s *Set) { s.X[0], s.X[1] = math.MaxFloat32, -math.MaxFloat32 }, ""},
		{"smallest values", func(s *Set) { s.X[0] = math.SmallestNonzeroFloat32 }, ""},
		{"NaN", func(s *Set) { s.X[24+(1*3+2)*4+3], s.X[50] = nan, nan }, "user's: sample 1 has NaN at [1 2 3] of 2x3x4, want a finite value"},
		{"infinity", func(s *Set) { s.X[0] = inf }, "sample 0 has +Inf at [0 0 0] of 2x3x4"},
		{"minus infinity", func(s *Set) { s.X[3*24-1] = -inf }, "sample 2 has -Inf at [1 2 3] of 2x3x4"},
		{"flat", func(s *Set) { s.Shape = net.Shape{24}; s.X[30] = nan }, "sample 1 has NaN at [6] of 24"},
		{"label", func(s *Set) { s.Labels[2] = 5 }, "label of sample 2 is 5, want 0 to 4"},
		{"negative label", func(s *Set) { s.Labels[1] = -1 }, "label of sample 1 is -1, want 0 to 4"},
		{"no classes", func(s *Set) { s.Classes = 0 }, "has 0 classes, want at least 1"},
		{"no samples", func(s *Set) { s.X, s.Labels = nil, nil }, "user's has no samples"},
		{"no shape", func(s *Set) { s.Shape = nil }, "has shape [], want at least one dimension"},
		{"empty shape", func(s *Set) { s.Shape = net.Shape{2, 0} }, "has shape [2 0], want positive dimensions"},
		{"too few values", func(s *Set) { s.X = s.X[:71] }, "has 71 values, want 72 for 3 samples of 2x3x4"},
		{"too many labels", func(s *Set) { s.Labels = append(s.Labels, 0) }, "has 72 values, want 96 for 4 samples of 2x3x4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := Synthetic(net.Shape{2, 3, 4}, 5, 3, 1)
			s.Name = "user's"
			test.damage(s)
			err := s.Validate()
			if test.want == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, test.want)
			}
		})
	}
}

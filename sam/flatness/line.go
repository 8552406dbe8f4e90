package flatness

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/simd"
)

// Axis is a direction, and the places along it where the loss is measured: Points of them at equal
// distances, From and To among them. The parameters of the Surface are at 0.
type Axis struct {
	Direction Direction
	From, To  float64 // in steps of the direction; both 0 are -1 and 1
	Points    int     // 0 is 41
}

// resolved is a with its defaults filled in.
func (a Axis) resolved() Axis {
	if a.From == 0 && a.To == 0 {
		a.From, a.To = -1, 1
	}
	if a.Points == 0 {
		a.Points = 41
	}
	return a
}

func (s *Surface) validateAxis(a Axis) error {
	switch {
	case a.Points < 2:
		return fmt.Errorf("Points is %d, want at least 2, or 0 for the default", a.Points)
	case !num.Finite(a.From) || !num.Finite(a.To) || a.From >= a.To:
		return fmt.Errorf("From is %v and To %v, want finite numbers, the first the smaller one", a.From, a.To)
	}
	return s.validateDirection(a.Direction)
}

// places returns where the loss is measured.
func (a Axis) places() []float64 {
	list, last := make([]float64, a.Points), float64(a.Points-1)
	for i := range list {
		list[i] = (float64(a.From*(last-float64(i))) + float64(a.To*float64(i))) / last
	}
	return list
}

// Losses are losses where they may be infinite or NaN, which JSON writes as null.
type Losses []float64

// MarshalJSON writes a list of numbers.
func (l Losses) MarshalJSON() ([]byte, error) {
	list := make([]*float64, len(l))
	for i := range l {
		if num.Finite(l[i]) {
			list[i] = &l[i]
		}
	}
	return json.Marshal(list)
}

// Line is the loss along a line.
type Line struct {
	About
	Direction string    `json:"direction"`      // what it is
	Norm      float64   `json:"direction_norm"` // length of a step of 1 along it
	At        []float64 `json:"at"`             // in steps; 0 are the parameters
	Losses    Losses    `json:"losses"`         // there; null in JSON if they aren't finite
}

// Plane is the loss on a grid of a plane.
type Plane struct {
	About
	Directions [2]string  `json:"directions"`      // of x and y
	Norms      [2]float64 `json:"direction_norms"` // length of a step of 1 along each
	Cosine     float64    `json:"cosine"`          // of the angle between them: 0 if they are orthogonal
	X          []float64  `json:"x"`               // in steps; 0 are the parameters
	Y          []float64  `json:"y"`
	Losses     []Losses   `json:"losses"` // [Y][X]; null in JSON if they aren't finite
}

// Line measures the loss along a line, at the parameters plus At steps of the axis's direction. It
// takes a pass without the backward one for each point. If BatchNorms normalize by the running
// state, that moves along with a direction that has it, and otherwise stays; variances don't fall
// below 0.
func (s *Surface) Line(ctx context.Context, a Axis) (Line, error) {
	found, err := s.line(ctx, a)
	return found, wrap("line", err)
}

func (s *Surface) line(ctx context.Context, a Axis) (found Line, err error) {
	a = a.resolved()
	if err := s.validateAxis(a); err != nil {
		return found, err
	}
	if err := s.begin(ctx, "line", a.Points); err != nil {
		return found, err
	}
	found = Line{About: s.about, Direction: a.Direction.Name, Norm: a.Direction.Norm(), At: a.places()}
	for _, at := range found.At {
		loss, err := s.lossAlong(ctx, move{at, a.Direction})
		if err != nil {
			return Line{}, err
		}
		found.Losses = append(found.Losses, loss)
	}
	return found, nil
}

// Plane measures the loss on the plane of two axes, at the parameters plus X steps of the first and
// Y steps of the second. It takes a pass without the backward one for each point of the grid.
func (s *Surface) Plane(ctx context.Context, x, y Axis) (Plane, error) {
	found, err := s.plane(ctx, x, y)
	return found, wrap("plane", err)
}

func (s *Surface) plane(ctx context.Context, x, y Axis) (found Plane, err error) {
	x, y = x.resolved(), y.resolved()
	for i, a := range []Axis{x, y} {
		if err := s.validateAxis(a); err != nil {
			return found, fmt.Errorf("axis %s: %w", "xy"[i:i+1], err)
		}
	}
	if err := s.begin(ctx, "plane", x.Points*y.Points); err != nil {
		return found, err
	}
	found = Plane{
		About: s.about, X: x.places(), Y: y.places(),
		Directions: [2]string{x.Direction.Name, y.Direction.Name},
		Norms:      [2]float64{x.Direction.Norm(), y.Direction.Norm()},
	}
	if norms := found.Norms[0] * found.Norms[1]; norms > 0 {
		found.Cosine = simd.Dot64(x.Direction.Values, y.Direction.Values) / norms
	}
	for _, atY := range found.Y {
		row := make(Losses, len(found.X))
		for i, atX := range found.X {
			if row[i], err = s.lossAlong(ctx, move{atX, x.Direction}, move{atY, y.Direction}); err != nil {
				return Plane{}, err
			}
		}
		found.Losses = append(found.Losses, row)
	}
	return found, nil
}

// move is so many steps in a direction.
type move struct {
	steps     float64
	direction Direction
}

// lossAlong returns the loss after some moves.
func (s *Surface) lossAlong(ctx context.Context, moves ...move) (float64, error) {
	copy(s.up, s.params.Values)
	s.state = append(s.state[:0], s.params.State...)
	for _, m := range moves {
		simd.Axpy(float32(m.steps), m.direction.Values, s.up)
		if m.direction.State != nil {
			simd.Axpy(float32(m.steps), m.direction.State, s.state)
		}
	}
	for _, v := range s.model.State() {
		if strings.HasSuffix(v.Name, ".variance") {
			for i, variance := range v.Of(s.state) {
				v.Of(s.state)[i] = max(0, variance)
			}
		}
	}
	return s.lossAt(ctx, s.up, s.state)
}

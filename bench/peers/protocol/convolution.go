package protocol

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/steppe-ml/steppe/conv"
)

// Convolution is one pass of a convolution: images are NHWC, filters HWIO.
type Convolution struct {
	Pass     string        `json:"pass"` // of Passes
	Geometry conv.Geometry `json:"geometry"`
}

// The passes of Convolution.Pass.
const (
	Forward        = "forward"         // computes the output from the input and the filter
	BackwardData   = "backward-data"   // computes the input's gradient from the output's and the filter
	BackwardFilter = "backward-filter" // computes the filter's gradient from the input and the output's
)

// Passes lists all passes.
var Passes = []string{Forward, BackwardData, BackwardFilter}

// String returns the convolution as ParseConvolution reads it.
func (c Convolution) String() string { return c.Pass + " " + c.Geometry.String() }

// Flops returns the number of floating-point operations as it is usually counted, including taps
// that lie in the padding.
func (c Convolution) Flops() float64 { return float64(c.Geometry.Flops()) }

// Validate returns what is wrong with a convolution.
func (c Convolution) Validate() error {
	if !slices.Contains(Passes, c.Pass) {
		return fmt.Errorf("protocol: pass %q, want one of %s", c.Pass, strings.Join(Passes, ", "))
	}
	return c.Geometry.Validate()
}

// ParseConvolution reads a pass and a geometry as conv.Geometry.String prints it: "backward-data
// 32x32x32x16->32 3x3 stride 2 pad 1". Without a pass it returns all passes.
func ParseConvolution(text string) ([]Convolution, error) {
	passes := Passes
	words := strings.Fields(text)
	if len(words) > 0 && slices.Contains(Passes, words[0]) {
		passes, words = words[:1], words[1:]
	}
	g, err := parseGeometry(words)
	if err != nil {
		return nil, fmt.Errorf("protocol: convolution %q: %w", text, err)
	}
	var all []Convolution
	for _, pass := range passes {
		all = append(all, Convolution{pass, g})
	}
	return all, nil
}

var imageFormat = regexp.MustCompile(`^(\d{1,9})x(\d{1,9})x(\d{1,9})x(\d{1,9})->(\d{1,9})$`)

// parseGeometry reads the words of a geometry.
func parseGeometry(words []string) (g conv.Geometry, err error) {
	if len(words) < 2 || len(words)%2 != 0 {
		return g, errors.New("want images, a kernel and options, as in 32x32x32x16->32 3x3 stride 2 pad 1")
	}
	sizes := imageFormat.FindStringSubmatch(words[0])
	if sizes == nil {
		return g, fmt.Errorf("images %q, want batch, height, width and channels as in 32x32x32x16->32", words[0])
	}
	for i, field := range []*int{&g.Batch, &g.InH, &g.InW, &g.InC, &g.OutC} {
		*field, _ = strconv.Atoi(sizes[1+i]) // can't fail: the format allows few digits
	}
	if g.KernelH, g.KernelW, err = pair(words[1]); err != nil {
		return g, err
	}
	for words = words[2:]; len(words) > 0; words = words[2:] {
		switch words[0] {
		case "stride":
			g.StrideH, g.StrideW, err = pair(words[1])
		case "dilation":
			g.DilationH, g.DilationW, err = pair(words[1])
		case "pad":
			err = pads(&g, words[1])
		default:
			err = fmt.Errorf("option %q, want stride, dilation or pad", words[0])
		}
		if err != nil {
			return g, err
		}
	}
	return g, g.Validate()
}

var (
	pairFormat = regexp.MustCompile(`^(\d{1,9})(?:x(\d{1,9}))?$`)
	padsFormat = regexp.MustCompile(`^(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})$`)
)

// pair reads height x width, or one number for both.
func pair(word string) (h, w int, err error) {
	parts := pairFormat.FindStringSubmatch(word)
	if parts == nil {
		return 0, 0, fmt.Errorf("%q, want a number, or two as in 3x5", word)
	}
	h, _ = strconv.Atoi(parts[1])
	w = h
	if parts[2] != "" {
		w, _ = strconv.Atoi(parts[2])
	}
	return h, w, nil
}

// pads reads a pair, or top, bottom, left and right.
func pads(g *conv.Geometry, word string) (err error) {
	if parts := padsFormat.FindStringSubmatch(word); parts != nil {
		for i, field := range []*int{&g.PadTop, &g.PadBottom, &g.PadLeft, &g.PadRight} {
			*field, _ = strconv.Atoi(parts[1+i])
		}
		return nil
	}
	g.PadTop, g.PadLeft, err = pair(word)
	g.PadBottom, g.PadRight = g.PadTop, g.PadLeft
	return err
}

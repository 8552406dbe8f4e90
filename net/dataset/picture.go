package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/gif" // the formats that image.Decode knows
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"
	"slices"
	"sync"

	_ "golang.org/x/image/bmp"
	scaling "golang.org/x/image/draw"
	"golang.org/x/image/riff"
	"golang.org/x/image/vp8"
	"golang.org/x/image/vp8l"
	_ "golang.org/x/image/webp"
)

// Pictures says how picture files become samples of shape {Height, Width, Channels} with values in
// [0, 1]. The files are PNG, JPEG, GIF, BMP or WebP, as their contents say and whatever their
// names.
//
// A picture is turned as its EXIF orientation says (of JPEG files), laid on white where it is
// transparent, stretched to Height and Width by Catmull and Rom's cubic if it has another size, and
// reduced to 8 bits a channel. Of an animation it is the first frame. Stretching is the same in
// each run on a machine; CPUs of different kinds may round a value in 255 differently.
type Pictures struct {
	Height   int `json:"height"`
	Width    int `json:"width"`
	Channels int `json:"channels"` // 1 for gray, 3 for red, green and blue
}

// Limits on what a file may claim to be, before any memory is taken for it.
const (
	maxPixels      = 1 << 26 // 8192x8192
	maxPictureFile = 256 << 20
)

// header is what a picture file says of itself.
type header struct {
	width, height int // as the picture is shown
	gray          bool
	orientation   int // of EXIF, 1 to 8
}

// readPictureHeader reads the header of a picture file, and refuses one that would take too much
// memory.
func readPictureHeader(path string) (h header, err error) {
	file, err := os.Open(path)
	if err != nil {
		return header{}, fmt.Errorf("dataset: %w", err)
	}
	defer file.Close()
	start := make([]byte, 1<<12)
	n, err := io.ReadFull(file, start)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return header{}, fmt.Errorf("dataset: %w", err)
	}
	// Most headers are in the first bytes.
	buffered := bufio.NewReader(nil)
	if h, err = parseHeader(bytes.NewReader(start[:n]), buffered); err != nil || h.orientation == 0 {
		h, err = parseHeader(file, buffered)
	}
	if err != nil {
		return header{}, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return h, nil
}

// parseHeader reads the header of a picture from its start. The orientation is 0 if it may be
// further back than content reaches.
func parseHeader(content io.ReadSeeker, buffered *bufio.Reader) (h header, err error) {
	defer recoverDecoder(&err)
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return header{}, err
	}
	buffered.Reset(content)
	config, format, err := image.DecodeConfig(buffered)
	if err != nil {
		return header{}, broken(err)
	}
	h = header{config.Width, config.Height, isGray(config.ColorModel), 1}
	if h.width < 1 || h.height < 1 {
		return header{}, fmt.Errorf("the picture is %dx%d, want at least one pixel", h.width, h.height)
	}
	if h.width > maxPixels/h.height {
		return header{}, fmt.Errorf("the picture is %dx%d, %d pixels, want at most %d", h.width, h.height, int64(h.width)*int64(h.height), maxPixels)
	}
	switch format {
	case "webp":
		err = h.validateWebP(content)
	case "jpeg":
		if h.orientation, err = orientation(content); h.orientation >= 5 {
			h.width, h.height = h.height, h.width
		}
	}
	return h, err
}

// isGray reports whether a color model has no colors.
func isGray(m color.Model) bool {
	if palette, ok := m.(color.Palette); ok {
		for _, c := range palette {
			if r, g, b, a := c.RGBA(); r != g || g != b || a != 0xffff {
				return false
			}
		}
		return true
	}
	return m == color.GrayModel || m == color.Gray16Model
}

// validateWebP returns an error if the frame of a WebP file has another size than its canvas, which
// is all that DecodeConfig looks at.
func (h header) validateWebP(content io.ReadSeeker) error {
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, chunks, err := riff.NewReader(content)
	for err == nil {
		id, size, data, next := chunks.Next()
		if err = next; err != nil {
			break
		}
		var width, height int
		switch id {
		case riff.FourCC{'V', 'P', '8', ' '}:
			d := vp8.NewDecoder()
			d.Init(data, int(size))
			frame, failed := d.DecodeFrameHeader()
			width, height, err = frame.Width, frame.Height, failed
		case riff.FourCC{'V', 'P', '8', 'L'}:
			config, failed := vp8l.DecodeConfig(data)
			width, height, err = config.Width, config.Height, failed
		default:
			continue
		}
		if err == nil && (width != h.width || height != h.height) {
			return fmt.Errorf("the picture is %dx%d, but its frame %dx%d", h.width, h.height, width, height)
		}
		break
	}
	if err != nil {
		return broken(err)
	}
	return nil
}

// broken is the error of a decoder.
func broken(err error) error {
	if errors.Is(err, image.ErrFormat) {
		return errors.New("expected a PNG, JPEG, GIF, BMP or WebP picture, got something else")
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("broken picture: %w", err)
}

// recoverDecoder makes an error of a decoder's panic: damaged files have brought decoders to it.
func recoverDecoder(err *error) {
	if value := recover(); value != nil {
		*err = fmt.Errorf("broken picture: its decoder panicked: %v", value)
	}
}

// memory is what reading a picture takes, for the next one.
type memory struct {
	file     bytes.Buffer
	buffered *bufio.Reader
	canvas   image.RGBA // the picture
	scaled   image.RGBA
}

var memories = sync.Pool{New: func() any { return &memory{buffered: bufio.NewReader(nil)} }}

// keptMemory bounds the memory that is kept between pictures.
const keptMemory = 1 << 24

// read reads a picture file as a sample.
func (p Pictures) read(path string, x []float32) (header, error) {
	m := memories.Get().(*memory)
	defer func() {
		if m.file.Cap()+len(m.canvas.Pix)+len(m.scaled.Pix) <= keptMemory {
			memories.Put(m)
		}
	}()
	if err := m.readFile(path); err != nil {
		return header{}, fmt.Errorf("dataset: %w", err)
	}
	h, err := p.decode(m, m.file.Bytes(), x)
	if err != nil {
		return h, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return h, nil
}

func (m *memory) readFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	m.file.Reset()
	if _, err := m.file.ReadFrom(io.LimitReader(file, maxPictureFile+1)); err != nil {
		return err
	}
	if m.file.Len() > maxPictureFile {
		return fmt.Errorf("%s has more than %d bytes, the most that a picture may have", path, maxPictureFile)
	}
	return nil
}

// decode decodes a picture to a sample.
func (p Pictures) decode(m *memory, file []byte, x []float32) (h header, err error) {
	defer recoverDecoder(&err)
	if h, err = parseHeader(bytes.NewReader(file), m.buffered); err != nil {
		return h, err
	}
	m.buffered.Reset(bytes.NewReader(file))
	picture, _, err := image.Decode(m.buffered)
	if err != nil {
		return h, broken(err)
	}
	stored, target := image.Rect(0, 0, h.width, h.height), image.Rect(0, 0, p.Width, p.Height)
	if h.orientation >= 5 { // it lies on its side
		stored, target = image.Rect(0, 0, h.height, h.width), image.Rect(0, 0, p.Height, p.Width)
	}
	if gray, ok := picture.(*image.Gray); ok && p.Channels == 1 && gray.Rect == target {
		p.write(x, gray.Pix, gray.Stride, 1, h.orientation)
		return h, nil
	}
	pixels := m.lay(picture, stored)
	if stored != target {
		blank(&m.scaled, target)
		scaling.CatmullRom.Scale(&m.scaled, target, pixels, stored, draw.Src, nil)
		pixels = &m.scaled
	}
	p.write(x, pixels.Pix, pixels.Stride, 4, h.orientation)
	return h, nil
}

// lay draws a picture on white. A frame may be smaller than the picture that it belongs to.
func (m *memory) lay(picture image.Image, bounds image.Rectangle) *image.RGBA {
	if p, ok := picture.(*image.Paletted); ok && p.Rect == bounds && len(p.Palette) < len(p.Pix) {
		return m.layPalette(p, bounds)
	}
	return m.layAny(picture, bounds)
}

// layAny is lay pixel by pixel.
func (m *memory) layAny(picture image.Image, bounds image.Rectangle) *image.RGBA {
	o, ok := picture.(interface{ Opaque() bool })
	if !ok || picture.Bounds() != bounds || !o.Opaque() {
		blank(&m.canvas, bounds)
		draw.Draw(&m.canvas, bounds, image.White, image.Point{}, draw.Src)
		draw.Draw(&m.canvas, picture.Bounds(), picture, picture.Bounds().Min, draw.Over)
		return &m.canvas
	}
	switch picture := picture.(type) {
	case *image.RGBA:
		return picture
	case *image.NRGBA: // opaque, so that it is the same
		return &image.RGBA{Pix: picture.Pix, Stride: picture.Stride, Rect: picture.Rect}
	}
	blank(&m.canvas, bounds)
	draw.Draw(&m.canvas, bounds, picture, bounds.Min, draw.Src)
	return &m.canvas
}

// layPalette draws a picture that has a palette and fills bounds. It draws each color once, and
// copies: drawing each pixel takes half as long as decoding a PNG of 64x64.
func (m *memory) layPalette(picture *image.Paletted, bounds image.Rectangle) *image.RGBA {
	strip := image.NewPaletted(image.Rect(0, 0, len(picture.Palette), 1), picture.Palette)
	for i := range strip.Pix {
		strip.Pix[i] = uint8(i)
	}
	colors := slices.Clone(m.layAny(strip, strip.Rect).Pix)
	blank(&m.canvas, bounds)
	for y := range bounds.Dy() {
		to := m.canvas.Pix[y*m.canvas.Stride:][:4*bounds.Dx()]
		for x, i := range picture.Pix[y*picture.Stride:][:bounds.Dx()] {
			copy(to[4*x:][:4], colors[4*int(i):][:4]) // panics as draw.Draw does if there is no such color
		}
	}
	return &m.canvas
}

// blank gives an image that size. Its pixels are any.
func blank(m *image.RGBA, bounds image.Rectangle) {
	size := 4 * bounds.Dx() * bounds.Dy()
	if cap(m.Pix) < size {
		m.Pix = make([]uint8, size)
	}
	m.Pix, m.Stride, m.Rect = m.Pix[:size], 4*bounds.Dx(), bounds
}

// write writes opaque pixels, step bytes apart and stored in an orientation of EXIF, as a sample.
func (p Pictures) write(x []float32, pixels []uint8, stride, step, orientation int) {
	corner, right, down := steps(orientation, p.Height, p.Width, stride, step)
	for row := range p.Height {
		at := corner + row*down
		to := x[row*p.Width*p.Channels:][:p.Width*p.Channels]
		switch {
		case p.Channels == 3:
			for i := 0; i < len(to); i += 3 {
				pixel, color := to[i:][:3], pixels[at:][:3]
				pixel[0], pixel[1], pixel[2] = bytePixels[color[0]], bytePixels[color[1]], bytePixels[color[2]]
				at += right
			}
		case step == 1:
			for i := range to {
				to[i] = bytePixels[pixels[at]]
				at += right
			}
		default:
			for i := range to {
				to[i] = bytePixels[luma(pixels[at], pixels[at+1], pixels[at+2])]
				at += right
			}
		}
	}
}

// luma is the brightness of a color by ITU-R BT.601, rounded; that of a gray is the gray.
func luma(r, g, b uint8) uint8 {
	return uint8((299*int(r) + 587*int(g) + 114*int(b) + 500) / 1000)
}

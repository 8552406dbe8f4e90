package conv

import "fmt"

// NCHWToNHWC sets dst, [batch, h, w, c], to src, [batch, c, h, w]: from the layout of
// most files and of PyTorch to that of this package.
func NCHWToNHWC(dst, src []float32, batch, h, w, c int) error {
	return transposeEach("NCHWToNHWC", dst, src, batch, c, h*w)
}

// NHWCToNCHW sets dst, [batch, c, h, w], to src, [batch, h, w, c].
func NHWCToNCHW(dst, src []float32, batch, h, w, c int) error {
	return transposeEach("NHWCToNCHW", dst, src, batch, h*w, c)
}

// OIHWToHWIO sets dst, [h, w, in, out], to src, [out, in, h, w]: a filter from
// PyTorch's layout to that of this package.
func OIHWToHWIO(dst, src []float32, out, in, h, w int) error {
	return transposeFilter("OIHWToHWIO", dst, src, out, in, h*w, func(o, i, tap int) (to, from int) {
		return (tap*in+i)*out + o, (o*in+i)*h*w + tap
	})
}

// HWIOToOIHW sets dst, [out, in, h, w], to src, [h, w, in, out].
func HWIOToOIHW(dst, src []float32, out, in, h, w int) error {
	return transposeFilter("HWIOToOIHW", dst, src, out, in, h*w, func(o, i, tap int) (to, from int) {
		return (o*in+i)*h*w + tap, (tap*in+i)*out + o
	})
}

// transposeBlock is the side of the squares by which a transposition goes: 16
// floats, a cache line.
const transposeBlock = 16

// transposeEach transposes each of batch matrices of rows x columns.
func transposeEach(name string, dst, src []float32, batch, rows, columns int) error {
	size := rows * columns
	if err := checkLayout(name, dst, src, batch*size); err != nil {
		return err
	}
	for b := range batch {
		to, from := dst[b*size:][:size], src[b*size:][:size]
		for r := 0; r < rows; r += transposeBlock {
			for c := 0; c < columns; c += transposeBlock {
				for i := r; i < min(r+transposeBlock, rows); i++ {
					for j := c; j < min(c+transposeBlock, columns); j++ {
						to[j*rows+i] = from[i*columns+j]
					}
				}
			}
		}
	}
	return nil
}

func transposeFilter(name string, dst, src []float32, out, in, taps int, place func(o, i, tap int) (to, from int)) error {
	if err := checkLayout(name, dst, src, out*in*taps); err != nil {
		return err
	}
	for o := range out {
		for i := range in {
			for tap := range taps {
				to, from := place(o, i, tap)
				dst[to] = src[from]
			}
		}
	}
	return nil
}

func checkLayout(name string, dst, src []float32, want int) error {
	if len(dst) != want || len(src) != want {
		return fmt.Errorf("conv: %s from %d floats to %d, want %d", name, len(src), len(dst), want)
	}
	return nil
}

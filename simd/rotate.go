package simd

import "fmt"

// Rotation is the shape of rows whose blocks are rotated, in two halves each: rows begin Stride
// elements apart, with Blocks blocks of 2*Half elements. What is behind the blocks of a row isn't
// read or written.
type Rotation struct{ Blocks, Half, Stride int }

// Rotate sets the blocks of each row of dst to those of x, rotated by the row's angles: with cos
// and sin, which have Half elements a row, and for the elements i and i+Half of a block
//
//	dst(i) = cos(i)*x(i) - sin(i)*x(i+Half)    dst(i+Half) = cos(i)*x(i+Half) + sin(i)*x(i)
//
// There are as many rows as cos has. If back is set, sin counts as negative, which undoes the
// rotation. dst may be x. An element is within 2 units of 2^-24 of the sum of both products'
// magnitudes.
func (o Rotation) Rotate(dst, x, cos, sin []float32, back bool) {
	block := 2 * o.Half
	if o.Half < 1 || o.Blocks < 1 || o.Stride < o.Blocks*block {
		panic(fmt.Sprintf("simd: Rotation.Rotate: %+v, want at least one block of at least one pair, and a stride that is no less than the blocks", o))
	}
	rows := rowsOf("Rotation.Rotate", o.Half, len(cos), len(sin))
	if n := (rows-1)*o.Stride + o.Blocks*block; rows > 0 && min(len(dst), len(x)) < n {
		panic(fmt.Sprintf("simd: Rotation.Rotate: slices of %d and %d elements, want at least %d for %d rows of %+v", len(dst), len(x), n, rows, o))
	}
	sign := float32(1)
	if back {
		sign = -1
	}
	most := max(1, rowBytes/4/(o.Blocks*block))
	for r := 0; r < rows; r += most {
		kernels().rotateHalves(min(most, rows-r), o.Blocks, o.Half, o.Stride, &dst[r*o.Stride], &x[r*o.Stride], &cos[r*o.Half], &sin[r*o.Half], sign)
	}
}

func rotateHalves(rows, blocks, half, stride int, dst, x, cos, sin *float32, sign float32) {
	size := (rows-1)*stride + 2*blocks*half
	to, from, cosines, sines := floats(size, dst), floats(size, x), floats(rows*half, cos), floats(rows*half, sin)
	for r := range rows {
		c, s := cosines[r*half:][:half], sines[r*half:][:half]
		for at := r * stride; at < r*stride+2*blocks*half; at += 2 * half {
			for i := range half {
				a, b, sin := from[at+i], from[at+half+i], sign*s[i]
				to[at+i] = float32(c[i]*a) - float32(sin*b)
				to[at+half+i] = float32(c[i]*b) + float32(sin*a)
			}
		}
	}
}

package conv

// order is the order in which the kernels sum a piece's pixels, image by image: along the pixels of
// a row, the kernels' taps being rows, or the other way round where rows are short.
type order struct {
	k, taps int
	turned  bool // the k pixels of a tap are those of a column
}

// orderOf returns the order of so many columns and rows of pixels, which lie like in and out in
// place.
func orderOf(columns, rows int, in, out plane) order {
	if columns < 8 && columns < rows && !adjoining(columns, in, out) {
		return order{rows, columns, true}
	}
	return order{columns, rows, false}
}

// adjoining reports whether each row's k pixels lie behind those of the row before.
func adjoining(k int, in, out plane) bool {
	return k*in.pixel == in.row && k*out.pixel == out.row
}

// walk is an order over operands that lie in a certain way, as the kernels take it: from one
// pixel of a tap to the next, from tap to tap, and from image to image.
type walk struct {
	images, taps, k int
	aCol, bRow      int
	aTap, bTap      int
	aImage, bImage  int
}

// along returns the order over so many images of operands that lie like in and out.
func (o order) along(in, out plane, images int) walk {
	switch {
	case o.turned:
		in.pixel, in.row, out.pixel, out.row = in.row, in.pixel, out.row, out.pixel
	case adjoining(o.k, in, out): // the rows are as good as one
		o.k, o.taps = o.k*o.taps, 1
	}
	return walk{images, o.taps, o.k, in.pixel, out.pixel, in.row, out.row, in.image, out.image}
}

// tapList is a list of taps that is kept, since one piece's is often that of the next, too.
type tapList struct {
	of   walk
	taps [][2]int
}

// list returns the taps of w.
func (l *tapList) list(w walk) [][2]int {
	if w.images == 1 && l.of.images == 1 && w.aTap == l.of.aTap && w.bTap == l.of.bTap && w.taps <= len(l.taps) {
		return l.taps[:w.taps]
	}
	w.k, w.aCol, w.bRow = 0, 0, 0 // which don't matter here
	if l.of != w {
		l.of, l.taps = w, l.taps[:0]
		for i := range w.images {
			for t := range w.taps {
				l.taps = append(l.taps, [2]int{i*w.aImage + t*w.aTap, i*w.bImage + t*w.bTap})
			}
		}
	}
	return l.taps
}

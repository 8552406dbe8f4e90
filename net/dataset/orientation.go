package dataset

import (
	"bytes"
	"encoding/binary"
	"io"
)

// EXIF ("Exchangeable image file format for digital still cameras", JEITA CP-3451) is a TIFF file
// in the segment APP1 of a JPEG file. Its tag 274 says where the first row and column of the stored
// pixels belong.

const (
	orientationTag = 274
	exifReach      = 1 << 16 // how far into the file EXIF is looked for; a segment is no longer
)

// orientation returns the orientation of a JPEG file, from 1 to 8: 1 if it has none, or one that
// makes no sense, which viewers ignore, too.
func orientation(content io.ReadSeeker) (int, error) {
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	start, err := io.ReadAll(io.LimitReader(content, exifReach))
	if err != nil {
		return 0, err
	}
	for at := 2; at+4 <= len(start) && start[at] == 0xff; { // behind the marker SOI
		marker, size := start[at+1], int(binary.BigEndian.Uint16(start[at+2:]))
		if marker == 0xda || size < 2 { // the pixels begin, or nonsense
			return 1, nil
		}
		segment := start[at+4:]
		if rest := size - 2; rest <= len(segment) {
			segment = segment[:rest]
		} else if len(start) < exifReach {
			return 0, nil // content ends in the segment
		}
		if tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); marker == 0xe1 && ok {
			return tiffOrientation(tiff), nil
		}
		at += 2 + size
		if at+4 > len(start) && len(start) < exifReach {
			return 0, nil
		}
	}
	return 1, nil
}

// tiffOrientation returns the orientation in the first directory of a TIFF file.
func tiffOrientation(tiff []byte) int {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	case !bytes.HasPrefix(tiff, []byte("II*\x00")):
		return 1
	}
	if len(tiff) < 8 {
		return 1
	}
	first := int64(order.Uint32(tiff[4:]))
	if first+2 > int64(len(tiff)) {
		return 1
	}
	entries := tiff[first+2:]
	for range order.Uint16(tiff[first:]) {
		const entry, short = 12, 3
		if len(entries) < entry {
			break
		}
		if order.Uint16(entries) == orientationTag && order.Uint16(entries[2:]) == short {
			if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
		entries = entries[entry:]
	}
	return 1
}

// steps returns where the upper left pixel of a picture of that height and width, as it is shown,
// is stored, and how far the next one to the right and the next one below are from it. Pixels are
// stored step bytes apart, rows stride.
func steps(orientation, height, width, stride, step int) (corner, right, down int) {
	switch orientation {
	case 2:
		return (width - 1) * step, -step, stride
	case 3:
		return (height-1)*stride + (width-1)*step, -step, -stride
	case 4:
		return (height - 1) * stride, step, -stride
	case 5:
		return 0, stride, step
	case 6:
		return (width - 1) * stride, -stride, step
	case 7:
		return (width-1)*stride + (height-1)*step, -stride, -step
	case 8:
		return (height - 1) * step, stride, -step
	}
	return 0, step, stride
}

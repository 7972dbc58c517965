package imagefile

import "bytes"

// Blocks of a gif file.
const (
	gifExtension = 0x21
	gifImage     = 0x2c
	// A flag byte tells of a color table and its size.
	hasColors = 0x80
	colorBits = 0x07
)

// isAnimated tells whether data is a gif of more than one image. It walks over the
// blocks and decodes nothing, so a hostile file costs no memory. Data that end
// early count as they are.
func isAnimated(data []byte) bool {
	if !bytes.HasPrefix(data, []byte("GIF8")) {
		return false
	}
	walk := gifWalk{data}
	walk.skip(6) // signature
	walk.screen()
	for images := 0; ; {
		switch walk.next() {
		case gifExtension:
			walk.skip(1) // label
			walk.skipBlocks()
		case gifImage:
			if images++; images > 1 {
				return true
			}
			walk.descriptor()
			walk.skip(1) // code size
			walk.skipBlocks()
		default: // the trailer, or no gif
			return false
		}
	}
}

// gifWalk is what is left of the file.
type gifWalk struct{ rest []byte }

func (w *gifWalk) skip(n int) { w.rest = w.rest[min(n, len(w.rest)):] }

// next answers the next byte, 0 at the end.
func (w *gifWalk) next() byte {
	if len(w.rest) == 0 {
		return 0
	}
	b := w.rest[0]
	w.skip(1)
	return b
}

// screen skips the screen's size, flags and colors.
func (w *gifWalk) screen() {
	w.skip(4)
	flags := w.next()
	w.skip(2) // background, aspect ratio
	w.skipColors(flags)
}

// descriptor skips an image's place, flags and colors.
func (w *gifWalk) descriptor() {
	w.skip(8)
	w.skipColors(w.next())
}

func (w *gifWalk) skipColors(flags byte) {
	if flags&hasColors != 0 {
		w.skip(3 << (flags&colorBits + 1))
	}
}

// skipBlocks skips data blocks up to the empty one.
func (w *gifWalk) skipBlocks() {
	for size := w.next(); size != 0; size = w.next() {
		w.skip(int(size))
	}
}

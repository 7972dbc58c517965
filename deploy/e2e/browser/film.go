package browser

import (
	"bytes"
	"cmp"
	"context"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"maps"
	"slices"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Film is what a tab shows, from one moment to the next.
type Film struct {
	tab    *Tab
	frames []frame
}

// frame is a picture, and for how long it is shown.
type frame struct {
	picture *image.RGBA
	lasts   time.Duration
}

// Film begins a film of the tab, whose window becomes as large, in CSS pixels.
func (b *Tab) Film(width, height int) *Film {
	b.t.Helper()
	b.Use(Look{Width: width})
	b.Do("open a window for the film", chromedp.EmulateViewport(int64(width), int64(height)))
	return &Film{tab: b}
}

// Take adds what the tab shows now, for a while.
func (f *Film) Take(lasts time.Duration) {
	f.tab.t.Helper()
	drawn := get(f.tab, "take a picture for the film", func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
		drawn, err := cdp.Call(ctx, target, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng})
		return drawn.Data, err
	})
	picture, err := png.Decode(bytes.NewReader(drawn))
	if err != nil {
		f.tab.t.Fatal(err)
	}
	whole := image.NewRGBA(picture.Bounds())
	draw.Draw(whole, whole.Rect, picture, picture.Bounds().Min, draw.Src)
	f.frames = append(f.frames, frame{whole, lasts})
}

// Append adds what another film, of a window as large, has.
func (f *Film) Append(other *Film) { f.frames = append(f.frames, other.frames...) }

// GIF is the film, which begins anew when it is over.
func (f *Film) GIF() ([]byte, error) {
	var encoded bytes.Buffer
	err := gif.EncodeAll(&encoded, animation(f.frames))
	return encoded.Bytes(), err
}

// A GIF has 256 colours: the most frequent ones, and one that is none.
const (
	mostColours = 255
	transparent = mostColours
)

// animation has of each frame what differs from the one before.
func animation(frames []frame) *gif.GIF {
	film := &gif.GIF{}
	colours := newColours(frames)
	var before *image.RGBA
	for _, each := range frames {
		changed := each.picture.Rect
		if before != nil {
			changed = difference(before, each.picture)
		}
		film.Image = append(film.Image, colours.paint(each.picture, before, changed))
		film.Delay = append(film.Delay, int(each.lasts/(10*time.Millisecond)))
		film.Disposal = append(film.Disposal, gif.DisposalNone)
		before = each.picture
	}
	return film
}

// difference is the part in which two pictures differ; a single pixel where they do not.
func difference(one, other *image.RGBA) image.Rectangle {
	changed := image.Rectangle{}
	for y := other.Rect.Min.Y; y < other.Rect.Max.Y; y++ {
		for x := other.Rect.Min.X; x < other.Rect.Max.X; x++ {
			if one.RGBAAt(x, y) != other.RGBAAt(x, y) {
				changed = changed.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if changed.Empty() {
		return image.Rect(0, 0, 1, 1)
	}
	return changed
}

// colours are a palette, and which of it is the nearest to each colour.
type colours struct {
	palette color.Palette
	nearest map[color.RGBA]uint8
}

func newColours(frames []frame) colours {
	often := map[color.RGBA]int{}
	for _, each := range frames {
		for y := each.picture.Rect.Min.Y; y < each.picture.Rect.Max.Y; y++ {
			for x := each.picture.Rect.Min.X; x < each.picture.Rect.Max.X; x++ {
				often[each.picture.RGBAAt(x, y)]++
			}
		}
	}
	known := slices.SortedFunc(maps.Keys(often), func(a, b color.RGBA) int {
		return cmp.Or(often[b]-often[a], cmp.Compare(number(a), number(b)))
	})
	c := colours{nearest: make(map[color.RGBA]uint8, len(known))}
	for _, each := range known[:min(len(known), mostColours)] {
		c.palette = append(c.palette, each)
	}
	for _, each := range known {
		c.nearest[each] = uint8(c.palette.Index(each)) //nolint:gosec // a palette has 256 at most
	}
	for len(c.palette) < transparent {
		c.palette = append(c.palette, color.RGBA{A: 255})
	}
	c.palette = append(c.palette, color.RGBA{})
	return c
}

// number orders colours that are as frequent.
func number(c color.RGBA) int { return int(c.R)<<16 | int(c.G)<<8 | int(c.B) }

// paint draws a part of a picture; what the picture before has there is left out.
func (c colours) paint(picture, before *image.RGBA, part image.Rectangle) *image.Paletted {
	painted := image.NewPaletted(part, c.palette)
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			at := picture.RGBAAt(x, y)
			if before != nil && before.RGBAAt(x, y) == at {
				painted.SetColorIndex(x, y, transparent)
			} else {
				painted.SetColorIndex(x, y, c.nearest[at])
			}
		}
	}
	return painted
}

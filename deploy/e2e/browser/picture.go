package browser

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"slices"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// stripHeight is how much of a page is drawn at a time, in pixels: a whole one can be higher than a
// browser draws, and takes long on a busy machine.
const stripHeight = 2000

// Picture is what a page looks like, and where the elements are whose looks are compared.
type Picture struct {
	// boxes are the places of the elements, by id.
	boxes map[string]image.Rectangle
	width int
	// strips are the page from its top to its end, as PNG.
	strips [][]byte
}

// box is the place of an element.
type box struct {
	ID         string
	X, Y, W, H int
}

// Picture draws the page with the elements that the selector finds. Each has an id. Each is moved
// by less than a pixel to where a pixel begins: so it looks the same wherever what stands before it
// ends.
func (b *Tab) Picture(selector string) *Picture {
	b.t.Helper()
	p := &Picture{boxes: map[string]image.Rectangle{}}
	for _, each := range Eval[[]box](b, fmt.Sprintf(`Array.from(document.querySelectorAll(%q), (e) => {
		const at = e.getBoundingClientRect(), x = at.x + scrollX, y = at.y + scrollY;
		e.style.position = 'relative';
		e.style.left = Math.ceil(x) - x + 'px';
		e.style.top = Math.ceil(y) - y + 'px';
		return { ID: e.id, X: Math.ceil(x), Y: Math.ceil(y), W: Math.ceil(at.width), H: Math.ceil(at.height) };
	})`, selector)) {
		p.boxes[each.ID] = image.Rect(each.X, each.Y, each.X+each.W, each.Y+each.H)
	}
	size := Eval[[]int](b, "[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
	p.width = size[0]
	for top := 0; top < size[1]; top += stripHeight {
		p.strips = append(p.strips, b.strip(top, size[0], min(stripHeight, size[1]-top)))
	}
	return p
}

// strip draws a part of the page.
func (b *Tab) strip(top, width, height int) []byte {
	b.t.Helper()
	beyond := true
	return get(b, "take a picture", func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
		drawn, err := cdp.Call(ctx, target, page.CaptureScreenshot, page.CaptureScreenshotParams{
			Format: page.CaptureScreenshotFormatPng, CaptureBeyondViewport: &beyond, OptimizeForSpeed: &beyond,
			Clip: &page.Viewport{Y: float64(top), Width: float64(width), Height: float64(height), Scale: 1},
		})
		return drawn.Data, err
	})
}

// Differences are the ids of the elements that look otherwise in another picture, or are in one of
// both alone, in order.
func (p *Picture) Differences(other *Picture) ([]string, error) {
	if maps.Equal(p.boxes, other.boxes) && slices.EqualFunc(p.strips, other.strips, bytes.Equal) {
		return nil, nil
	}
	here, err := p.drawn()
	if err != nil {
		return nil, err
	}
	there, err := other.drawn()
	if err != nil {
		return nil, err
	}
	var differ []string
	for id, place := range p.boxes {
		if otherPlace, both := other.boxes[id]; !both || !alike(here, place, there, otherPlace) {
			differ = append(differ, id)
		}
	}
	for id := range other.boxes {
		if _, both := p.boxes[id]; !both {
			differ = append(differ, id)
		}
	}
	slices.Sort(differ)
	return differ, nil
}

// alike tells whether two parts of pictures have the same size and the same pixels.
func alike(one *image.RGBA, here image.Rectangle, other *image.RGBA, there image.Rectangle) bool {
	if here.Size() != there.Size() || !here.In(one.Rect) || !there.In(other.Rect) {
		return false
	}
	for y := range here.Dy() {
		a, b := one.PixOffset(here.Min.X, here.Min.Y+y), other.PixOffset(there.Min.X, there.Min.Y+y)
		if !bytes.Equal(one.Pix[a:a+4*here.Dx()], other.Pix[b:b+4*here.Dx()]) {
			return false
		}
	}
	return true
}

// drawn is the whole picture.
func (p *Picture) drawn() (*image.RGBA, error) {
	whole := image.NewRGBA(image.Rect(0, 0, p.width, len(p.strips)*stripHeight))
	for i, strip := range p.strips {
		part, err := png.Decode(bytes.NewReader(strip))
		if err != nil {
			return nil, err
		}
		draw.Draw(whole, part.Bounds().Add(image.Pt(0, i*stripHeight)), part, part.Bounds().Min, draw.Src)
	}
	return whole, nil
}

// Save writes one of the elements into a PNG file.
func (p *Picture) Save(id, file string) error {
	place, known := p.boxes[id]
	if !known {
		return nil
	}
	whole, err := p.drawn()
	if err != nil {
		return err
	}
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, whole.SubImage(place)); err != nil {
		return err
	}
	return os.WriteFile(file, encoded.Bytes(), 0o644) //nolint:gosec // a picture to look at
}

package browser

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"testing"
	"time"
)

// still is a picture of one colour, with a square of another one.
func still(ground, square color.RGBA, place image.Rectangle) *image.RGBA {
	picture := image.NewRGBA(image.Rect(0, 0, 20, 10))
	draw.Draw(picture, picture.Rect, image.NewUniform(ground), image.Point{}, draw.Src)
	draw.Draw(picture, place, image.NewUniform(square), image.Point{}, draw.Src)
	return picture
}

// Each frame of the animation looks as it was taken, whatever part of it is new.
func TestFilmShowsWhatWasTaken(t *testing.T) {
	t.Parallel()
	white, red, blue := color.RGBA{255, 255, 255, 255}, color.RGBA{200, 10, 10, 255}, color.RGBA{0, 0, 201, 255}
	taken := []frame{
		{still(white, red, image.Rect(1, 1, 4, 4)), time.Second},
		{still(white, red, image.Rect(3, 2, 9, 9)), 120 * time.Millisecond},
		{still(white, red, image.Rect(3, 2, 9, 9)), time.Second},
		{still(blue, white, image.Rect(0, 0, 20, 1)), 2 * time.Second},
	}
	encoded, err := (&Film{frames: taken}).GIF()
	if err != nil {
		t.Fatal(err)
	}
	film, err := gif.DecodeAll(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	if len(film.Image) != len(taken) {
		t.Fatalf("%d frames, want %d", len(film.Image), len(taken))
	}
	shown := image.NewRGBA(taken[0].picture.Rect)
	for i, each := range film.Image {
		draw.Draw(shown, each.Rect, each, each.Rect.Min, draw.Over)
		if !bytes.Equal(shown.Pix, taken[i].picture.Pix) {
			t.Errorf("frame %d looks otherwise", i)
		}
		if want := int(taken[i].lasts.Milliseconds() / 10); film.Delay[i] != want {
			t.Errorf("frame %d lasts %d, want %d", i, film.Delay[i], want)
		}
	}
	if got := film.Image[1].Rect; got != image.Rect(1, 1, 9, 9) {
		t.Errorf("of the second frame %v is new", got)
	}
}

// More colours than there can be become the nearest that there are.
func TestFilmHasFewColours(t *testing.T) {
	t.Parallel()
	picture := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for i := range 32 * 32 {
		picture.SetRGBA(i%32, i/32, color.RGBA{uint8(i), uint8(i >> 4), uint8(i / 8), 255})
	}
	film := animation([]frame{{picture, time.Second}})
	if n := len(film.Image[0].Palette); n != 256 {
		t.Errorf("%d colours", n)
	}
	for i := range 32 * 32 {
		if film.Image[0].Pix[i] == transparent {
			t.Fatalf("pixel %d is left out", i)
		}
	}
}

package cursor

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

var (
	pngFile  = encoded(func(b *bytes.Buffer) error { return png.Encode(b, picture()) })
	jpegFile = encoded(func(b *bytes.Buffer) error { return jpeg.Encode(b, picture(), nil) })
	gifFile  = encoded(func(b *bytes.Buffer) error { return gif.Encode(b, picture(), nil) })
	// webpFile is a lossless picture of 3x2.
	webpFile = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x02\x40\x00\x00\x07\x10\xfd\x8f\xfe\x07\x22\xa2\xff\x01\x00")

	pngURL = dataURL("png", pngFile)
)

func picture() image.Image {
	return image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black, color.White})
}

func encoded(encode func(*bytes.Buffer) error) []byte {
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func animation(frames int) []byte {
	movie := &gif.GIF{}
	for range frames {
		frame := image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black, color.White})
		movie.Image, movie.Delay = append(movie.Image, frame), append(movie.Delay, 10)
	}
	return encoded(func(b *bytes.Buffer) error { return gif.EncodeAll(b, movie) })
}

func dataURL(format string, file []byte) string {
	return "data:image/" + format + ";base64," + base64.StdEncoding.EncodeToString(file)
}

func shown(url string) chat.Message {
	return chat.Message{Role: chat.User, Parts: []chat.Part{{Text: "Look"}, {Image: &chat.Image{URL: url}}, {Text: "here"}}}
}

func TestImages(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		url   string
		file  []byte
		sized bool
	}{
		"png":          {pngURL, pngFile, true},
		"jpeg":         {dataURL("jpeg", jpegFile), jpegFile, true},
		"jpg":          {dataURL("jpg", jpegFile), jpegFile, true},
		"gif":          {dataURL("gif", gifFile), gifFile, true},
		"webp":         {dataURL("webp", webpFile), webpFile, true},
		"wrong name":   {dataURL("png", jpegFile), jpegFile, true},
		"upper case":   {strings.Replace(pngURL, "image/png", "image/PNG", 1), pngFile, true},
		"no padding":   {strings.TrimRight(pngURL, "="), pngFile, true},
		"unreadable":   {dataURL("png", []byte("not a picture")), []byte("not a picture"), false},
		"cut off":      {dataURL("png", pngFile[:12]), pngFile[:12], false},
		"cut gif":      {dataURL("gif", gifFile[:20]), gifFile[:20], true},
		"one-part gif": {dataURL("gif", animation(1)), animation(1), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, vision := range []string{"", "base64", "all"} {
				call := callOf(shown(test.url))
				call.Options.Vision = vision
				got, failure := fixed(nil).newMessage(call, "id")
				if failure != nil {
					t.Fatal(failure)
				}
				turn := got.GetConversation()[0]
				if turn.GetText() != "Look\nhere" || len(turn.GetImages()) != 1 {
					t.Fatalf("%q with %d images", turn.GetText(), len(turn.GetImages()))
				}
				img := turn.GetImages()[0]
				if !bytes.Equal(img.GetData(), test.file) {
					t.Error("the image's bytes changed")
				}
				if size := img.GetDimension(); test.sized && (size.GetWidth() != 3 || size.GetHeight() != 2) || !test.sized && size != nil {
					t.Errorf("dimension %v", size)
				}
			}
		})
	}
}

func TestRefusedImages(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		url, vision string
		want        error
	}{
		"switched off":     {pngURL, "none", errVisionOff},
		"by URL":           {"https://example.com/a.png", "base64", errImageURL},
		"by URL, default":  {"http://example.com/a.png", "", errImageURL},
		"by URL, all":      {"https://example.com/a.png", "all", errImageURLYet},
		"no URL":           {"", "base64", errImageURL},
		"no comma":         {"data:image/png;base64", "base64", errNotDataURL},
		"two parts":        {pngURL + "base64," + "AAAA", "base64", errNotDataURL},
		"not base64":       {"data:image/png,abc", "base64", errNotDataURL},
		"not an image":     {"data:text/plain;base64,AAAA", "base64", errNotDataURL},
		"no format":        {"data:image/base64,AAAA", "base64", errNotDataURL},
		"svg":              {"data:image/svg+xml;base64,AAAA", "base64", errImageFormat},
		"broken base64":    {"data:image/png;base64,A A*", "base64", errImageBase64},
		"empty":            {"data:image/png;base64,", "base64", errImageEmpty},
		"animated":         {dataURL("gif", animation(2)), "base64", errAnimated},
		"animated, as png": {dataURL("png", animation(3)), "all", errAnimated},
		"too large":        {"data:image/png;base64," + strings.Repeat("AAAA", maxImage/3+1), "base64", errImageLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			call := callOf(said(chat.System, "S"), said(chat.User, "Hi"), shown(test.url))
			call.Options.Vision = test.vision
			_, failure := fixed(nil).newMessage(call, "id")
			if failure == nil || failure.Class != upstream.CallerFault || failure.Message != "messages[2]: "+test.want.Error() {
				t.Errorf("%v, want %v", failure, test.want)
			}
		})
	}
}

func FuzzAnimated(f *testing.F) {
	f.Add(gifFile)
	f.Add(animation(3))
	f.Fuzz(func(t *testing.T, data []byte) {
		animated := isAnimated(data)
		movie, err := gif.DecodeAll(bytes.NewReader(data))
		if err == nil && len(movie.Image) > 1 != animated {
			t.Errorf("%d images, animated: %t", len(movie.Image), animated)
		}
	})
}

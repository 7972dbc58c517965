package imagefile

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
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

func TestCheck(t *testing.T) {
	t.Parallel()
	// A jpeg whose start of frame says 12 bits a sample: real, and not readable by Go.
	twelveBits := bytes.Replace(jpegFile, []byte{0xff, 0xc0, 0x00, 0x11, 0x08}, []byte{0xff, 0xc1, 0x00, 0x11, 0x0c}, 1)
	sized := Size{Width: 3, Height: 2}
	for name, test := range map[string]struct {
		data []byte
		size Size
		want error
	}{
		"png":                  {pngFile, sized, nil},
		"jpeg":                 {jpegFile, sized, nil},
		"gif":                  {gifFile, sized, nil},
		"webp":                 {webpFile, sized, nil},
		"gif of one part":      {animation(1), sized, nil},
		"gif cut in its data":  {gifFile[:20], sized, nil},
		"jpeg of another kind": {twelveBits, Size{}, nil},
		"animated":             {animation(2), Size{}, ErrAnimated},
		"png cut off":          {pngFile[:12], Size{}, ErrCutOff},
		"jpeg cut off":         {jpegFile[:20], Size{}, ErrCutOff},
		"gif cut off":          {gifFile[:8], Size{}, ErrCutOff},
		"nothing":              {nil, Size{}, ErrEmpty},
		"text":                 {[]byte("not a picture"), Size{}, ErrNoImage},
		"a page":               {[]byte("<html><img></html>"), Size{}, ErrNoImage},
		"svg":                  {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), Size{}, ErrNoImage},
		"bmp":                  {[]byte("BM\x46\x00\x00\x00"), Size{}, ErrNoImage},
		"pdf":                  {[]byte("%PDF-1.7"), Size{}, ErrNoImage},
		"too large":            {append(bytes.Clone(pngFile), make([]byte, MaxSize)...), Size{}, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			size, err := Check(test.data)
			if size != test.size || !errors.Is(err, test.want) {
				t.Errorf("%v, %v; want %v, %v", size, err, test.size, test.want)
			}
		})
	}
}

func TestFromDataURL(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		url  string
		data []byte
		want error
	}{
		"png":           {pngURL, pngFile, nil},
		"jpeg":          {dataURL("jpeg", jpegFile), jpegFile, nil},
		"jpg":           {dataURL("jpg", jpegFile), jpegFile, nil},
		"gif":           {dataURL("gif", gifFile), gifFile, nil},
		"webp":          {dataURL("webp", webpFile), webpFile, nil},
		"upper case":    {strings.Replace(pngURL, "data:image/png", "DATA:image/PNG", 1), pngFile, nil},
		"with a name":   {strings.Replace(pngURL, ";", ";name=a.png;", 1), pngFile, nil},
		"no padding":    {strings.TrimRight(pngURL, "="), pngFile, nil},
		"empty":         {"data:image/png;base64,", nil, nil},
		"no comma":      {"data:image/png;base64", nil, ErrNotDataURL},
		"two parts":     {pngURL + "base64," + "AAAA", nil, ErrNotDataURL},
		"not base64":    {"data:image/png,abc", nil, ErrNotDataURL},
		"not an image":  {"data:text/plain;base64,AAAA", nil, ErrNotDataURL},
		"no format":     {"data:image/base64,AAAA", nil, ErrNotDataURL},
		"svg":           {"data:image/svg+xml;base64,AAAA", nil, ErrFormat},
		"broken base64": {"data:image/png;base64,A A*", nil, ErrBase64},
		"too large":     {"data:image/png;base64," + strings.Repeat("AAAA", MaxSize/3+1), nil, ErrTooLarge},
		"a link":        {"https://example.com/a.png", nil, ErrNotDataURL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := FromDataURL(test.url)
			if !bytes.Equal(data, test.data) || !errors.Is(err, test.want) {
				t.Errorf("%d bytes, %v; want %d, %v", len(data), err, len(test.data), test.want)
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

// Package imagefile knows what an image file is: its format by its content, its
// size, and what makes it one that no upstream takes. It reads headers and walks
// over blocks; no picture is ever decoded, so a hostile file costs no memory.
package imagefile

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"net/http"
	"strings"

	"golang.org/x/image/webp"
)

// MaxSize bounds one image file, in bytes.
const MaxSize = 10 << 20

// What is wrong with an image, for the client.
var (
	ErrNotDataURL = errors.New("the image's URL is no data URL of the form data:image/png;base64,…")
	ErrBase64     = errors.New("the image is not valid base64")
	ErrEmpty      = errors.New("the image is empty")
	ErrTooLarge   = fmt.Errorf("the image is larger than %d MiB", MaxSize>>20)
	ErrFormat     = errors.New("the image's format is not supported; use png, jpeg, webp or gif")
	ErrNoImage    = errors.New("this is no image; use a png, jpeg, webp or gif file")
	ErrCutOff     = errors.New("the image is cut off: its file ends within its header")
	ErrAnimated   = errors.New("animated gif images are not supported")
)

// Size is a picture's, in pixels; zero where its header can't be read.
type Size struct{ Width, Height int32 }

// formats has a decoder of the header for each format, by what a file looks like.
var formats = map[string]func(io.Reader) (image.Config, error){
	"image/png": png.DecodeConfig, "image/jpeg": jpeg.DecodeConfig,
	"image/gif": gif.DecodeConfig, "image/webp": webp.DecodeConfig,
}

// Check tells why a file is no image that an upstream takes. What the file is
// called does not matter.
func Check(data []byte) (Size, error) {
	decode, known := formats[http.DetectContentType(data)]
	switch {
	case len(data) == 0:
		return Size{}, ErrEmpty
	case len(data) > MaxSize:
		return Size{}, ErrTooLarge
	case !known:
		return Size{}, ErrNoImage
	case isAnimated(data):
		return Size{}, ErrAnimated
	}
	config, err := decode(bytes.NewReader(data))
	switch {
	case err != nil && strings.HasSuffix(err.Error(), io.EOF.Error()): // image/gif does not wrap it
		return Size{}, ErrCutOff
	case err != nil || config.Width > math.MaxInt32 || config.Height > math.MaxInt32:
		return Size{}, nil //nolint:nilerr // a variant that Go can't read; the upstream may
	}
	return Size{Width: int32(config.Width), Height: int32(config.Height)}, nil //nolint:gosec // checked above
}

// names are the formats as data URLs name them.
var names = map[string]bool{"png": true, "jpeg": true, "jpg": true, "webp": true, "gif": true}

// IsDataURL tells a data URL from every other.
func IsDataURL(url string) bool { return len(url) >= 5 && strings.EqualFold(url[:5], "data:") }

// FromDataURL answers the file that a URL of the form data:image/png;base64,…
// holds, and looks at nothing but its form.
func FromDataURL(url string) ([]byte, error) {
	head, encoded, found := strings.Cut(url, "base64,")
	if !found || strings.Contains(encoded, "base64,") {
		return nil, ErrNotDataURL
	}
	subtype, isImage := strings.CutPrefix(strings.ToLower(head), "data:image/")
	name, _, hasEnd := strings.Cut(subtype, ";")
	switch {
	case !isImage || !hasEnd:
		return nil, ErrNotDataURL
	case !names[name]:
		return nil, ErrFormat
	}
	encoded = strings.TrimRight(encoded, "=")
	if base64.RawStdEncoding.DecodedLen(len(encoded)) > MaxSize {
		return nil, ErrTooLarge
	}
	data, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, ErrBase64
	}
	return data, nil
}

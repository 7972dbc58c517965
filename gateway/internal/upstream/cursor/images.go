package cursor

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

	"carousel.internal/gateway/internal/chat"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// maxImage bounds one decoded image, in bytes.
const maxImage = 10 << 20

// Values of Options.Vision. Empty is visionBase64.
const (
	visionNone   = "none"
	visionBase64 = "base64"
)

// formats are the image formats that the upstream takes.
var formats = map[string]bool{"png": true, "jpeg": true, "jpg": true, "webp": true, "gif": true}

// What is wrong with an image, for the client.
var (
	errVisionOff   = errors.New("images are switched off on this gateway")
	errImageURL    = errors.New("images by URL are not supported; send the image as a data URL (data:image/png;base64,…)")
	errImageURLYet = errors.New("images by URL are not supported yet; send the image as a data URL (data:image/png;base64,…)")
	errNotDataURL  = errors.New("the image's URL is no data URL of the form data:image/png;base64,…")
	errImageFormat = errors.New("the image's format is not supported; use png, jpeg, webp or gif")
	errImageBase64 = errors.New("the image is not valid base64")
	errImageEmpty  = errors.New("the image is empty")
	errImageLarge  = fmt.Errorf("the image is larger than %d MiB", maxImage>>20)
	errAnimated    = errors.New("animated gif images are not supported")
)

// imagesOf reads a message's images.
func imagesOf(message chat.Message, vision string) ([]*aiserverv1.ImageProto, error) {
	var images []*aiserverv1.ImageProto
	for _, part := range message.Parts {
		if part.Image == nil {
			continue
		}
		if vision == visionNone {
			return nil, errVisionOff
		}
		data, err := decodeImage(part.Image.URL, vision)
		if err != nil {
			return nil, err
		}
		images = append(images, &aiserverv1.ImageProto{Data: data, Dimension: dimensionOf(data)})
	}
	return images, nil
}

// decodeImage answers the image file that a URL holds.
func decodeImage(url, vision string) ([]byte, error) {
	head, encoded, found := strings.Cut(url, "base64,")
	switch {
	case !strings.HasPrefix(url, "data:") && (vision == "" || vision == visionBase64):
		return nil, errImageURL
	case !strings.HasPrefix(url, "data:"):
		return nil, errImageURLYet
	case !found || strings.Contains(encoded, "base64,"):
		return nil, errNotDataURL
	}
	subtype, isImage := strings.CutPrefix(strings.ToLower(head), "data:image/")
	format, _, hasEnd := strings.Cut(subtype, ";")
	switch {
	case !isImage || !hasEnd:
		return nil, errNotDataURL
	case !formats[format]:
		return nil, errImageFormat
	}
	encoded = strings.TrimRight(encoded, "=")
	if base64.RawStdEncoding.DecodedLen(len(encoded)) > maxImage {
		return nil, errImageLarge
	}
	data, err := base64.RawStdEncoding.DecodeString(encoded)
	switch {
	case err != nil:
		return nil, errImageBase64
	case len(data) == 0:
		return nil, errImageEmpty
	case isAnimated(data):
		return nil, errAnimated
	}
	return data, nil
}

// configs decode an image's dimensions, by what the data look like, not by what the
// URL calls them.
var configs = map[string]func(io.Reader) (image.Config, error){
	"image/png": png.DecodeConfig, "image/jpeg": jpeg.DecodeConfig,
	"image/gif": gif.DecodeConfig, "image/webp": webp.DecodeConfig,
}

// dimensionOf is nil when the image can't be decoded.
func dimensionOf(data []byte) *aiserverv1.ImageProto_Dimension {
	decode, known := configs[http.DetectContentType(data)]
	if !known {
		return nil
	}
	config, err := decode(bytes.NewReader(data))
	if err != nil || config.Width < 0 || config.Width > math.MaxInt32 || config.Height < 0 || config.Height > math.MaxInt32 {
		return nil
	}
	return &aiserverv1.ImageProto_Dimension{Width: int32(config.Width), Height: int32(config.Height)}
}

package prompt

import (
	"net/http"
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/imagefile"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// maxImage bounds one image file, in bytes.
const maxImage = 5 << 20

// What is wrong with an image, for the client.
const (
	blind     = "the model sees no images; name one that does, or leave the image out"
	notThere  = "the image is neither in the request nor fetched"
	imageSize = "the image is larger than the 5 MiB that this upstream takes"
)

// picture is an image file.
type picture struct {
	data      []byte
	mediaType string
	// width and height are in pixels; 0: not known.
	width, height int32
}

// pictureOf is an image that has been fetched, or stands in a data URL.
func (b *builder) pictureOf(source *chat.Image, message, part int) (*picture, error) {
	if !b.options.Choice.Vision {
		return nil, b.refuse(chat.Unsupported, message, part, blind)
	}
	read := &picture{data: source.Data, width: source.Width, height: source.Height}
	if len(read.data) == 0 {
		if !imagefile.IsDataURL(source.URL) {
			return nil, b.refuse(chat.InvalidImage, message, part, notThere)
		}
		data, err := imagefile.FromDataURL(source.URL)
		if err != nil {
			return nil, b.refuse(chat.InvalidImage, message, part, err.Error())
		}
		size, err := imagefile.Check(data)
		if err != nil {
			return nil, b.refuse(chat.InvalidImage, message, part, err.Error())
		}
		read.data, read.width, read.height = data, size.Width, size.Height
	}
	if len(read.data) > maxImage {
		return nil, b.refuse(chat.InvalidImage, message, part, imageSize)
	}
	read.mediaType, _, _ = strings.Cut(http.DetectContentType(read.data), ";")
	return read, nil
}

// selected are images as a user's message has them; nil: there are none.
func (b *builder) selected(images []*picture) *agentv1.SelectedContext {
	if len(images) == 0 {
		return nil
	}
	context := &agentv1.SelectedContext{}
	for i, each := range images {
		selected := &agentv1.SelectedImage{
			Uuid:         b.newID(string(each.data)),
			Path:         "image-" + strconv.Itoa(i+1) + "." + strings.TrimPrefix(each.mediaType, "image/"),
			MimeType:     each.mediaType,
			DataOrBlobId: &agentv1.SelectedImage_Data{Data: each.data},
		}
		if each.width > 0 && each.height > 0 {
			selected.Dimension = &agentv1.ImageDimension{Width: each.width, Height: each.height}
		}
		context.SelectedImages = append(context.SelectedImages, selected)
	}
	return context
}

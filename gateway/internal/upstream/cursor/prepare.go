package cursor

import (
	"context"
	"errors"
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/imagefetch"
	"carousel.internal/gateway/internal/imagefile"
	"carousel.internal/gateway/internal/upstream"
)

// What is wrong with an image's URL, for the client.
const (
	urlsOff  = "images by URL are switched off on this gateway; send a data URL (data:image/png;base64,…), or set vision_ability to all"
	noScheme = "the image's URL is neither a data URL (data:image/png;base64,…) nor an http or https URL"
)

// images fetches images by URL. Errors are *imagefetch.Error, or the context's.
type images interface {
	Fetch(ctx context.Context, urls []string) ([][]byte, error)
}

// spot is where in a request an image is. inside is its place in the part, if that is a
// tool's result; else outside.
type spot struct{ message, part, inside int }

const outside = -1

func (s spot) refuse(request *chat.Request, kind chat.Kind, reason string) *chat.Error {
	return upstream.RefusePart(kind, request, s.message, s.part, reason)
}

// image finds the image.
func (s spot) image(request *chat.Request) *chat.Image {
	part := &request.Messages[s.message].Parts[s.part]
	if s.inside != outside {
		part = &part.Result.Parts[s.inside]
	}
	return part.Image
}

// Prepare implements upstream.Preparer: it reads and fetches the images, and
// refuses what the upstream can't be sent. Nothing is left out silently.
func (d *driver) Prepare(ctx context.Context, request *chat.Request, options upstream.Options) (*chat.Request, error) {
	spots, err := spotsOf(request, options.Vision)
	switch {
	case err != nil:
		return nil, err
	case len(spots) == 0:
		return request, nil
	default:
		return d.withImages(ctx, request, spots, options.Vision)
	}
}

// spotsOf finds the images, and refuses those that the upstream can't be sent.
func spotsOf(request *chat.Request, vision string) ([]spot, error) {
	var spots []spot
	for i := range request.Messages {
		for _, at := range imagesIn(request, i) {
			switch {
			case vision == upstream.VisionNone:
				return nil, upstream.VisionDisabled(request, at.message, at.part)
			case request.Messages[i].Role == chat.System:
				return nil, at.refuse(request, chat.InvalidRequest, "a system message can't hold images")
			}
			spots = append(spots, at)
		}
	}
	return spots, nil
}

// imagesIn finds the images of a message.
func imagesIn(request *chat.Request, message int) []spot {
	var spots []spot
	for i, part := range request.Messages[message].Parts {
		if part.Image != nil {
			spots = append(spots, spot{message, i, outside})
		}
		if part.Result == nil {
			continue
		}
		for j := range part.Result.Parts {
			if part.Result.Parts[j].Image != nil {
				spots = append(spots, spot{message, i, j})
			}
		}
	}
	return spots
}

// withImages answers a copy of the request that has the images' files. Those in
// data URLs are looked at first: they cost nothing.
func (d *driver) withImages(ctx context.Context, request *chat.Request, spots []spot, vision string) (*chat.Request, error) {
	prepared := withOwnImages(request)
	var linked []spot
	var urls []string
	for _, at := range spots {
		image := at.image(prepared)
		switch url := image.URL; {
		case imagefile.IsDataURL(url):
			data, err := imagefile.FromDataURL(url)
			if err == nil {
				err = setFile(image, data)
			}
			if err != nil {
				return nil, at.refuse(request, chat.InvalidImage, err.Error())
			}
		case !isLink(url):
			return nil, at.refuse(request, chat.InvalidImage, noScheme)
		case vision != upstream.VisionAll:
			return nil, at.refuse(request, chat.VisionDisabled, urlsOff)
		default:
			linked, urls = append(linked, at), append(urls, url)
		}
	}
	if len(urls) == 0 {
		return prepared, nil
	}
	files, err := d.images.Fetch(ctx, urls)
	if refused, ok := errors.AsType[*imagefetch.Error](err); ok {
		told := linked[refused.Index].refuse(request, chat.InvalidImage, refused.Error())
		told.Err = refused.Err
		return nil, told
	}
	if err != nil {
		return nil, chat.AsError(err)
	}
	for i, at := range linked {
		if err := setFile(at.image(prepared), files[i]); err != nil {
			return nil, at.refuse(request, chat.InvalidImage, err.Error())
		}
	}
	return prepared, nil
}

// withOwnImages copies a request so far that its images can be changed.
func withOwnImages(request *chat.Request) *chat.Request {
	prepared := *request
	prepared.Messages = slices.Clone(request.Messages)
	for i := range prepared.Messages {
		prepared.Messages[i].Parts = withOwnParts(prepared.Messages[i].Parts)
	}
	return &prepared
}

func withOwnParts(parts []chat.Part) []chat.Part {
	parts = slices.Clone(parts)
	for i, part := range parts {
		if part.Image != nil {
			image := *part.Image
			parts[i].Image = &image
		}
		if part.Result != nil {
			result := *part.Result
			result.Parts = withOwnParts(result.Parts)
			parts[i].Result = &result
		}
	}
	return parts
}

func setFile(image *chat.Image, data []byte) error {
	size, err := imagefile.Check(data)
	image.Data, image.Width, image.Height = data, size.Width, size.Height
	return err
}

func isLink(url string) bool {
	scheme, _, found := strings.Cut(url, "://")
	return found && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

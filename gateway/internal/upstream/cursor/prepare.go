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

// spot is where in a request a part is.
type spot struct{ message, part int }

func (s spot) refuse(request *chat.Request, kind chat.Kind, reason string) *chat.Error {
	return upstream.RefusePart(kind, request, s.message, s.part, reason)
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
	for i, message := range request.Messages {
		for j, part := range message.Parts {
			at := spot{i, j}
			switch {
			case part.Image == nil:
				continue
			case vision == upstream.VisionNone:
				return nil, upstream.VisionDisabled(request, i, j)
			case message.Role == chat.System:
				return nil, at.refuse(request, chat.InvalidRequest, "a system message can't hold images")
			}
			spots = append(spots, at)
		}
	}
	return spots, nil
}

// withImages answers a copy of the request that has the images' files. Those in
// data URLs are looked at first: they cost nothing.
func (d *driver) withImages(ctx context.Context, request *chat.Request, spots []spot, vision string) (*chat.Request, error) {
	prepared := withOwnImages(request)
	image := func(at spot) *chat.Image { return prepared.Messages[at.message].Parts[at.part].Image }
	var linked []spot
	var urls []string
	for _, at := range spots {
		switch url := image(at).URL; {
		case imagefile.IsDataURL(url):
			data, err := imagefile.FromDataURL(url)
			if err == nil {
				err = setFile(image(at), data)
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
		if err := setFile(image(at), files[i]); err != nil {
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
		parts := slices.Clone(prepared.Messages[i].Parts)
		for j, part := range parts {
			if part.Image != nil {
				image := *part.Image
				parts[j].Image = &image
			}
		}
		prepared.Messages[i].Parts = parts
	}
	return &prepared
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

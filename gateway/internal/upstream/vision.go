package upstream

import "carousel.internal/gateway/internal/chat"

// Values of Options.Vision: no images, images in data URLs, or also images by URL.
const (
	VisionNone   = "none"
	VisionBase64 = "base64"
	VisionAll    = "all"
)

// VisionDisabled is the error for an image while images are switched off. message
// and part say where in the request it is, from 0.
func VisionDisabled(request *chat.Request, message, part int) *chat.Error {
	return RefusePart(chat.VisionDisabled, request, message, part,
		"images are switched off on this gateway; the setting vision_ability allows them")
}

// RefusePart is an error about one part of one message.
func RefusePart(kind chat.Kind, request *chat.Request, message, part int, reason string) *chat.Error {
	where := request.Place(message, part)
	return &chat.Error{Kind: kind, Param: where, Message: where + ": " + reason}
}

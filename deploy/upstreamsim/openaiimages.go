package upstreamsim

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	maxImages        = 10
	maxPartialImages = 3
	maxEditedImages  = 16
	// bigImage is the size of the pictures of "big", in bytes.
	bigImage = 12 << 20
	// defaultImageModel is the model where none is named.
	defaultImageModel = "gpt-image-1"
)

// imageRequest asks for pictures, whatever they shall be made of.
type imageRequest struct {
	Model          string  `json:"model"`
	Prompt         *string `json:"prompt"`
	N              *int    `json:"n"`
	Size           *string `json:"size"`
	Quality        *string `json:"quality"`
	ResponseFormat *string `json:"response_format"`
	OutputFormat   *string `json:"output_format"`
	Stream         bool    `json:"stream"`
	PartialImages  *int    `json:"partial_images"`
	Images         []struct {
		ImageURL *string `json:"image_url"`
		FileID   *string `json:"file_id"`
	} `json:"images"`

	event   string // of streams, the beginning of the names
	form    *Form  // what the pictures are made of
	problem *rejection
}

func (r *imageRequest) modelID() string {
	if r.Model == "" {
		return defaultImageModel
	}
	return r.Model
}

func (r *imageRequest) check(*sideCall) *rejection {
	switch {
	case r.problem != nil:
		return r.problem
	case r.Prompt == nil:
		return missing("prompt")
	case *r.Prompt == "" && r.event != variationEvent:
		return rejected("prompt", "empty_string", "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty string instead.")
	case r.ResponseFormat != nil && strings.HasPrefix(r.Model, "gpt-image"):
		return unknownParameter("response_format")
	case r.ResponseFormat != nil && *r.ResponseFormat != "url" && *r.ResponseFormat != "b64_json":
		return wrongValue("response_format", *r.ResponseFormat, "url", "b64_json")
	case r.OutputFormat != nil && !slices.Contains([]string{"png", "jpeg", "webp"}, *r.OutputFormat):
		return wrongValue("output_format", *r.OutputFormat, "png", "jpeg", "webp")
	case r.PartialImages != nil && !r.Stream:
		return misused("partial_images", "The 'partial_images' parameter is only allowed when 'stream' is enabled.")
	}
	return firstOf(
		func() *rejection { return integerWithin("n", r.N, 1, maxImages) },
		func() *rejection { return integerWithin("partial_images", r.PartialImages, 0, maxPartialImages) },
	)
}

// The beginnings of the names of events.
const (
	generationEvent = "image_generation"
	editEvent       = "image_edit"
	variationEvent  = "image_variation" // which has no stream
)

// picture is a PNG by its first bytes, another one for each number.
func picture(number int, big bool) string {
	const small = 64
	size := small
	if big {
		size = bigImage
	}
	head := "\x89PNG\r\n\x1a\n" + strconv.Itoa(number)
	return base64.StdEncoding.EncodeToString(bytes.Repeat(append([]byte(head), 0, 0xff), size/len(head))[:size])
}

func (r *imageRequest) answer(c *sideCall) sideAnswer {
	const output = 4160
	usage := map[string]any{
		"total_tokens": output + textTokens(*r.Prompt), "input_tokens": textTokens(*r.Prompt), "output_tokens": output,
		"input_tokens_details": map[string]int{"text_tokens": textTokens(*r.Prompt), "image_tokens": 0},
	}
	big := c.scenario.kind == "big"
	if r.Stream {
		return r.stream(c, usage, big)
	}
	n := 1
	if r.N != nil {
		n = *r.N
	}
	told := *r.Prompt
	if r.form != nil {
		told = string(jsonOf(r.form))
	}
	byURL := r.ResponseFormat != nil && *r.ResponseFormat == "url" || r.ResponseFormat == nil && strings.HasPrefix(r.Model, "dall-e")
	data := []any{}
	for i := range n {
		image := map[string]string{"revised_prompt": told}
		if byURL {
			image["url"] = fmt.Sprintf("https://images.example.com/%s-%d.png", c.id(""), i)
		} else {
			image["b64_json"] = picture(i, big)
		}
		data = append(data, image)
	}
	return wholeJSON(map[string]any{"created": c.now(), "data": data, "usage": usage, "output_format": "png", "size": "1024x1024", "quality": "high", "background": "opaque"})
}

// stream sends partial pictures, then the whole one.
func (r *imageRequest) stream(c *sideCall, usage map[string]any, big bool) sideAnswer {
	name := r.event
	if name == "" {
		name = generationEvent
	}
	event := func(kind string, more map[string]any) []byte {
		more["type"], more["created_at"], more["size"], more["quality"] = name+kind, c.now(), "1024x1024", "high"
		more["background"], more["output_format"] = "opaque", "png"
		return eventOf(name+kind, more)
	}
	partial := 0
	if r.PartialImages != nil {
		partial = *r.PartialImages
	}
	var events [][]byte
	for i := range partial {
		events = append(events, event(".partial_image", map[string]any{"b64_json": picture(i, big), "partial_image_index": i}))
	}
	return sideAnswer{contentType: eventStream, pieces: append(events, event(".completed", map[string]any{"b64_json": picture(partial, big), "usage": usage}))}
}

// readEdit reads a form, or JSON with the pictures as URLs.
func readEdit(c *sideCall) (sideRequest, *rejection) {
	if strings.HasPrefix(c.r.Header.Get("Content-Type"), jsonType) {
		read, problem := inJSON[imageRequest](c)
		if request, ok := read.(*imageRequest); ok {
			request.event = editEvent
			request.problem = request.checkImages()
		}
		return read, problem
	}
	r, problem := readImageForm(c, editEvent)
	if problem != nil {
		return nil, problem
	}
	if count := len(r.form.of("image")); count > maxEditedImages {
		r.problem = longArray("image", maxEditedImages, count)
	}
	return r, nil
}

func (r *imageRequest) checkImages() *rejection {
	if len(r.Images) == 0 {
		return missing("images")
	}
	for i, image := range r.Images {
		if image.ImageURL == nil {
			return missing(fmt.Sprintf("images[%d].image_url", i))
		}
		if problem := checkImage(jsonOf(imageURL{URL: image.ImageURL}), fmt.Sprintf("images[%d].image_url", i)); problem != nil {
			return problem
		}
	}
	return nil
}

func readVariation(c *sideCall) (sideRequest, *rejection) {
	r, problem := readImageForm(c, variationEvent)
	if problem != nil {
		return nil, problem
	}
	switch {
	case r.Stream:
		r.problem = unknownParameter("stream")
	case len(r.form.of("image")) > 1:
		r.problem = longArray("image", 1, len(r.form.of("image")))
	}
	r.Prompt = new(string)
	return r, nil
}

func readImageForm(c *sideCall, event string) (*imageRequest, *rejection) {
	form, problem := c.readForm()
	if problem != nil {
		return nil, problem
	}
	r := &imageRequest{Model: form.value("model"), event: event, form: form}
	for field, to := range map[string]**string{"prompt": &r.Prompt, "size": &r.Size, "quality": &r.Quality, "response_format": &r.ResponseFormat, "output_format": &r.OutputFormat} {
		if values := form.Fields[field]; len(values) > 0 {
			*to = &values[0]
		}
	}
	r.problem = firstOf(
		func() (problem *rejection) { r.N, problem = form.integer("n", 1, maxImages); return problem },
		func() (problem *rejection) {
			r.PartialImages, problem = form.integer("partial_images", 0, maxPartialImages)
			return problem
		},
		func() (problem *rejection) { r.Stream, problem = form.truth("stream"); return problem },
		func() *rejection {
			if len(form.of("image")) == 0 {
				return missing("image")
			}
			return nil
		},
	)
	return r, nil
}

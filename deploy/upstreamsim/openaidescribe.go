package upstreamsim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// Media is a picture, a file or a sound as it arrived.
type Media struct {
	// Kind is the type of the part: image_url, file or input_audio.
	Kind string `json:"kind"`
	// Role and Message tell whose message it is in, and which of the request's.
	Role    string `json:"role"`
	Message int    `json:"message"`
	// MediaType, Bytes and SHA256 are of the data, in hex; those of a URL are not known.
	MediaType string `json:"media_type,omitempty"`
	Bytes     int    `json:"bytes"`
	SHA256    string `json:"sha256,omitempty"`
	URL       string `json:"url,omitempty"`
	Name      string `json:"name,omitempty"`
}

func (m Media) String() string { return string(jsonOf(m)) }

// Description is the answer of "describe", as JSON: what arrived, so that a test can tell that
// every byte did.
type Description struct {
	Model    string   `json:"model"`
	Roles    []string `json:"roles"`
	Media    []Media  `json:"media"`
	Tools    []string `json:"tools"`
	Calls    int      `json:"calls"`
	Results  int      `json:"results"`
	Thoughts []string `json:"thoughts"` // what came back of reasoning
}

func (c *completionCall) describe() error { return c.whole(pieces(string(jsonOf(c.description())))) }

func (c *completionCall) description() Description {
	d := Description{
		Model: c.request.Model, Roles: []string{}, Media: mediaOf(c.request.Messages), Tools: []string{}, Thoughts: []string{},
	}
	for _, m := range c.request.Messages {
		d.Roles = append(d.Roles, m.Role)
		d.Calls += len(m.ToolCalls)
		if m.Role == "tool" {
			d.Results++
		}
		if m.ReasoningContent != nil {
			d.Thoughts = append(d.Thoughts, *m.ReasoningContent)
		}
	}
	for _, tool := range c.request.Tools {
		d.Tools = append(d.Tools, tool.name())
	}
	return d
}

// mediaOf is everything that is no text.
func mediaOf(messages []message) []Media {
	all := []Media{}
	for i := range messages {
		for _, part := range messages[i].Content.parts {
			if media, ok := part.media(); ok {
				media.Role, media.Message = messages[i].Role, i
				all = append(all, media)
			}
		}
	}
	return all
}

func (p *part) media() (Media, bool) {
	media := Media{Kind: p.Type}
	switch p.Type {
	case "image_url":
		var image imageURL
		_ = json.Unmarshal(p.ImageURL, &image) // it has been checked
		if !strings.HasPrefix(*image.URL, "data:") {
			media.URL = *image.URL
			return media, true
		}
		media.setDataURL(*image.URL)
	case "file":
		if p.File.Name != nil {
			media.Name = *p.File.Name
		}
		if p.File.Data == nil {
			media.URL = *p.File.ID
			return media, true
		}
		media.setDataURL(*p.File.Data)
	case "input_audio":
		data, _ := base64.StdEncoding.DecodeString(*p.InputAudio.Data) // it has been checked
		media.set("audio/"+*p.InputAudio.Format, data)
	default:
		return media, false
	}
	return media, true
}

func (m *Media) setDataURL(text string) {
	mediaType, data, err := readDataURL(text)
	if err != nil {
		panic(fmt.Sprintf("a data URL that has been checked: %v", err))
	}
	m.set(mediaType, data)
}

func (m *Media) set(mediaType string, data []byte) {
	m.MediaType, m.Bytes, m.SHA256 = mediaType, len(data), hashOf(string(data))
}

package upstreamsim

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"
)

func (r *completionRequest) checkMessages() *rejection {
	for i := range r.Messages {
		if problem := r.checkMessage(i); problem != nil {
			return problem
		}
	}
	if problem := r.checkResults(); problem != nil {
		return problem
	}
	if r.manners.has(deepSeekStyle) {
		return r.checkReasoningContent()
	}
	return nil
}

func (r *completionRequest) checkMessage(i int) *rejection {
	m, at := &r.Messages[i], fmt.Sprintf("messages[%d]", i)
	switch m.Role {
	case "developer":
		if r.manners.has(noDeveloper) {
			return misused("", "'developer' is not one of ['system', 'assistant', 'user', 'tool', 'function'] - 'messages.%d.role'", i)
		}
	case "system", "user":
	case "assistant":
		if problem := m.checkCalls(at, r.manners); problem != nil {
			return problem
		}
	case "tool":
		if m.ToolCallID == nil {
			return misused(fmt.Sprintf("messages.[%d].tool_call_id", i), "Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.")
		}
	case "function":
		if m.Name == nil {
			return missing(at + ".name")
		}
	case "":
		return missing(at + ".role")
	default:
		return wrongValue(at+".role", m.Role, "system", "assistant", "user", "function", "tool", "developer")
	}
	return m.checkContent(at, r.manners)
}

func (m *message) checkContent(at string, manners manners) *rejection {
	c := &m.Content
	mayLack := m.Role == "assistant" && (len(m.ToolCalls) > 0 || m.Refusal != nil || m.Audio != nil || m.FunctionCall != nil)
	switch c.form {
	case textContent:
		return nil
	case absentContent:
		if mayLack {
			return nil
		}
		return missing(at + ".content")
	case nullContent:
		if mayLack || m.Role == "function" {
			return nil
		}
		return wrongType(at+".content", "one of a string or array of objects", "null")
	case partsContent:
		if c.problem != nil {
			return wrongJSON(c.raw, at+".content", c.problem)
		}
		if len(c.parts) == 0 {
			return emptyArray(at + ".content")
		}
	default:
		return wrongType(at+".content", "one of a string or array of objects", jsonKind(c.raw))
	}
	for k := range c.parts {
		if problem := c.parts[k].check(m.Role, at, fmt.Sprintf("%s.content[%d]", at, k), manners); problem != nil {
			return problem
		}
	}
	return nil
}

// partTypes are what the parts of a role's messages may be.
func partTypes(role string, manners manners) []string {
	switch {
	case role == "user":
		return []string{"text", "image_url", "input_audio", "file"}
	case role == "assistant":
		return []string{"text", "refusal"}
	case role == "tool" && manners.has(toolImages):
		return []string{"text", "image_url"}
	default:
		return []string{"text"}
	}
}

func (p *part) check(role, message, at string, manners manners) *rejection {
	if p.Type == "" {
		return missing(at + ".type")
	}
	if allowed := partTypes(role, manners); !slices.Contains(allowed, p.Type) {
		if p.Type == "image_url" {
			return rejected(message, "invalid_value",
				"Invalid '%s'. Image URLs are only allowed for messages with role 'user', but this message with role '%s' contains an image URL.", message, role)
		}
		if len(allowed) == 1 {
			return rejected(at+".type", "invalid_value", "Invalid value: '%s'. Supported values are: 'text'.", p.Type)
		}
		return wrongValue(at+".type", p.Type, allowed...)
	}
	if manners.has(textOnly) && p.Type != "text" && p.Type != "refusal" {
		return rejected("", "invalid_request_error",
			"Failed to deserialize the JSON body into the target type: %s: unknown variant `%s`, expected `text`", at, p.Type)
	}
	switch p.Type {
	case "text":
		return p.checkText(at, manners)
	case "refusal":
		if p.Refusal == nil {
			return missing(at + ".refusal")
		}
		return nil
	case "image_url":
		return checkImage(p.ImageURL, at+".image_url")
	case "input_audio":
		return p.checkAudio(at + ".input_audio")
	default:
		return p.checkFile(at + ".file")
	}
}

func (p *part) checkText(at string, manners manners) *rejection {
	switch {
	case p.Text == nil:
		return missing(at + ".text")
	case *p.Text == "" && manners.has(strictVendor):
		return rejected(at+".text", "empty_string", "Invalid '%s.text': empty string. Expected a string with minimum length 1, but got an empty string instead.", at)
	default:
		return nil
	}
}

// imageURL is an image_url.
type imageURL struct {
	URL    *string `json:"url"`
	Detail *string `json:"detail"`
}

func checkImage(raw json.RawMessage, at string) *rejection {
	if !given(raw) {
		return missing(at)
	}
	if raw[0] != '{' {
		return wrongType(at, "an object", jsonKind(raw))
	}
	var image imageURL
	if err := json.Unmarshal(raw, &image); err != nil {
		return wrongJSON(raw, at, err)
	}
	if image.URL == nil {
		return missing(at + ".url")
	}
	if details := []string{"low", "high", "auto", "original"}; image.Detail != nil && !slices.Contains(details, *image.Detail) {
		return wrongValue(at+".detail", *image.Detail, details...)
	}
	if !strings.HasPrefix(*image.URL, "data:") {
		if parsed, err := url.Parse(*image.URL); err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
			return rejected(at, "invalid_image_url", "Invalid image URL: it must be an HTTP or HTTPS URL, or a data URL of an image.")
		}
		return nil
	}
	mediaType, data, err := readDataURL(*image.URL)
	if err != nil {
		return rejected(at, "invalid_base64", "Invalid base64 image_url: %v.", err)
	}
	if !slices.Contains([]string{"image/png", "image/jpeg", "image/gif", "image/webp"}, mediaType) || len(data) == 0 {
		return rejected("", "invalid_image_format",
			"You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp'].")
	}
	return nil
}

// readDataURL reads "data:<type>;base64,<data>".
func readDataURL(text string) (mediaType string, data []byte, err error) {
	head, encoded, found := strings.Cut(strings.TrimPrefix(text, "data:"), ",")
	if !found {
		return "", nil, errors.New("a data URL without a comma")
	}
	head, found = strings.CutSuffix(head, ";base64")
	if !found {
		return "", nil, errors.New("a data URL without ;base64")
	}
	if mediaType, _, err = mime.ParseMediaType(head); err != nil {
		return "", nil, fmt.Errorf("a data URL with the media type %q", head)
	}
	data, err = base64.StdEncoding.DecodeString(encoded)
	return mediaType, data, err
}

func (p *part) checkAudio(at string) *rejection {
	audio := p.InputAudio
	switch {
	case audio == nil:
		return missing(at)
	case audio.Data == nil:
		return missing(at + ".data")
	case audio.Format == nil:
		return missing(at + ".format")
	case *audio.Format != "wav" && *audio.Format != "mp3":
		return wrongValue(at+".format", *audio.Format, "wav", "mp3")
	}
	if data, err := base64.StdEncoding.DecodeString(*audio.Data); err != nil || len(data) == 0 {
		return rejected(at+".data", "invalid_value", "Invalid '%s.data': the audio is not base64 of anything.", at)
	}
	return nil
}

func (p *part) checkFile(at string) *rejection {
	file := p.File
	switch {
	case file == nil:
		return missing(at)
	case file.Data == nil && file.ID == nil:
		return missing(at + ".file_id")
	case file.ID != nil: // there are no files here
		return rejected(at+".file_id", "invalid_value", "Invalid file ID: no file with the id '%s' exists.", *file.ID)
	case file.Name == nil:
		return missing(at + ".filename")
	case !strings.HasPrefix(*file.Data, "data:"):
		return wrongFile(at, "a value without the 'data:' prefix")
	}
	mediaType, data, err := readDataURL(*file.Data)
	switch {
	case err != nil:
		return wrongFile(at, err.Error())
	case mediaType != "application/pdf":
		return wrongFile(at, "unsupported MIME type '"+mediaType+"'")
	case len(data) == 0:
		return wrongFile(at, "no bytes")
	default:
		return nil
	}
}

func wrongFile(at, got string) *rejection {
	return rejected(at+".file_data", "invalid_value", "Invalid file data: '%s.file_data'. Expected a base64-encoded data URL with an application/pdf MIME type"+
		" (e.g. 'data:application/pdf;base64,aGVsbG8...'), but got %s.", at, got)
}

func (m *message) checkCalls(at string, manners manners) *rejection {
	if m.ToolCalls != nil && len(m.ToolCalls) == 0 {
		return emptyArray(at + ".tool_calls")
	}
	var ids []string
	for k := range m.ToolCalls {
		place := fmt.Sprintf("%s.tool_calls[%d]", at, k)
		if problem := m.ToolCalls[k].check(place, manners); problem != nil {
			return problem
		}
		id := *m.ToolCalls[k].ID
		if slices.Contains(ids, id) {
			return rejected(place+".id", "invalid_value", "Duplicate value for 'id' of '%s' in '%s.tool_calls'.", id, at)
		}
		ids = append(ids, id)
	}
	return nil
}

func (c *toolCall) check(at string, manners manners) *rejection {
	switch {
	case c.ID == nil:
		return missing(at + ".id")
	case *c.ID == "":
		return rejected(at+".id", "empty_string", "Invalid '%s.id': empty string. Expected a string with minimum length 1, but got an empty string instead.", at)
	case len(*c.ID) > maxCallID:
		return longString(at+".id", maxCallID, len(*c.ID))
	}
	switch c.Type {
	case "function":
		if c.Function == nil {
			return missing(at + ".function")
		}
		if c.Function.Arguments == nil {
			return missing(at + ".function.arguments")
		}
		if manners.has(strictVendor) && !isObject(*c.Function.Arguments) {
			return misused(at+".function.arguments", "The arguments of a call must be a JSON object.")
		}
		return checkName(at+".function.name", c.Function.Name)
	case "custom":
		if c.Custom == nil {
			return missing(at + ".custom")
		}
		if c.Custom.Input == nil {
			return missing(at + ".custom.input")
		}
		return checkName(at+".custom.name", c.Custom.Name)
	case "":
		return missing(at + ".type")
	default:
		return wrongValue(at+".type", c.Type, "function", "custom")
	}
}

func isObject(text string) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal([]byte(text), &object) == nil && object != nil
}

// checkResults pairs the calls with their results: each call has one before the next
// message of another kind, and no result is without its call.
func (r *completionRequest) checkResults() *rejection {
	var open, answered []string
	for i := range r.Messages {
		m := &r.Messages[i]
		if m.Role == "tool" {
			id := *m.ToolCallID
			at := slices.Index(open, id)
			switch {
			case open == nil && answered == nil:
				return misused(fmt.Sprintf("messages.[%d].role", i),
					"Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.") //nolint:misspell // as the API has it
			case slices.Contains(answered, id):
				return misused(fmt.Sprintf("messages.[%d].tool_call_id", i), "Duplicate value for 'tool_call_id' of '%s' in message[%d].", id, i)
			case at < 0:
				return misused(fmt.Sprintf("messages.[%d].tool_call_id", i), "Invalid parameter: 'tool_call_id' of '%s' not found in 'tool_calls' of previous message.", id)
			}
			open, answered = slices.Delete(open, at, at+1), append(answered, id)
			continue
		}
		if len(open) > 0 {
			return unanswered(i, open)
		}
		open, answered = nil, nil
		for _, call := range m.ToolCalls {
			open = append(open, *call.ID)
		}
	}
	if len(open) > 0 {
		return unanswered(len(r.Messages), open)
	}
	return nil
}

func unanswered(at int, ids []string) *rejection {
	return misused(fmt.Sprintf("messages.[%d].role", at), "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."+
		" The following tool_call_ids did not have response messages: %s", strings.Join(ids, ", "))
}

// checkReasoningContent is for models that want their reasoning back in a tool loop, which
// is what comes after the last message of the user, and nowhere else.
func (r *completionRequest) checkReasoningContent() *rejection {
	lastUser := len(r.Messages) - 1
	for lastUser >= 0 && r.Messages[lastUser].Role != "user" {
		lastUser--
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		has := m.ReasoningContent != nil && *m.ReasoningContent != ""
		switch {
		case m.Role != "assistant":
		case i < lastUser && has:
			return misused("", "The reasoning_content of the message at message index %d belongs to a turn that has ended, and must be left out.", i)
		case i > lastUser && !has && len(m.ToolCalls) > 0 && r.reasons():
			return misused("", "Missing `reasoning_content` field in the assistant message at message index %d.", i)
		}
	}
	return nil
}

// reasons tells whether every answer begins with reasoning.
func (r *completionRequest) reasons() bool {
	return r.manners.has(deepSeekStyle) && (r.Thinking == nil || r.Thinking.Type != "disabled")
}

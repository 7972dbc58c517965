package agent

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// imprint is a hash of what a run was told by its call, but for what the upstream does not get.
type imprint [sha256.Size]byte

// imprintOf is that of a call with the first messages of its request.
func imprintOf(call *upstream.Call, messages []chat.Message) imprint {
	request := call.Request
	h := hasher{sha256.New()}
	h.texts(call.Model, call.Options.DefaultInstructions, string(request.Thinking.InEffort()), string(request.ToolChoice.Mode),
		string(request.Output.Form), string(request.Output.Schema))
	h.flags(request.ParallelCalls != nil && !*request.ParallelCalls)
	h.texts(request.ToolChoice.Names...)
	h.number(len(request.Tools))
	for i := range request.Tools {
		tool := &request.Tools[i]
		h.texts(string(tool.Kind), tool.Name, tool.Description, string(tool.Schema))
	}
	h.messages(messages)
	return imprint(h.hash.Sum(nil))
}

// hasher hashes values so that no two lists of them are alike.
type hasher struct{ hash hash.Hash }

func (h hasher) number(n int) {
	var text [8]byte
	binary.BigEndian.PutUint64(text[:], uint64(n)) //nolint:gosec // only told apart
	_, _ = h.hash.Write(text[:])                   // never fails
}

func (h hasher) texts(texts ...string) {
	h.number(len(texts))
	for _, text := range texts {
		h.number(len(text))
		_, _ = h.hash.Write([]byte(text))
	}
}

func (h hasher) flags(flags ...bool) {
	for _, each := range flags {
		if each {
			h.number(1)
		} else {
			h.number(0)
		}
	}
}

func (h hasher) messages(messages []chat.Message) {
	h.number(len(messages))
	for i := range messages {
		h.texts(string(messages[i].Role), messages[i].Name)
		h.parts(messages[i].Parts)
	}
}

// parts leaves out what clients change from one request to the next, and no upstream minds:
// thoughts, marks for a cache, texts of nothing.
func (h hasher) parts(parts []chat.Part) {
	for i := range parts {
		part := &parts[i]
		switch {
		case part.Reasoning != nil, part.IsText() && part.Text == "":
		case part.Call != nil:
			h.texts("call", part.Call.ID, part.Call.Name, part.Call.Arguments)
		case part.Result != nil:
			h.texts("result", part.Result.CallID)
			h.flags(part.Result.Failed)
			h.parts(part.Result.Parts)
			h.texts("end")
		case part.Image != nil:
			h.texts("image", part.Image.URL, part.Image.FileID)
		case part.Document != nil:
			h.texts("document", part.Document.URL, part.Document.FileID, part.Document.Text, part.Document.Name, part.Document.Title)
		case part.Audio != nil:
			h.texts("audio", part.Audio.Base64)
		case part.Opaque != nil:
			h.texts("opaque", part.Opaque.Type, string(part.Opaque.JSON))
		default:
			h.texts("text", part.Text)
		}
	}
	h.texts("parts end")
}

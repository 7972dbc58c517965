package chat

import "iter"

// Ask is a field of a request that asks its upstream for more than an answer in
// words.
type Ask struct {
	// Field is the client's name for it, such as `tools`.
	Field string
	Need  Need
}

// Need is what an upstream must be able to do.
type Need string

// The needs.
const (
	Tools Need = "tools"
	// HostedTools are tools that only their maker can run; FreeTools take text without a
	// schema.
	HostedTools Need = "hosted_tools"
	FreeTools   Need = "free_tools"
	Choices     Need = "choices"
	LogProbs    Need = "logprobs"
	JSONObject  Need = "json_object"
	JSONSchema  Need = "json_schema"
	// Media is an answer in sounds or pictures.
	Media Need = "media"
	// Pictures, Papers and Sounds are parts of messages: an Image, a Document, an Audio.
	// TextPapers are documents that were sent as text. ToolMedia are any of them in a tool's
	// result. FileIDs name one that only its maker has.
	Pictures   Need = "images"
	Papers     Need = "documents"
	TextPapers Need = "text_documents"
	Sounds     Need = "audio"
	ToolMedia  Need = "tool_media"
	FileIDs    Need = "file_ids"
	// Content is a part of a message that has no canonical form.
	Content    Need = "content"
	Prediction Need = "prediction"
	WebSearch  Need = "web_search"
	// Words bans or forces words.
	Words Need = "words"
	// State is a conversation, a program or a cache at the upstream that the request goes
	// on with.
	State Need = "state"
	// Unclear is a field whose value the dialect does not understand, and an upstream
	// may.
	Unclear Need = "unclear"
	// StopTexts and OutputLimit can be kept on this side too: see Request.Stop and
	// Request.MaxTokens.
	StopTexts   Need = "stop"
	OutputLimit Need = "output_limit"
	// Tuning shifts how the answer is found, and promises nothing of it.
	Tuning Need = "tuning"
)

// Needs are what the request's answer depends on: its Asks without those that only
// tune, and what its messages hold beside text.
func (r *Request) Needs() iter.Seq[Ask] {
	return func(yield func(Ask) bool) {
		for _, ask := range r.Asks {
			if ask.Need != Tuning && !yield(ask) {
				return
			}
		}
		for i := range r.Messages {
			for j := range r.Messages[i].Parts {
				need, inside := r.Messages[i].Parts[j].need()
				if need != "" && !yield(Ask{r.Place(i, j), need}) {
					return
				}
				if inside != "" && !yield(Ask{r.Place(i, j), inside}) {
					return
				}
			}
		}
	}
}

// need is what a part asks for, and what is inside it.
func (p *Part) need() (need, inside Need) {
	switch {
	case p.Image != nil && p.Image.FileID != "", p.Document != nil && p.Document.FileID != "":
		return FileIDs, ""
	case p.Image != nil:
		return Pictures, ""
	case p.Document != nil && p.Document.Text != "":
		return TextPapers, ""
	case p.Document != nil:
		return Papers, ""
	case p.Audio != nil:
		return Sounds, ""
	case p.Opaque != nil:
		return Content, ""
	case p.Call != nil:
		return Tools, ""
	case p.Result == nil:
		return "", ""
	}
	for i := range p.Result.Parts {
		switch need, _ := p.Result.Parts[i].need(); need {
		case "":
		case Pictures, Papers, TextPapers, Sounds:
			return Tools, ToolMedia
		default:
			return Tools, need
		}
	}
	return Tools, ""
}

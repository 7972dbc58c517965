package chat

import (
	"fmt"
	"iter"
)

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
	Tools      Need = "tools"
	Choices    Need = "choices"
	LogProbs   Need = "logprobs"
	JSONObject Need = "json_object"
	JSONSchema Need = "json_schema"
	// Media is an answer in sounds or pictures, Content a part of a message that is
	// neither text nor image.
	Media      Need = "media"
	Content    Need = "content"
	Prediction Need = "prediction"
	WebSearch  Need = "web_search"
	// Words bans or forces words.
	Words Need = "words"
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
// tune, and what its messages hold beside text and images.
func (r *Request) Needs() iter.Seq[Ask] {
	return func(yield func(Ask) bool) {
		for _, ask := range r.Asks {
			if ask.Need != Tuning && !yield(ask) {
				return
			}
		}
		for i, message := range r.Messages {
			if (message.Role == Tool || len(message.ToolCalls) > 0) && !yield(Ask{fmt.Sprintf("messages[%d]", i), Tools}) {
				return
			}
			for j, part := range message.Parts {
				if part.Other != "" && !yield(Ask{fmt.Sprintf("messages[%d].content[%d]", i, j), Content}) {
					return
				}
			}
		}
	}
}

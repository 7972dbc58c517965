package openai

import "carousel.internal/gateway/internal/chat"

// locate names parts as the client knows them: of what stands beside the content of a
// message, the canonical form has made parts too.
func locate(messages []chat.Message) func(message, part int) string {
	return func(message, part int) string {
		at := place{message: message, part: -1, call: -1}
		if part < 0 || message >= len(messages) || part >= len(messages[message].Parts) {
			return at.param("")
		}
		for _, before := range messages[message].Parts[:part] {
			switch {
			case before.Call != nil:
				at.call++
			case before.Reasoning == nil:
				at.part++
			}
		}
		switch now := &messages[message].Parts[part]; {
		case now.Result != nil:
			return place{message: message, part: -1, call: -1}.param("")
		case now.Call != nil && now.Call.ID == now.Call.Name: // of before there were ids
			return place{message: message, part: -1, call: -1}.param("function_call")
		case now.Call != nil:
			return place{message: message, part: -1, call: at.call + 1}.param("")
		case now.Reasoning != nil:
			return place{message: message, part: -1, call: -1}.param("reasoning_content")
		}
		return place{message: message, part: at.part + 1, call: -1}.param("")
	}
}

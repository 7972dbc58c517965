package responses

import (
	"cmp"

	"carousel.internal/gateway/internal/chat"
)

// chatFields are fields of Chat that change an answer, with their names here; empty: this API has
// nothing like it. The vendor refuses them, and so does what stands in its place: clients that
// are moved from one API to the other forget some.
var chatFields = map[string]string{
	"messages": inputField, "max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens",
	"response_format": "text.format", "reasoning_effort": "reasoning.effort", "functions": toolsField, "function_call": choiceField,
	"logprobs": "top_logprobs", "stop": "", "n": "", "modalities": "", "audio": "", "logit_bias": "", "web_search_options": "",
}

// onlyHere are those that nobody else reads where bodies have the fields of both.
var onlyHere = map[string]bool{"messages": true, "functions": true, "function_call": true}

// chatField consumes a field of Chat. One that asks for what is usual changes nothing.
func (d *decoder) chatField(field string) {
	value := string(d.s.Skip())
	if d.besideChat && !onlyHere[field] || saysNothing(value) || field == "n" && value == "1" || field == "modalities" && value == `["text"]` {
		return
	}
	words := "is a parameter of Chat Completions, and the Responses API has none like it: leave it out"
	if here := chatFields[field]; here != "" {
		words = "is a parameter of Chat Completions: say it in `" + here + "`"
	}
	d.fault = cmp.Or(d.fault, unsupported(field, words))
}

// unsupported is the error for a field that this API does not have.
func unsupported(field, words string) *chat.Error {
	fault := invalid(field, "%s", words)
	fault.Kind = chat.Unsupported
	return fault
}

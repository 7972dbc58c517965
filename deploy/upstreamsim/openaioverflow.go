package upstreamsim

import (
	"fmt"
	"net/http"
)

// overflowWindow is what the scenarios of this file say to be the model's window, in tokens.
const overflowWindow = 8192

// overflows are the bodies with which servers refuse what is too long, by scenario. The numbers
// are the window and what was asked for.
var overflows = map[string]string{
	// vLLM: the code is a number, and the type says nothing of the reason.
	"error-context-length-vllm": `{"error":{"message":"This model's maximum context length is %[1]d tokens. However, you requested %[2]d tokens` +
		` (%[2]d in the messages, 0 in the completion). Please reduce the length of the messages or completion.","type":"BadRequestError","param":null,"code":400}}`,
	// vLLM before: the error is the whole body.
	"error-context-length-vllm-flat": `{"object":"error","message":"This model's maximum context length is %[1]d tokens. However, you requested %[2]d tokens` +
		` (%[2]d in the messages, 0 in the completion). Please reduce the length of the messages or completion.","type":"BadRequestError","param":null,"code":400}`,
	"error-context-length-llamacpp": `{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it",` +
		`"type":"exceed_context_size_error","n_prompt_tokens":%[2]d,"n_ctx":%[1]d}}`,
	// Other compatible vendors say it in their own words and without a code.
	"error-context-length-words": `{"error":{"message":"Input is too long: the prompt has %[2]d tokens and the model takes %[1]d.","type":"invalid_request_error","param":null,"code":null}}`,
}

func (c *completionCall) overflow(body string) error {
	return c.answerWhole(http.StatusBadRequest, jsonType, fmt.Appendf(nil, body, overflowWindow, overflowWindow+c.request.promptTokens()))
}

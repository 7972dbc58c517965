package grammar_test

import "strings"

// event is an event of a Messages stream.
func event(kind, rest string) string {
	return "event: " + kind + "\ndata: {\"type\":\"" + kind + "\"" + rest + "}\n\n"
}

// data is a frame of a Chat stream.
func data(payload string) string { return "data: " + payload + "\n\n" }

// The parts of a Messages stream.
var (
	messageStart = event("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],`+
		`"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"cache_creation_input_tokens":2,"cache_read_input_tokens":0,`+
		`"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":0},"output_tokens":1}}`)
	ping     = event("ping", "")
	thinking = event("content_block_start", `,"index":0,"content_block":{"type":"thinking","thinking":"","signature":""}`) +
		event("content_block_delta", `,"index":0,"delta":{"type":"thinking_delta","thinking":"hm"}`) +
		event("content_block_delta", `,"index":0,"delta":{"type":"signature_delta","signature":"c2ln"}`) +
		event("content_block_stop", `,"index":0`)
	redacted = event("content_block_start", `,"index":1,"content_block":{"type":"redacted_thinking","data":"eA=="}`) +
		event("content_block_stop", `,"index":1`)
	textBlock = event("content_block_start", `,"index":2,"content_block":{"type":"text","text":""}`) +
		event("content_block_delta", `,"index":2,"delta":{"type":"text_delta","text":"Hel"}`) +
		event("content_block_delta", `,"index":2,"delta":{"type":"text_delta","text":"lo"}`) +
		event("content_block_stop", `,"index":2`)
	toolBlock = event("content_block_start", `,"index":3,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}`) +
		event("content_block_delta", `,"index":3,"delta":{"type":"input_json_delta","partial_json":""}`) +
		event("content_block_delta", `,"index":3,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}`) +
		event("content_block_delta", `,"index":3,"delta":{"type":"input_json_delta","partial_json":"1}"}`) +
		event("content_block_stop", `,"index":3`)
	secondTool = event("content_block_start", `,"index":4,"content_block":{"type":"tool_use","id":"toolu_2","name":"g","input":{}}`) +
		event("content_block_stop", `,"index":4`)
	messageDelta = event("message_delta", `,"delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":10,`+
		`"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":20,"output_tokens_details":{"thinking_tokens":4}}`)
	messageStop = event("message_stop", "")

	goodMessages = messageStart + ping + thinking + redacted + ": still here\n" + textBlock + toolBlock + secondTool + messageDelta + messageStop
	messageError = event("error", `,"error":{"type":"overloaded_error","message":"Overloaded"}`)

	// failedMessages breaks in its text.
	failedMessages = strings.Split(goodMessages, `lo"`)[0]
)

const wholeMessage = `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},` +
	`{"type":"text","text":"Hello"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}}],"stop_reason":"tool_use","stop_sequence":null,` +
	`"usage":{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}`

const messageErrorBody = `{"type":"error","error":{"type":"not_found_error","message":"model: x"},"request_id":"req_1"}`

// chunk is a chunk with one choice, of a client that asked for usage.
func chunk(delta, finish string) string {
	return data(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","system_fingerprint":"fp","choices":[{"index":0,"delta":` +
		delta + `,"finish_reason":` + finish + `}],"usage":null}`)
}

// The parts of a Chat stream.
var (
	roleChunk  = chunk(`{"role":"assistant","content":""}`, "null")
	texts      = chunk(`{"reasoning_content":"hm"}`, "null") + chunk(`{"content":"Hello"}`, "null")
	firstCall  = chunk(`{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}`, "null")
	secondCall = chunk(`{"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]}`, "null")
	laterPiece = chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}`, "null")
	finish     = chunk(`{}`, `"tool_calls"`)
	usageChunk = data(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":7,"model":"m","choices":[],` + chatUsage + `}`)
	done       = data("[DONE]")

	goodChat  = roleChunk + ": still here\n" + texts + firstCall + secondCall + laterPiece + finish + usageChunk + done
	chatError = data(chatErrorBody)
)

const chatUsage = `"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":1},` +
	`"completion_tokens_details":{"reasoning_tokens":2}}`

const wholeChat = `{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,` +
	`"refusal":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],` +
	chatUsage + `}`

const chatErrorBody = `{"error":{"message":"cut short","type":"server_error","param":null,"code":"request_failed"}}`

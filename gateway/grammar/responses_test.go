package grammar_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"carousel.internal/gateway/grammar"
)

// responsesEvent is an event of a Responses stream, whose number is given when it is judged.
func responsesEvent(kind, rest string) string {
	return event(kind, `,"sequence_number":#`+rest)
}

var sequenceNumber = regexp.MustCompile(`"sequence_number":(#|\d+|"[^"]*")`)

// numbered gives the events their numbers, but those that have one already.
func numbered(text string) string {
	next := -1
	return sequenceNumber.ReplaceAllStringFunc(text, func(found string) string {
		next++
		return strings.Replace(found, "#", strconv.Itoa(next), 1)
	})
}

// response is the object of an answer.
func response(status, output, usage, rest string) string {
	return `{"id":"resp_1","object":"response","created_at":7,"status":"` + status + `","error":null,"incomplete_details":null,"instructions":null,` +
		`"model":"m","output":[` + output + `],"parallel_tool_calls":true,"tools":[],"tool_choice":"auto","temperature":1,"top_p":null,"metadata":{},` +
		`"usage":` + usage + rest + `}`
}

const responseUsage = `{"input_tokens":3,"input_tokens_details":{"cached_tokens":1},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":7}`

// Items as they are done.
const (
	doneReasoning = `{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"c2ln"}`
	doneMessage   = `{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hello","annotations":[{"type":"url_citation"}],"logprobs":[]}]}`
	doneFunction  = `{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{\"a\":1}","status":"completed"}`
	doneCustom    = `{"type":"custom_tool_call","id":"ctc_1","call_id":"call_2","name":"g","input":"x"}`
)

func itemDone(index int, item string) string {
	return responsesEvent("response.output_item.done", `,"output_index":`+strconv.Itoa(index)+`,"item":`+item)
}

// The parts of a Responses stream.
var (
	responseCreated = responsesEvent("response.created", `,"response":`+response("in_progress", "", "null", ""))
	responseRunning = responsesEvent("response.in_progress", `,"response":`+response("in_progress", "", "null", ""))
	keepalive       = responsesEvent("keepalive", "")

	reasoningItem = responsesEvent("response.output_item.added", `,"output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}`) +
		responsesEvent("response.reasoning_summary_part.added", `,"item_id":"rs_1","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}`) +
		responsesEvent("response.reasoning_summary_text.delta", `,"item_id":"rs_1","output_index":0,"summary_index":0,"delta":"hm"`) +
		responsesEvent("response.reasoning_summary_text.done", `,"item_id":"rs_1","output_index":0,"summary_index":0,"text":"hm"`) +
		responsesEvent("response.reasoning_summary_part.done", `,"item_id":"rs_1","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"hm"}`) +
		itemDone(0, doneReasoning)

	messageAdded = responsesEvent("response.output_item.added", `,"output_index":1,"item":{"type":"message","id":"msg_1","role":"assistant","status":"in_progress","content":[]}`)
	partAdded    = responsesEvent("response.content_part.added", `,"item_id":"msg_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}`)
	firstDelta   = responsesEvent("response.output_text.delta", `,"item_id":"msg_1","output_index":1,"content_index":0,"delta":"Hel","logprobs":[]`)
	secondDelta  = responsesEvent("response.output_text.delta", `,"item_id":"msg_1","output_index":1,"content_index":0,"delta":"lo","logprobs":[]`)
	annotation   = responsesEvent("response.output_text.annotation.added", `,"item_id":"msg_1","output_index":1,"content_index":0,"annotation_index":0,"annotation":{"type":"url_citation"}`)
	textDone     = responsesEvent("response.output_text.done", `,"item_id":"msg_1","output_index":1,"content_index":0,"text":"Hello","logprobs":[]`)
	partDone     = responsesEvent("response.content_part.done", `,"item_id":"msg_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"Hello","annotations":[{"type":"url_citation"}],"logprobs":[]}`)
	messageItem  = messageAdded + partAdded + firstDelta + keepalive + secondDelta + annotation + textDone + partDone + itemDone(1, doneMessage)

	argumentsDone = responsesEvent("response.function_call_arguments.done", `,"item_id":"fc_1","output_index":2,"name":"f","arguments":"{\"a\":1}"`)
	functionItem  = responsesEvent("response.output_item.added", `,"output_index":2,"item":{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"","status":"in_progress"}`) +
		responsesEvent("response.function_call_arguments.delta", `,"item_id":"fc_1","output_index":2,"delta":"{\"a\":1}"`) +
		argumentsDone + itemDone(2, doneFunction)
	customItem = responsesEvent("response.output_item.added", `,"output_index":3,"item":{"type":"custom_tool_call","id":"ctc_1","call_id":"call_2","name":"g","input":""}`) +
		responsesEvent("response.custom_tool_call_input.delta", `,"item_id":"ctc_1","output_index":3,"delta":"x"`) +
		responsesEvent("response.custom_tool_call_input.done", `,"item_id":"ctc_1","output_index":3,"input":"x"`) +
		itemDone(3, doneCustom)

	responseOutput    = strings.Join([]string{doneReasoning, doneMessage, doneFunction, doneCustom}, ",")
	responseCompleted = responsesEvent("response.completed", `,"response":`+wholeResponse)
	responseFailed    = responsesEvent("response.failed", `,"response":`+failedResponse)
	responsesError    = responsesEvent("error", `,"code":"server_error","message":"cut short","param":null`)

	goodResponses = responseCreated + responseRunning + ": still here\n" + reasoningItem + messageItem + functionItem + customItem + responseCompleted
	// brokenResponses breaks in its text.
	brokenResponses = responseCreated + responseRunning + reasoningItem + messageAdded + partAdded + firstDelta
	cutResponses    = responseCreated + responseRunning + strings.ReplaceAll(strings.Replace(functionItem, `"status":"completed"`, `"status":"incomplete"`, 1), `"output_index":2`, `"output_index":0`) +
		responsesEvent("response.incomplete", `,"response":`+strings.Replace(response("incomplete", strings.Replace(doneFunction, "completed", "incomplete", 1), responseUsage, ""),
			`"incomplete_details":null`, `"incomplete_details":{"reason":"max_output_tokens"}`, 1))

	wholeResponse  = response("completed", responseOutput, responseUsage, "")
	failedResponse = strings.Replace(response("failed", "", "null", ""), `"error":null`, `"error":{"code":"server_error","message":"cut short"}`, 1)
)

// dropped leaves a part of a sample out.
func dropped(rule grammar.Rule, of, part string) mutation { return mutation{rule, of, part, ""} }

var responsesMutations = []mutation{
	{grammar.EventName, "responses", "event: keepalive", "event: ping"},
	{grammar.EventType, "responses", keepalive, responsesEvent("response.mood", "")},
	{grammar.DoneMarker, "responses", responseCompleted, done + responseCompleted},
	{grammar.AfterEnd, "responses", responseCompleted, responseCompleted + keepalive},
	{grammar.AfterEnd, "responses", responseCompleted, responseCompleted + done},
	{grammar.AfterEnd, "responses, failed", responseFailed, responseFailed + responsesError},
	{grammar.AfterEnd, "responses, broken", responsesError, responsesError + keepalive},
	{grammar.NoEnd, "responses", responseCompleted, ""},
	{grammar.NoError, "responses, failed", responseFailed, ""},
	{grammar.UnwantedError, "responses to end", responseCompleted, responsesError},
	{grammar.ErrorShape, "responses, broken", `,"param":null`, ""},
	{grammar.ErrorShape, "responses, broken", `"cut short"`, `""`},
	{grammar.ErrorShape, "response error", `"code":`, `"kind":`},
	{grammar.ErrorAlone, "response error", `{"error"`, `{"output":[],"error"`},
	{grammar.ErrorFlat, "responses, broken", `"code":"server_error","message":"cut short","param":null`, `"error":{"code":"server_error","message":"cut short","param":null}`},

	{grammar.SequenceNumber, "responses", `"keepalive","sequence_number":#`, `"keepalive","sequence_number":0`},
	{grammar.SequenceNumber, "responses", `"sequence_number":#`, `"sequence_number":1`},
	{grammar.SequenceNumber, "responses", `"response.in_progress","sequence_number":#`, `"response.in_progress","sequence_number":"1"`},
	{grammar.SequenceNumber, "responses, broken", `"error","sequence_number":#`, `"error","number":9`},
	dropped(grammar.CreatedFirst, "responses", responseCreated),
	{grammar.CreatedFirst, "responses", responseRunning, responseCreated + responseRunning},
	{grammar.CreatedFirst, "responses", responseCreated, keepalive + responseCreated},
	dropped(grammar.InProgress, "responses", responseRunning),
	{grammar.InProgress, "responses", responseRunning, responseRunning + responseRunning},
	{grammar.InProgress, "responses", keepalive, responseRunning},
	{grammar.ResponseShape, "response", `"id":"resp_1"`, `"id":""`},
	{grammar.ResponseShape, "response", `"object":"response"`, `"object":"answer"`},
	{grammar.ResponseShape, "response", `"model":"m"`, `"model":null`},
	{grammar.ResponseShape, "responses", `"output":[]`, `"output":null`},
	{grammar.ResponseMembers, "responses", `"created_at":7,`, ``},
	{grammar.ResponseMembers, "responses", `"error":null,`, ``},
	{grammar.ResponseMembers, "responses", `"incomplete_details":null,`, ``},
	{grammar.ResponseMembers, "responses", `"instructions":null,`, ``},
	{grammar.ResponseMembers, "response", `"parallel_tool_calls":true,`, ``},
	{grammar.ResponseMembers, "response", `"parallel_tool_calls":true`, `"parallel_tool_calls":null`},
	{grammar.ResponseMembers, "response", `"tools":[],`, ``},
	{grammar.ResponseMembers, "response", `"tool_choice":"auto",`, ``},
	{grammar.ResponseMembers, "response", `"temperature":1,`, ``},
	{grammar.ResponseMembers, "response", `"top_p":null,`, ``},
	{grammar.ResponseMembers, "response", `"metadata":{},`, ``},
	{grammar.ResponseMembers, "responses", `"usage":null`, `"used":null`},
	{grammar.ResponseStart, "responses", `"status":"in_progress"`, `"status":"completed"`},
	{grammar.ResponseStart, "responses", `"output":[]`, `"output":[` + doneCustom + `]`},
	{grammar.ResponseStart, "responses", `"usage":null`, `"usage":` + responseUsage},
	{grammar.SameResponse, "responses", strings.TrimSuffix(responseRunning, "\n"), strings.Replace(strings.TrimSuffix(responseRunning, "\n"), "resp_1", "resp_2", 1)},
	{grammar.SameResponse, "responses", responseCompleted, strings.Replace(responseCompleted, `"model":"m"`, `"model":"n"`, 1)},
	{grammar.SameResponse, "responses", responseCompleted, strings.Replace(responseCompleted, `"created_at":7`, `"created_at":8`, 1)},
	{grammar.ResponseStatus, "responses", responseCompleted, strings.Replace(responseCompleted, `"status":"completed","error"`, `"status":"queued","error"`, 1)},
	{grammar.ResponseStatus, "response", `"status":"completed","error"`, `"status":"done","error"`},
	{grammar.OutputText, "response", `"usage"`, `"output_text":"Hello","usage"`},

	{grammar.ItemIndex, "responses, broken", messageAdded, strings.Replace(messageAdded, `"output_index":1`, `"output_index":2`, 1)},
	{
		grammar.ItemNesting, "responses", keepalive + secondDelta + annotation + textDone + partDone + itemDone(1, doneMessage) + functionItem,
		strings.Split(functionItem, "event: response.function_call_arguments.delta")[0] + secondDelta + annotation + textDone + partDone + itemDone(1, doneMessage) +
			strings.TrimPrefix(functionItem, strings.Split(functionItem, "event: response.function_call_arguments.delta")[0]),
	},
	{grammar.ItemUnadded, "responses", responseRunning, responseRunning + firstDelta},
	{grammar.ItemUnadded, "responses", functionItem, firstDelta + functionItem},
	dropped(grammar.ItemUndone, "responses", itemDone(3, doneCustom)),
	{grammar.ItemID, "responses", `"item_id":"fc_1"`, `"item_id":"fc_2"`},
	{grammar.ItemID, "responses", `"item_id":"rs_1",`, ``},
	{grammar.ItemID, "responses", doneMessage, strings.Replace(doneMessage, "msg_1", "msg_2", 1)},
	{grammar.ItemID, "response", `"id":"msg_1",`, ``},
	{grammar.ItemIDUnique, "response", `"msg_1"`, `"rs_1"`},
	{grammar.ItemType, "response", doneCustom, `{"type":"hologram","id":"hg_1"}`},
	{grammar.ItemShape, "response", `"type":"message",`, ``},
	{grammar.ItemShape, "response", `"role":"assistant",`, ``},
	{grammar.ItemShape, "response", `"summary":[{"type":"summary_text","text":"hm"}],`, ``},
	{grammar.ItemShape, "response", `"input":"x"`, `"input":{"x":1}`},
	{grammar.ItemShape, "response", `"name":"g",`, ``},
	{grammar.ItemStart, "responses", `"role":"assistant","status":"in_progress"`, `"role":"assistant","status":"completed"`},
	{grammar.ItemStart, "responses", `"content":[]`, `"content":[{"type":"output_text","text":""}]`},
	{grammar.ItemStart, "responses", `"input":""`, `"input":"x"`},
	{grammar.ItemStatus, "response", `"role":"assistant","status":"completed"`, `"role":"assistant","status":"incomplete"`},
	{grammar.ItemStatus, "response", `"role":"assistant","status":"completed",`, `"role":"assistant",`},
	{grammar.ItemSame, "responses", doneFunction, strings.Replace(doneFunction, "call_1", "call_3", 1)},
	{grammar.ItemContent, "responses", doneMessage, strings.Replace(doneMessage, "Hello", "Hell", 1)},
	{grammar.ItemContent, "responses", doneMessage, strings.Replace(doneMessage, `[{"type":"output_text","text":"Hello","annotations":[{"type":"url_citation"}],"logprobs":[]}]`, `[]`, 1)},
	{grammar.ItemContent, "responses", doneCustom, strings.Replace(doneCustom, `"x"`, `"y"`, 1)},
	{grammar.CallID, "response", `"call_id":"call_1",`, ``},
	{grammar.CallIDUnique, "response", `"call_2"`, `"call_1"`},
	{grammar.CallJSON, "response", `"{\"a\":1}"`, `"{\"a\":"`},

	{grammar.PartIndex, "responses", partAdded, strings.Replace(partAdded, `"content_index":0`, `"content_index":1`, 1)},
	{grammar.PartUnadded, "responses", firstDelta, strings.Replace(firstDelta, `"content_index":0`, `"content_index":1`, 1) + firstDelta},
	{grammar.PartUnadded, "responses", partDone, partDone + secondDelta},
	dropped(grammar.PartUndone, "responses", partDone),
	{grammar.PartType, "responses", partAdded, strings.Replace(partAdded, "output_text", "text", 1)},
	{grammar.PartShape, "responses", `"annotations":[],`, ``},
	{grammar.PartShape, "response", `"text":"Hello"`, `"value":"Hello"`},
	{grammar.PartStart, "responses", `"text":""`, `"text":"x"`},
	{grammar.PartText, "responses", partDone, strings.Replace(partDone, "Hello", "Hell", 1)},
	{grammar.Logprobs, "responses", `"delta":"Hel","logprobs":[]`, `"delta":"Hel"`},
	{grammar.Logprobs, "responses", `"annotations":[],"logprobs":[]`, `"annotations":[]`},
	{grammar.DeltaShape, "responses", keepalive, strings.Replace(firstDelta, `"delta":"Hel"`, `"delta":null`, 1)},
	{grammar.DeltaKind, "responses", keepalive, responsesEvent("response.custom_tool_call_input.delta", `,"item_id":"msg_1","output_index":1,"delta":"x"`)},
	{grammar.TextDone, "responses", textDone, strings.Replace(textDone, "Hello", "Hell", 1)},
	{grammar.TextDone, "responses", secondDelta + annotation + textDone, annotation + strings.Replace(textDone, "Hello", "Hel", 1) + secondDelta},
	{grammar.TextDone, "responses", argumentsDone, strings.Replace(argumentsDone, `{\"a\":1}`, `{}`, 1)},
	dropped(grammar.DoneMissing, "responses", textDone),
	dropped(grammar.DoneMissing, "responses", strings.Join(strings.SplitAfter(customItem, "\n\n")[1:3], "")),
	{grammar.CallDoneName, "responses", `"output_index":2,"name":"f"`, `"output_index":2`},
	{grammar.AnnotationShape, "responses", `"annotation_index":0`, `"annotation_index":1`},
	{grammar.AnnotationShape, "responses", `"annotation":{"type":"url_citation"}`, `"annotation":null`},

	{grammar.FinalOutput, "responses", responseCompleted, strings.Replace(responseCompleted, "Hello", "Hell", 1)},
	{grammar.FinalOutput, "responses", responseCompleted, strings.Replace(responseCompleted, ","+doneCustom, "", 1)},
	{grammar.FailedError, "response, failed", `"code":"server_error",`, ``},
	{grammar.FailedError, "response, failed", `"message":"cut short"`, `"message":""`},
	{grammar.FailedError, "response", `"error":null`, `"error":{"code":"server_error","message":"x"}`},
	{grammar.FailedError, "responses, failed", responseFailed, strings.Replace(responseFailed, `"code":"server_error"`, `"code":null`, 1)},
	{grammar.IncompleteReason, "responses, cut", `{"reason":"max_output_tokens"}`, `null`},
	{grammar.IncompleteReason, "responses, cut", `max_output_tokens`, `length`},
	{grammar.IncompleteReason, "response", `"incomplete_details":null`, `"incomplete_details":{"reason":"max_output_tokens"}`},
	{grammar.ResponseUsage, "response", responseUsage, `null`},
	{grammar.ResponseUsageDetails, "response", `"input_tokens_details":{"cached_tokens":1},`, ``},
	{grammar.ResponseUsageDetails, "responses", `"reasoning_tokens":2`, `"reasoning_tokens":2.5`},
	{grammar.UsageIntegers, "response", `"input_tokens":3,`, ``},
	{grammar.UsageIntegers, "responses", `"output_tokens":4`, `"output_tokens":"4"`},
	{grammar.UsageTotal, "response", `"total_tokens":7`, `"total_tokens":8`},
	{grammar.UsageDetails, "response", `"cached_tokens":1`, `"cached_tokens":4`},
}

// What clients of the Responses API take, the judge does not object to.
func TestWhatResponsesMayBe(t *testing.T) {
	t.Parallel()
	native := grammar.Options{Native: true}
	for name, s := range map[string]sample{
		"an error at once":        {text: responsesError},
		"failed at once":          {text: responseCreated + responseFailed},
		"nothing said":            {text: responseCreated + responseRunning + responsesEvent("response.completed", `,"response":`+response("completed", "", responseUsage, ""))},
		"queued":                  {text: strings.Replace(goodResponses, responseRunning, responsesEvent("response.queued", `,"response":`+response("queued", "", "null", ""))+responseRunning, 1)},
		"members in any order":    {text: strings.Replace(goodResponses, responseCompleted, strings.Replace(responseCompleted, `"type":"message","id":"msg_1"`, `"id":"msg_1","type":"message"`, 1), 1)},
		"hung up":                 {text: goodResponses[:len(goodResponses)/2], options: grammar.Options{End: grammar.Aborted}},
		"a vendor's own event":    {text: strings.Replace(goodResponses, keepalive, responsesEvent("response.web_search_call.searching", ""), 1), options: native},
		"a vendor's error":        {text: brokenResponses + responsesEvent("error", `,"error":{"code":"x","message":"y","param":null}`), options: native},
		"a vendor's two failures": {text: brokenResponses + responsesError + responseFailed, options: native},
		"in the background":       {form: answer, text: response("queued", "", "null", "")},
		"a member more":           {form: answer, text: response("completed", "", responseUsage, `,"service_tier":"default"`)},
		"carriage returns, even":  {text: strings.ReplaceAll(goodResponses, "\n", "\r\n")},
	} {
		s.judge = grammar.Responses
		for _, violation := range s.verdict(s.text) {
			t.Errorf("%s: %s", name, violation)
		}
	}
}

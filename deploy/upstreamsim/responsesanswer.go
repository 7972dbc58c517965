package upstreamsim

import (
	"slices"
	"strconv"
	"strings"
)

// outcome is how an answer ends.
type outcome struct {
	status     string // completed, incomplete or failed
	incomplete string // why it is incomplete
	code       string // of the error with which it failed
	message    string
}

var completed = outcome{status: "completed"}

// outcomeOf is how a reply ends.
func outcomeOf(r reply) outcome {
	switch r.finish {
	case "length":
		return outcome{status: "incomplete", incomplete: "max_output_tokens"}
	case "content_filter":
		return outcome{status: "incomplete", incomplete: "content_filter"}
	default:
		return completed
	}
}

// outputItem is an item of the answer, and what it is made of.
type outputItem struct {
	block
	id     string
	callID string
	status string // at its end
}

// id is that of the answer.
func (c *responsesCall) id() string { return "resp_sim" + sixteenDigits(c.number) }

func (c *responsesCall) itemID(prefix string, index int) string {
	return prefix + "_sim" + sixteenDigits(c.number) + "_" + strconv.Itoa(index)
}

// itemPrefixes begin the items' ids.
var itemPrefixes = map[blockKind]string{textBlock: "msg", refusalBlock: "msg", reasoningBlock: "rs", callBlock: "fc"}

// itemsOf are the items of a reply.
func (c *responsesCall) itemsOf(r reply) []outputItem {
	var items []outputItem
	calls := 0
	for i, b := range r.blocks {
		item := outputItem{block: b, id: c.itemID(itemPrefixes[b.kind], i), status: "completed"}
		if b.kind == callBlock {
			item.callID = c.toolCallID(0, calls)
			calls++
			if b.custom {
				item.id = c.itemID("ctc", i)
			}
		}
		if i == len(r.blocks)-1 && outcomeOf(r).status == "incomplete" {
			item.status = "incomplete"
		}
		items = append(items, item)
	}
	return items
}

func (i outputItem) text() string { return strings.Join(i.pieces, "") }

// begun is the item as it is added.
func (c *responsesCall) begun(i outputItem) jsonBody {
	switch i.kind {
	case reasoningBlock:
		return jsonBody{"type": "reasoning", "id": i.id, "summary": []any{}}
	case callBlock:
		return c.callItem(i, "in_progress", "")
	default:
		return jsonBody{"type": "message", "id": i.id, "role": "assistant", "status": "in_progress", "content": []any{}}
	}
}

// done is the item as it is at its end.
func (c *responsesCall) done(i outputItem) jsonBody {
	switch i.kind {
	case reasoningBlock:
		return c.reasoningItem(i)
	case callBlock:
		return c.callItem(i, i.status, i.text())
	default:
		return jsonBody{"type": "message", "id": i.id, "role": "assistant", "status": i.status, "content": []any{c.partOf(i)}}
	}
}

func (c *responsesCall) callItem(i outputItem, status, arguments string) jsonBody {
	namespace, name, split := strings.Cut(i.name, namespaceMark)
	if !split {
		namespace, name = "", i.name
	}
	item := jsonBody{"type": "function_call", "id": i.id, "call_id": i.callID, "name": name, "arguments": arguments, "status": status}
	if i.custom {
		item = jsonBody{"type": "custom_tool_call", "id": i.id, "call_id": i.callID, "name": name, "input": arguments, "status": status}
	}
	if split {
		item["namespace"] = namespace
	}
	return item
}

// reasoningItem has its text as a summary where one is asked for, and sealed where that is.
func (c *responsesCall) reasoningItem(i outputItem) jsonBody {
	item := jsonBody{"type": "reasoning", "id": i.id, "summary": []any{}}
	switch {
	case c.raw:
		item["content"] = []any{jsonBody{"type": "reasoning_text", "text": i.text()}}
	case c.summary:
		item["summary"] = []any{jsonBody{"type": "summary_text", "text": i.text()}}
	}
	if c.includes("reasoning.encrypted_content") {
		item["encrypted_content"] = c.sim.wrap(reasoningSeal, c.number, c.organization(), i.id, i.text())
	}
	return item
}

func (c *responsesCall) includes(what string) bool {
	return slices.ContainsFunc(c.asked.get("include").list(), func(n *node) bool { return n.string() == what })
}

// partOf is the content of a message.
func (c *responsesCall) partOf(i outputItem) jsonBody {
	if i.kind == refusalBlock {
		return jsonBody{"type": "refusal", "refusal": i.text()}
	}
	annotations := []any{}
	if c.annotated {
		annotations = append(annotations, citation(i.text()))
	}
	return jsonBody{"type": "output_text", "text": i.text(), "annotations": annotations, "logprobs": []any{}}
}

func citation(text string) jsonBody {
	return jsonBody{"type": "url_citation", "start_index": 0, "end_index": len([]rune(text)), "url": "https://example.com/", "title": "Example"}
}

// usage counts a reply.
func (c *responsesCall) usage(r reply) any {
	if c.noUsage {
		return nil
	}
	counts := c.completionCall.usageOf(r)
	return jsonBody{
		"input_tokens": counts.prompt, "input_tokens_details": jsonBody{"cached_tokens": counts.cached, "cache_write_tokens": 0},
		"output_tokens": counts.completion, "output_tokens_details": jsonBody{"reasoning_tokens": counts.reasoning},
		"total_tokens": counts.prompt + counts.completion,
	}
}

// repeated are the parameters that an answer repeats, with what they are by default.
var repeated = jsonBody{
	"background": false, "instructions": nil, "max_output_tokens": nil, "max_tool_calls": nil, "metadata": jsonBody{}, "parallel_tool_calls": true,
	"previous_response_id": nil, "prompt_cache_key": nil, "prompt_cache_retention": nil, "safety_identifier": nil, "service_tier": "default", "store": true,
	"temperature": 1.0, "tool_choice": "auto", "tools": []any{}, "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "user": nil,
}

// object is the answer with an output and a status.
func (c *responsesCall) object(status string, output any) jsonBody {
	object := jsonBody{
		"id": c.id(), "object": "response", "created_at": c.format.created, "completed_at": nil, "status": status, "error": nil, "incomplete_details": nil,
		"model": c.request.Model + ModelSuffix, "output": output, "usage": nil,
		"reasoning": jsonBody{"effort": nullable(c.asked.get("reasoning").get("effort")), "summary": nullable(c.asked.get("reasoning").get("summary"))},
		"text":      jsonBody{"format": jsonBody{"type": "text"}, "verbosity": "medium"},
	}
	for name, usual := range repeated {
		object[name] = usual
		if given := c.asked.get(name); given != nil && (name != "service_tier" || given.text != "auto") {
			object[name] = rawOf(given)
		}
	}
	if text := c.asked.get("text"); text.get("format") != nil {
		object["text"] = rawOf(text)
	}
	return object
}

func nullable(n *node) any {
	if n == nil {
		return nil
	}
	return rawOf(n)
}

// ended is the object of an answer at its end.
func (c *responsesCall) ended(r reply, output []any, end outcome) jsonBody {
	object := c.object(end.status, output)
	switch end.status {
	case "failed":
		object["error"] = jsonBody{"code": end.code, "message": end.message}
		return object
	case "incomplete":
		object["incomplete_details"] = jsonBody{"reason": end.incomplete}
	case "completed":
		object["completed_at"] = c.sim.options.Now().Unix()
	}
	object["usage"] = c.usage(r)
	return object
}

// keep stores the answer, if it is to be.
func (c *responsesCall) keep(object jsonBody, output []any) {
	if !c.storing() {
		return
	}
	made := &storedResponse{
		id: c.id(), organization: c.organization(), object: object, before: c.items[:len(c.items)-len(c.given)], input: c.given,
		background: c.asked.get("background").isTrue(),
	}
	made.bytes = len(c.body)
	for _, item := range output {
		text := jsonOf(item)
		made.output = append(made.output, mustParse(text))
		made.bytes += len(text)
	}
	c.entry.book.responses.put(made)
}

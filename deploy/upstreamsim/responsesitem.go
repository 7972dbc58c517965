package upstreamsim

import (
	"maps"
	"slices"
)

// itemShape is what the Responses API knows of an input item.
type itemShape struct {
	// loose items are of the vendor's own tools; what they hold is not looked at.
	loose  bool
	fields properties
	prefix string // of its id
}

func itemFields(more properties) properties {
	return properties{"type": must(aText), "id": can(aText), "status": can(amongTexts("in_progress", "completed", "incomplete"))}.and(more)
}

var (
	callID     = textUpTo(maxResponseCall)
	toolOutput = textOr(textUpTo(maxToolOutput), listOf(byType(inputParts, atObject)), "one of an array of objects or string")
)

// inputParts are what users, developers and tools may say, outputParts what the assistant has said.
var (
	inputParts = map[string]properties{
		"input_text": {"text": must(aText), "prompt_cache_breakpoint": can(anything)},
		"input_image": {
			"image_url": can(isImageURL), "file_id": can(aText), "detail": can(amongTexts("low", "high", "auto", "original")),
			"prompt_cache_breakpoint": can(anything),
		},
		"input_file": {
			"file_data": can(isFileData), "file_url": can(aText), "file_id": can(aText), "filename": can(aText), "detail": can(aText),
			"prompt_cache_breakpoint": can(anything),
		},
		"input_audio": {"input_audio": must(properties{"data": must(aText), "format": must(amongTexts("wav", "mp3"))}.check)},
	}
	outputParts = map[string]properties{
		"output_text": {"text": must(aText), "annotations": can(listOf(anObjectOfAny)), "logprobs": can(listOf(anObjectOfAny))},
		"refusal":     {"refusal": must(aText)},
	}
)

func isImageURL(at string, n *node) *rejection {
	if problem := aText(at, n); problem != nil {
		return problem
	}
	return checkImage(jsonOf(map[string]string{"url": n.text}), at)
}

func isFileData(at string, n *node) *rejection {
	if problem := aText(at, n); problem != nil {
		return problem
	}
	mediaType, data, err := readDataURL(n.text)
	if err != nil || mediaType != "application/pdf" || len(data) == 0 {
		return rejected(at, "invalid_value", "Invalid '%s'. Expected a base64-encoded data URL with an application/pdf MIME type"+
			" (e.g. 'data:application/pdf;base64,aGVsbG8...').", at)
	}
	return nil
}

// itemShapes are the input items by their type; messages come in two forms.
var itemShapes = map[string]itemShape{
	"function_call": {fields: itemFields(properties{
		"call_id": must(callID), "name": must(aName), "arguments": must(aText), "namespace": can(aText), "async": can(aTruth),
		"caller": can(anything),
	}), prefix: "fc"},
	"function_call_output": {fields: itemFields(properties{
		"call_id": must(callID), "output": must(toolOutput), "name": can(aText), "namespace": can(aText), "caller": can(anything),
	}), prefix: "fc"},
	"custom_tool_call": {fields: itemFields(properties{
		"call_id": must(callID), "name": must(aName), "input": must(aText), "namespace": can(aText), "async": can(aTruth),
		"caller": can(anything),
	}), prefix: "ctc"},
	"custom_tool_call_output": {fields: itemFields(properties{"call_id": must(callID), "output": must(toolOutput), "caller": can(anything)}), prefix: "ctc"},
	"reasoning": {fields: itemFields(properties{
		"summary":           must(listOf(byType(map[string]properties{"summary_text": {"text": must(aText)}}, atType))),
		"content":           can(listOf(byType(map[string]properties{"reasoning_text": {"text": must(aText)}}, atType))),
		"encrypted_content": can(aText),
	}), prefix: "rs"},
	"compaction":         {fields: itemFields(properties{"encrypted_content": must(aText), "created_by": can(aText)}), prefix: "cmp"},
	"compaction_trigger": {fields: properties{"type": must(aText)}},
	"item_reference":     {fields: properties{"type": can(aText), "id": must(aText)}},
	"local_shell_call":   {loose: true}, "local_shell_call_output": {loose: true}, "shell_call": {loose: true}, "shell_call_output": {loose: true},
	"apply_patch_call": {loose: true}, "apply_patch_call_output": {loose: true}, "web_search_call": {loose: true}, "file_search_call": {loose: true},
	"code_interpreter_call": {loose: true}, "image_generation_call": {loose: true}, "computer_call": {loose: true}, "computer_call_output": {loose: true},
	"mcp_list_tools": {loose: true}, "mcp_call": {loose: true}, "mcp_approval_request": {loose: true}, "mcp_approval_response": {loose: true},
	"tool_search_call": {loose: true}, "tool_search_output": {loose: true}, "additional_tools": {loose: true},
}

// anItem is the shape of an input item.
func anItem(at string, n *node) *rejection {
	if problem := anObjectOfAny(at, n); problem != nil {
		return problem
	}
	kind := n.get("type")
	if kind != nil && kind.kind != stringKind {
		return aText(memberOf(at, "type"), kind)
	}
	switch {
	case kind == nil && n.get("role") == nil && n.get("id") != nil:
		return itemShapes["item_reference"].fields.check(at, n)
	case kind == nil || kind.text == "message":
		return aMessage(at, n)
	}
	known, found := itemShapes[kind.text]
	if !found {
		return wrongValue(at, kind.text, append(slices.Sorted(maps.Keys(itemShapes)), "message")...)
	}
	if known.loose {
		return nil
	}
	if problem := known.fields.check(at, n); problem != nil {
		return problem
	}
	if id := n.get("id"); id != nil && known.prefix != "" {
		return idProblem(memberOf(at, "id"), id.text, known.prefix)
	}
	return nil
}

// aMessage is a message in either form.
func aMessage(at string, n *node) *rejection {
	role := n.get("role")
	if role == nil {
		return missing(memberOf(at, "role"))
	}
	if problem := amongTexts("assistant", "system", "developer", "user")(memberOf(at, "role"), role); problem != nil {
		return problem
	}
	parts, fields := inputParts, properties{"type": can(aText), "role": must(aText)}
	if role.text == "assistant" {
		parts = outputParts
		fields["phase"] = can(amongTexts("commentary", "final_answer"))
	}
	fields["content"] = must(textOr(aText, listOf(byType(parts, atObject)), "one of an array of objects or string"))
	if problem := itemFields(fields).check(at, n); problem != nil {
		return problem
	}
	for i, part := range n.get("content").list() {
		if problem := wholePart(itemOf(memberOf(at, "content"), i), part); problem != nil {
			return problem
		}
	}
	if id := n.get("id"); id != nil {
		return idProblem(memberOf(at, "id"), id.text, "msg")
	}
	return nil
}

// wholePart is about parts that must have one of several members.
func wholePart(at string, part *node) *rejection {
	switch part.get("type").string() {
	case "input_image":
		if part.get("image_url") == nil && part.get("file_id") == nil {
			return missing(memberOf(at, "image_url"))
		}
	case "input_file":
		if part.get("file_data") == nil && part.get("file_url") == nil && part.get("file_id") == nil {
			return missing(memberOf(at, "file_id"))
		}
		if part.get("file_data") != nil && part.get("filename") == nil {
			return missing(memberOf(at, "filename"))
		}
	}
	return nil
}

// callPair is a kind of call, the kind of its output, and what the API calls it.
type callPair struct{ call, output, words string }

// outputs are the kinds of calls that need an output.
var outputs = []callPair{
	{"function_call", "function_call_output", "function call"},
	{"custom_tool_call", "custom_tool_call_output", "custom tool call"},
	{"local_shell_call", "local_shell_call_output", "local shell call"},
	{"shell_call", "shell_call_output", "shell call"},
	{"apply_patch_call", "apply_patch_call_output", "apply patch call"},
	{"computer_call", "computer_call_output", "computer call"},
}

// checkItems is about what items of the input need of each other: ids that are given once, and
// something of the model's after its reasoning.
func checkItems(items []*node) *rejection {
	ids := map[string]bool{}
	for i, item := range items {
		id := item.get("id").string()
		if id != "" && ids[id] {
			return misused("input", "Duplicate item found with id %s. Remove duplicate items from your input and try again.", id)
		}
		ids[id] = true
		if item.get("type").string() == "reasoning" && !followed(items, i) {
			return misused("input", "Item '%s' of type 'reasoning' was provided without its required following item.", id)
		}
	}
	return nil
}

// checkCalls is about the calls of a conversation: an output after each, and a call before every
// output.
func checkCalls(items []*node) *rejection {
	open, answered := map[string]string{}, map[string]bool{}
	var order []string
	for _, item := range items {
		kind, call := item.get("type").string(), item.get("call_id").string()
		for _, pair := range outputs {
			switch {
			case kind == pair.call:
				open[call], order = pair.words, append(order, call)
			case kind == pair.output && open[call] != pair.words:
				return misused("input", "No tool call found for %s output with call_id %s.", pair.words, call)
			case kind == pair.output:
				answered[call] = true
			}
		}
	}
	for _, call := range order {
		if !answered[call] {
			return misused("input", "No tool output found for %s %s.", open[call], call)
		}
	}
	return nil
}

// followed tells whether something that the model has made comes after the item.
func followed(items []*node, at int) bool {
	if at+1 == len(items) {
		return false
	}
	next := items[at+1]
	switch kind := next.get("type").string(); kind {
	case "", "message":
		return next.get("role").string() == "assistant"
	default:
		return !slices.ContainsFunc(outputs, func(pair callPair) bool { return pair.output == kind })
	}
}

// lostItem is the refusal of an item that is not kept, or that another organisation keeps.
func lostItem(id string) *rejection {
	return misused("input", "Item with id '%s' not found. Items are not persisted when `store` is set to false."+
		" Try again with `store` set to true, or remove this item from your input.", id).notFound()
}

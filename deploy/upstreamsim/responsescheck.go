package upstreamsim

import (
	"slices"
	"strings"
)

const (
	minOutputTokens = 16
	maxResponseCall = 64 // characters of a call_id
	maxItemID       = 64
	maxToolOutput   = 10 << 20
	maxCacheKey     = 64
)

// movedParameters are parameters of Chat, and what the Responses API has instead.
var movedParameters = map[string]string{
	"messages": "input", "max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens",
	"response_format": "text.format", "reasoning_effort": "reasoning.effort", "verbosity": "text.verbosity",
	"functions": "tools", "function_call": "tool_choice",
}

// createProperties are the parameters of POST /v1/responses; inputProperties those that it shares
// with input_tokens and compact.
var (
	inputProperties = properties{
		"model":                can(aText),
		"input":                can(textOr(aText, listOf(anItem), "one of an array of objects or string")),
		"instructions":         can(textOr(aText, listOf(anItem), "a string")),
		"previous_response_id": can(isResponseID),
	}
	countProperties = inputProperties.and(properties{
		"conversation":        can(textOr(aText, properties{"id": must(aText)}.check, "one of a string or object")),
		"parallel_tool_calls": can(aTruth),
		"reasoning":           can(reasoningWish.check),
		"text":                can(textWish.check),
		"tool_choice":         can(textOr(amongTexts("none", "auto", "required"), byType(choiceKinds, atType), "one of a string or object")),
		"tools":               can(listOf(byType(toolKinds(true), atType))),
		"truncation":          can(amongTexts("auto", "disabled")),
	})
	compactProperties = inputProperties.and(properties{
		"prompt_cache_key": can(textUpTo(maxCacheKey)), "prompt_cache_retention": can(retention), "service_tier": can(aText),
		"prompt_cache_options": can(anObjectOfAny), "tools": can(anything), "parallel_tool_calls": can(aTruth), "reasoning": can(anything), "text": can(anything),
	})
	createProperties = countProperties.and(properties{
		"access_programs":        can(anObjectOfAny),
		"background":             can(aTruth),
		"client_metadata":        can(textMap(64, 64, 4096)),
		"context_management":     can(listOf(properties{"type": must(aText), "compact_threshold": can(wholeFrom(1))}.check)),
		"include":                can(listOf(amongTexts(includables...))),
		"max_output_tokens":      can(wholeFrom(minOutputTokens)),
		"max_tool_calls":         can(wholeFrom(1)),
		"metadata":               can(textMap(16, 64, 512)),
		"moderation":             can(anObjectOfAny),
		"prompt":                 can(properties{"id": must(aText), "version": can(aText), "variables": can(anObjectOfAny)}.check),
		"prompt_cache_key":       can(textUpTo(maxCacheKey)),
		"prompt_cache_options":   can(anObjectOfAny),
		"prompt_cache_retention": can(retention),
		"safety_identifier":      can(textUpTo(64)),
		"service_tier":           can(amongTexts("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")),
		"store":                  can(aTruth),
		"stream":                 can(aTruth),
		"stream_options":         can(properties{"include_obfuscation": can(aTruth), "reasoning_summary_delivery": can(aText)}.check),
		"temperature":            can(decimalOf(0, 2)),
		"top_logprobs":           can(wholeWithin(0, 20)),
		"top_p":                  can(decimalOf(0, 1)),
		"user":                   can(aText),
	})
	retention   = amongTexts("in_memory", "24h")
	includables = []string{
		"code_interpreter_call.outputs", "computer_call_output.output.image_url", "file_search_call.results", "message.input_image.image_url",
		"message.output_text.logprobs", "reasoning.encrypted_content", "web_search_call.action.sources", "web_search_call.results",
	}
	reasoningWish = properties{
		"effort":           can(amongTexts("none", "minimal", "low", "medium", "high", "xhigh", "max")),
		"summary":          can(amongTexts("auto", "concise", "detailed")),
		"generate_summary": can(amongTexts("auto", "concise", "detailed")),
		"context":          can(amongTexts("auto", "current_turn", "all_turns")),
		"mode":             can(aText),
	}
	textWish = properties{
		"format":    can(byType(formatKinds, atType)),
		"verbosity": can(amongTexts("low", "medium", "high")),
	}
	formatKinds = map[string]properties{
		"text": {}, "json_object": {},
		"json_schema": {"name": must(aName), "schema": must(anObjectOfAny), "strict": can(aTruth), "description": can(aText)},
	}
	choiceKinds = map[string]properties{
		"function": {"name": must(aText), "namespace": can(aText)}, "custom": {"name": must(aText)},
		"allowed_tools": {"mode": must(amongTexts("auto", "required")), "tools": must(listOf(anObjectOfAny))},
		"web_search":    {}, "web_search_preview": {}, "file_search": {}, "code_interpreter": {}, "image_generation": {}, "computer": {},
		"computer_use_preview": {}, "shell": {}, "apply_patch": {}, "mcp": {"server_label": must(aText), "name": can(aText)},
	}
)

// toolKinds are the tools that there are; nested ones are those of a namespace.
func toolKinds(top bool) map[string]properties {
	kinds := map[string]properties{
		"function": {
			"name": must(aName), "description": can(aText), "parameters": can(anObjectOfAny), "strict": can(aTruth), "async": can(aTruth),
			"defer_loading": can(aTruth), "allowed_callers": can(listOf(aText)), "output_schema": can(anObjectOfAny),
		},
		"custom": {
			"name": must(aName), "description": can(aText), "async": can(aTruth), "defer_loading": can(aTruth), "allowed_callers": can(listOf(aText)),
			"format": can(byType(map[string]properties{
				"text": {}, "grammar": {"syntax": must(amongTexts("lark", "regex")), "definition": must(aText)},
			}, atType)),
		},
	}
	if !top {
		return kinds
	}
	kinds["namespace"] = properties{"name": must(aName), "description": must(aText), "tools": must(listOf(byType(toolKinds(false), atType)))}
	for _, hosted := range hostedTools {
		kinds[hosted] = nil // what they take is not looked at
	}
	return kinds
}

var hostedTools = strings.Fields(`apply_patch code_interpreter computer computer_use_preview file_search image_generation local_shell mcp shell
	tool_search web_search web_search_2025_08_26 web_search_preview web_search_preview_2025_03_11`)

// isResponseID is for ids of answers.
func isResponseID(at string, n *node) *rejection {
	if problem := aText(at, n); problem != nil {
		return problem
	}
	return idProblem(at, n.text, "resp")
}

// idProblem is about the form of an id.
func idProblem(at, id, prefix string) *rejection {
	switch {
	case id == "" || !isName(id):
		return rejected(at, "invalid_value", "Invalid '%s': '%s'. Expected an ID that contains letters, numbers, underscores, or dashes,"+
			" but this value contained additional characters.", at, id)
	case len(id) > maxItemID:
		return longString(at, maxItemID, len(id))
	case !strings.HasPrefix(id, prefix):
		return rejected(at, "invalid_value", "Invalid '%s': '%s'. Expected an ID that begins with '%s'.", at, id, prefix)
	default:
		return nil
	}
}

// checkParameters is about each parameter by itself.
func checkParameters(body *node, known properties) *rejection {
	if body.kind != objectKind {
		return wrongType("", "an object", kindName(body))
	}
	for _, m := range body.members {
		if instead := movedParameters[m.name]; instead != "" && known[m.name].shape == nil {
			return rejected(m.name, "unsupported_parameter", "Unsupported parameter: '%s'. In the Responses API, this parameter has moved to '%s'."+
				" Try again with the new parameter. See the API documentation for more information.", m.name, instead)
		}
	}
	return known.check("", body)
}

// checkTogether is about parameters that do not go with others.
func (c *responsesCall) checkTogether() *rejection {
	body := c.asked
	switch {
	case body.get("model") == nil && body.get("prompt") == nil:
		return missing("model")
	case body.get("input") == nil && body.get("previous_response_id") == nil && body.get("prompt") == nil && body.get("conversation") == nil:
		return rejected("input", "missing_required_parameter",
			"Missing required parameter: one of 'input', 'previous_response_id', 'prompt', or 'conversation' must be provided.")
	case body.get("previous_response_id") != nil && body.get("conversation") != nil:
		return rejected("", "mutually_exclusive_parameters",
			"Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are only providing one.")
	case body.get("background").isTrue() && !c.storing():
		return misused("background", "Background mode requires 'store' to be true.")
	case body.get("stream_options") != nil && !body.get("stream").isTrue():
		return misused("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	case body.get("prompt") != nil:
		id := body.get("prompt").get("id").string()
		return rejected("prompt", "prompt_not_found", "Prompt with id '%s' not found.", id).notFound()
	case body.get("conversation") != nil:
		return rejected("conversation", "conversation_not_found", "Conversation not found.").notFound()
	default:
		return firstOf(c.checkManners, c.checkTools, c.checkChoice, c.checkFormat)
	}
}

// checkManners is for models that do not take everything.
func (c *responsesCall) checkManners() *rejection {
	manners := mannersOf(c.asked.get("model").string())
	for _, sampling := range []string{"temperature", "top_p", "top_logprobs"} {
		if manners.has(oStyle) && c.asked.get(sampling) != nil {
			return unsupportedParameter(sampling, "")
		}
	}
	if manners.has(noRetention) && c.asked.get("prompt_cache_retention") != nil {
		return unsupportedParameter("prompt_cache_retention", "")
	}
	if manners.has(noReasoning) && c.asked.get("reasoning").get("effort") != nil {
		return unsupportedParameter("reasoning.effort", "")
	}
	if limit := c.asked.get("max_output_tokens"); manners.has(smallOutput) && limit != nil {
		value := limit.integer()
		return integerWithin("max_output_tokens", &value, minOutputTokens, smallOutputLimit)
	}
	return nil
}

// checkTools is about the schemas, and names that two tools have.
func (c *responsesCall) checkTools() *rejection {
	tools := c.asked.get("tools").list()
	if len(tools) > maxTools {
		return longArray("tools", maxTools, len(tools))
	}
	return checkToolList("tools", tools)
}

func checkToolList(at string, tools []*node) *rejection {
	var names []string
	for i, tool := range tools {
		at := itemOf(at, i)
		switch kind, name := tool.get("type").string(), tool.get("name").string(); kind {
		case "namespace":
			if problem := checkToolList(memberOf(at, "tools"), tool.get("tools").list()); problem != nil {
				return problem
			}
		case "function", "custom":
			if slices.Contains(names, name) {
				return rejected(at+".name", "invalid_value", "Duplicate tool name: '%s'. Tool names must be unique.", name)
			}
			names = append(names, name)
			parameters := tool.get("parameters")
			if parameters == nil {
				continue
			}
			if problem := schemaProblem(parameters.raw, tool.get("strict").isTrue()); problem != "" {
				return badSchema(at+".parameters", "invalid_function_parameters", "function '"+name+"'", problem)
			}
		}
	}
	return nil
}

// checkChoice is about tools that are to be called and are not there.
func (c *responsesCall) checkChoice() *rejection {
	choice, tools := c.asked.get("tool_choice"), c.asked.get("tools").list()
	switch {
	case choice == nil:
		return nil
	case choice.kind == stringKind:
		if choice.text == "required" && len(tools) == 0 {
			return misused("tool_choice", "Tool choice 'required' must be specified with 'tools' parameter.")
		}
		return nil
	}
	kind := choice.get("type").string()
	if kind == "allowed_tools" {
		for i, allowed := range choice.get("tools").list() {
			if !offers(tools, allowed) {
				return misused(memberOf("tool_choice", itemOf("tools", i)), "Tool choice '%s' not found in 'tools' parameter.", allowed.get("name").string())
			}
		}
		return nil
	}
	if !offers(tools, choice) {
		return misused("tool_choice", "Tool choice '%s' not found in 'tools' parameter.", kind)
	}
	return nil
}

// offers tells whether a tool that is named is among the tools, or in a namespace of them.
func offers(tools []*node, named *node) bool {
	kind, name := named.get("type").string(), named.get("name").string()
	return slices.ContainsFunc(tools, func(tool *node) bool {
		switch {
		case tool.get("type").string() == "namespace":
			return offers(tool.get("tools").list(), named)
		case kind == "function" || kind == "custom":
			return tool.get("type").string() == kind && tool.get("name").string() == name
		default:
			return tool.get("type").string() == kind
		}
	})
}

// checkFormat is about the answer's schema, and the word that JSON needs.
func (c *responsesCall) checkFormat() *rejection {
	format := c.asked.get("text").get("format")
	switch format.get("type").string() {
	case "json_object":
		if input := c.asked.get("input"); input != nil && !strings.Contains(strings.ToLower(string(input.raw)+input.text), "json") {
			return misused("input", "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.")
		}
	case "json_schema":
		if problem := schemaProblem(format.get("schema").raw, format.get("strict").isTrue()); problem != "" {
			return badSchema("text.format.schema", "invalid_json_schema", "response_format '"+format.get("name").string()+"'", problem)
		}
	}
	return nil
}

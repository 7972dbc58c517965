package upstreamsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
)

const (
	maxStops    = 4
	maxTools    = 128
	maxChoices  = 128
	maxName     = 64 // of a function or a schema
	maxCallID   = 40
	namePattern = "^[a-zA-Z0-9_-]+$"
)

// decodeRequest reads a chat request, and the manners of its model.
func decodeRequest(body []byte, r *completionRequest) *rejection {
	if err := json.Unmarshal(body, r); err != nil {
		return wrongJSON(body, "", err)
	}
	r.manners = mannersOf(r.Model)
	return nil
}

// check answers what is wrong with the request, or nil.
func (r *completionRequest) check(body []byte) *rejection {
	return firstOf(
		r.checkPresence,
		func() *rejection { return r.manners.checkFields(body) },
		r.checkMessages,
		r.checkTools,
		r.checkToolChoice,
		r.checkFormat,
		r.checkLimits,
		r.checkSampling,
		r.checkStop,
		r.checkStream,
		r.checkReasoning,
		r.checkWindow,
	)
}

func (r *completionRequest) checkPresence() *rejection {
	switch {
	case r.Model == "":
		return misused("", "you must provide a model parameter")
	case r.Messages == nil:
		return missing("messages")
	case len(r.Messages) == 0:
		return emptyArray("messages")
	default:
		return nil
	}
}

func (r *completionRequest) checkTools() *rejection {
	if r.Tools != nil && len(r.Tools) == 0 {
		return emptyArray("tools")
	}
	if len(r.Tools) > maxTools {
		return longArray("tools", maxTools, len(r.Tools))
	}
	for i, tool := range r.Tools {
		if problem := tool.check(fmt.Sprintf("tools[%d]", i)); problem != nil {
			return problem
		}
	}
	if r.ParallelToolCalls != nil && r.Tools == nil {
		return misused("parallel_tool_calls", "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.")
	}
	return nil
}

func (t tool) check(at string) *rejection {
	switch t.Type {
	case "function":
		if t.Function == nil {
			return missing(at + ".function")
		}
		return t.Function.check(at + ".function")
	case "custom":
		if t.Custom == nil {
			return missing(at + ".custom")
		}
		return checkName(at+".custom.name", &t.Custom.Name)
	case "":
		return missing(at + ".type")
	default:
		return wrongValue(at+".type", t.Type, "function", "custom")
	}
}

func (f *function) check(at string) *rejection {
	if problem := checkName(at+".name", f.Name); problem != nil {
		return problem
	}
	strict := f.Strict != nil && *f.Strict
	if !given(f.Parameters) {
		if strict {
			return badSchema(at+".parameters", "invalid_function_parameters", "function '"+*f.Name+"'",
				"In context=(), 'additionalProperties' is required to be supplied and to be false.")
		}
		return nil
	}
	if f.Parameters[0] != '{' {
		return wrongType(at+".parameters", "an object", jsonKind(f.Parameters))
	}
	if problem := schemaProblem(f.Parameters, strict); problem != "" {
		return badSchema(at+".parameters", "invalid_function_parameters", "function '"+*f.Name+"'", problem)
	}
	return nil
}

// checkName is for the names of functions and schemas.
func checkName(at string, name *string) *rejection {
	switch {
	case name == nil:
		return missing(at)
	case *name == "":
		return rejected(at, "empty_string", "Invalid '%s': empty string. Expected a string with minimum length 1, but got an empty string instead.", at)
	case !isName(*name):
		return wrongPattern(at, namePattern)
	case len(*name) > maxName:
		return longString(at, maxName, len(*name))
	default:
		return nil
	}
}

// isName tells whether a text matches namePattern.
func isName(text string) bool {
	return strings.IndexFunc(text, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-'
	}) < 0
}

// jsonKind names a value with its article.
func jsonKind(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		if bytes.ContainsAny(raw, ".eE") {
			return "a decimal"
		}
		return "an integer"
	}
}

func (r *completionRequest) checkToolChoice() *rejection {
	if !given(r.ToolChoice) {
		return nil
	}
	if r.Tools == nil {
		return misused("tool_choice", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
	}
	if r.ToolChoice[0] == '"' {
		_ = json.Unmarshal(r.ToolChoice, &r.choice.mode) // it is a string
		if !slices.Contains([]string{"none", "auto", "required"}, r.choice.mode) {
			return wrongValue("tool_choice", r.choice.mode, "none", "auto", "required")
		}
		return nil
	}
	var object struct {
		tool
		AllowedTools *struct {
			Mode  string `json:"mode"`
			Tools []tool `json:"tools"`
		} `json:"allowed_tools"`
	}
	if r.ToolChoice[0] != '{' {
		return wrongType("tool_choice", "one of 'none', 'auto', 'required' or an object", jsonKind(r.ToolChoice))
	}
	if err := json.Unmarshal(r.ToolChoice, &object); err != nil {
		return wrongJSON(r.ToolChoice, "tool_choice", err)
	}
	switch object.Type {
	case "function", "custom":
		return r.chooseNamed(object.tool)
	case "allowed_tools":
		if object.AllowedTools == nil {
			return missing("tool_choice.allowed_tools")
		}
		if mode := object.AllowedTools.Mode; mode != "auto" && mode != "required" {
			return wrongValue("tool_choice.allowed_tools.mode", mode, "auto", "required")
		}
		r.choice.mode = object.AllowedTools.Mode
		for _, allowed := range object.AllowedTools.Tools {
			r.choice.allowed = append(r.choice.allowed, allowed.name())
		}
		return nil
	case "":
		return missing("tool_choice.type")
	default:
		return wrongValue("tool_choice.type", object.Type, "allowed_tools", "function", "custom")
	}
}

// chooseNamed notes the one tool to call, which must be among the tools.
func (r *completionRequest) chooseNamed(chosen tool) *rejection {
	if chosen.name() == "" {
		return missing("tool_choice." + chosen.Type)
	}
	if !slices.ContainsFunc(r.Tools, func(t tool) bool { return t.Type == chosen.Type && t.name() == chosen.name() }) {
		return misused("tool_choice", "Invalid value for 'tool_choice': no %s named '%s' was specified in the 'tools' parameter.", chosen.Type, chosen.name())
	}
	r.choice = toolChoice{mode: "required", name: chosen.name()}
	return nil
}

func (r *completionRequest) checkFormat() *rejection {
	format := r.ResponseFormat
	if format == nil {
		return nil
	}
	switch format.Type {
	case "text":
		return nil
	case "json_object":
		for i := range r.Messages {
			if strings.Contains(strings.ToLower(r.Messages[i].Content.text), "json") {
				return nil
			}
		}
		return misused("messages", "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.")
	case "json_schema":
		return r.checkSchemaFormat()
	case "":
		return missing("response_format.type")
	default:
		return wrongValue("response_format.type", format.Type, "json_object", "json_schema", "text")
	}
}

func (r *completionRequest) checkSchemaFormat() *rejection {
	const at = "response_format.json_schema"
	if r.manners.has(noSchema) {
		return misused("", "This response_format type is unavailable now")
	}
	format := r.ResponseFormat.JSONSchema
	if format == nil {
		return missing(at)
	}
	if problem := checkName(at+".name", format.Name); problem != nil {
		return problem
	}
	if !given(format.Schema) {
		return missing(at + ".schema")
	}
	if format.Schema[0] != '{' {
		return wrongType(at+".schema", "an object", jsonKind(format.Schema))
	}
	if problem := schemaProblem(format.Schema, format.Strict != nil && *format.Strict); problem != "" {
		return badSchema("response_format", "", "response_format '"+*format.Name+"'", problem)
	}
	return nil
}

func (r *completionRequest) checkLimits() *rejection {
	if r.MaxTokens != nil && r.MaxCompletionTokens != nil {
		return misused("", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	}
	if r.MaxTokens != nil && r.manners.has(oStyle) {
		return unsupportedParameter("max_tokens", " Use 'max_completion_tokens' instead.")
	}
	return firstOf(
		func() *rejection { return r.manners.checkLimit("max_tokens", r.MaxTokens) },
		func() *rejection { return r.manners.checkLimit("max_completion_tokens", r.MaxCompletionTokens) },
		func() *rejection { return integerWithin("n", r.N, 1, maxChoices) },
	)
}

func (m manners) checkLimit(param string, value *int) *rejection {
	if value != nil && m.has(smallOutput) && *value > smallOutputLimit {
		return rejected(param, "invalid_value",
			"%[1]s is too large: %[2]d. This model supports at most %[3]d completion tokens, whereas you provided %[2]d.", param, *value, smallOutputLimit)
	}
	return integerWithin(param, value, 1, math.MaxInt32)
}

func (r *completionRequest) checkSampling() *rejection {
	if problem := r.checkFixedSampling(); problem != nil {
		return problem
	}
	if r.TopLogprobs != nil && (r.Logprobs == nil || !*r.Logprobs) {
		return misused("top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")
	}
	return firstOf(
		func() *rejection { return decimalWithin("temperature", r.Temperature, 0, 2) },
		func() *rejection { return decimalWithin("top_p", r.TopP, 0, 1) },
		func() *rejection { return decimalWithin("presence_penalty", r.PresencePenalty, -2, 2) },
		func() *rejection { return decimalWithin("frequency_penalty", r.FrequencyPenalty, -2, 2) },
		func() *rejection { return integerWithin("top_logprobs", r.TopLogprobs, 0, 20) },
	)
}

// checkFixedSampling is for models that sample in one way alone.
func (r *completionRequest) checkFixedSampling() *rejection {
	if !r.manners.has(oStyle) {
		return nil
	}
	if r.Temperature != nil && *r.Temperature != 1 {
		return rejected("temperature", "unsupported_value",
			"Unsupported value: 'temperature' does not support %g with this model. Only the default (1) value is supported.", *r.Temperature)
	}
	for _, refused := range []struct {
		param string
		given bool
	}{
		{"top_p", r.TopP != nil && *r.TopP != 1},
		{"presence_penalty", r.PresencePenalty != nil && *r.PresencePenalty != 0},
		{"frequency_penalty", r.FrequencyPenalty != nil && *r.FrequencyPenalty != 0},
		{"logprobs", r.Logprobs != nil && *r.Logprobs},
		{"top_logprobs", r.TopLogprobs != nil},
		{"logit_bias", len(r.LogitBias) > 0},
		{"stop", given(r.Stop)},
	} {
		if refused.given {
			return unsupportedParameter(refused.param, "")
		}
	}
	return nil
}

func (r *completionRequest) checkStop() (problem *rejection) {
	r.stops, problem = readStops(r.Stop)
	return problem
}

// readStops reads a stop, a text or up to maxStops.
func readStops(raw json.RawMessage) ([]string, *rejection) {
	if !given(raw) {
		return nil, nil
	}
	var stops []string
	switch raw[0] {
	case '"':
		stops = make([]string, 1)
		_ = json.Unmarshal(raw, &stops[0]) // it is a string
	case '[':
		if err := json.Unmarshal(raw, &stops); err != nil {
			return nil, wrongJSON(raw, "stop", err)
		}
	default:
		return nil, wrongType("stop", "one of a string or array of strings", jsonKind(raw))
	}
	if len(stops) > maxStops {
		return nil, longArray("stop", maxStops, len(stops))
	}
	return stops, nil
}

func (r *completionRequest) checkStream() *rejection {
	switch {
	case r.StreamOptions == nil:
		return nil
	case !r.Stream:
		return misused("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	case r.manners.has(noStreamOptions):
		return misused("stream_options", "Unrecognized request argument supplied: stream_options")
	default:
		return nil
	}
}

func (r *completionRequest) checkReasoning() *rejection {
	efforts := []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}
	if r.ReasoningEffort != nil && !slices.Contains(efforts, *r.ReasoningEffort) {
		return wrongValue("reasoning_effort", *r.ReasoningEffort, efforts...)
	}
	return nil
}

// checkWindow is for models with a small window.
func (r *completionRequest) checkWindow() *rejection {
	if !r.manners.has(smallWindow) {
		return nil
	}
	prompt := r.promptTokens()
	if limit, _ := r.limit(); prompt+limit > smallWindowSize {
		return windowExceeded(smallWindowSize, prompt, limit)
	}
	return nil
}

// knownFields are the fields of a chat request, those included that have been replaced.
var knownFields = strings.Fields(`model messages stream stream_options tools tool_choice parallel_tool_calls response_format
	max_tokens max_completion_tokens stop n temperature top_p presence_penalty frequency_penalty logprobs top_logprobs logit_bias
	seed user reasoning_effort functions function_call audio modalities prediction web_search_options verbosity metadata store
	service_tier prompt_cache_key prompt_cache_retention safety_identifier`)

// knownMessageFields are the fields of its messages, and of their parts.
var (
	knownMessageFields = strings.Fields("role content name tool_calls tool_call_id refusal audio function_call")
	knownPartFields    = strings.Fields("type text refusal image_url input_audio file")
)

// checkFields is for APIs that refuse what they do not know.
func (m manners) checkFields(body []byte) *rejection {
	if !m.has(strictVendor) && !m.has(mistralStyle) {
		return nil
	}
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(body, &fields) // a completionRequest has been read of it
	if m.has(mistralStyle) {
		return mistralFields(fields)
	}
	if field := unknownField(fields, knownFields); field != "" {
		return misused("", "Unrecognized request argument supplied: %s", field)
	}
	var messages []map[string]json.RawMessage
	_ = json.Unmarshal(fields["messages"], &messages)
	for i, message := range messages {
		at := fmt.Sprintf("messages[%d].", i)
		if field := unknownField(message, knownMessageFields); field != "" {
			return unknownParameter(at + field)
		}
		var parts []map[string]json.RawMessage
		_ = json.Unmarshal(message["content"], &parts) // it may be a string
		for k, part := range parts {
			if field := unknownField(part, knownPartFields); field != "" {
				return unknownParameter(fmt.Sprintf("%scontent[%d].%s", at, k, field))
			}
		}
	}
	return nil
}

func unknownParameter(param string) *rejection {
	return rejected(param, "unknown_parameter", "Unknown parameter: '%s'.", param)
}

// unknownField is the first field, by its name, that is not known.
func unknownField(fields map[string]json.RawMessage, known []string) string {
	var unknown []string
	for field := range fields {
		if !slices.Contains(known, field) {
			unknown = append(unknown, field)
		}
	}
	if len(unknown) == 0 {
		return ""
	}
	return slices.Min(unknown)
}

// mistralUnknown are fields of OpenAI's that Mistral's API has not, or has under another name.
var mistralUnknown = strings.Fields(`max_completion_tokens stream_options seed logprobs top_logprobs logit_bias user store
	service_tier prompt_cache_key prompt_cache_retention safety_identifier verbosity modalities audio functions function_call`)

// mistralFields is an error whose message is not a text.
func mistralFields(fields map[string]json.RawMessage) *rejection {
	known := slices.DeleteFunc(slices.Clone(knownFields), func(field string) bool { return slices.Contains(mistralUnknown, field) })
	field := unknownField(fields, append(known, "random_seed", "safe_prompt"))
	if field == "" {
		return nil
	}
	problem := misused("", "Extra inputs are not permitted: %s", field)
	problem.status = http.StatusUnprocessableEntity
	problem.body = `{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body",` + quoted(field) +
		`],"msg":"Extra inputs are not permitted","input":` + string(fields[field]) + `}]},"type":"invalid_request_error","param":null,"code":null}`
	return problem
}

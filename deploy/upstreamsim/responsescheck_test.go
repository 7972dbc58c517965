package upstreamsim

import (
	"encoding/json"
	"strings"
	"testing"
)

const (
	aFunctionCall = `{"type":"function_call","call_id":"c1","name":"look","arguments":"{}"}`
	itsOutput     = `{"type":"function_call_output","call_id":"c1","output":"found"}`
	aCustomCall   = `{"type":"custom_tool_call","call_id":"c2","name":"patch","input":"x"}`
	customOutput  = `{"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"done"}]}`
	userItem      = `{"role":"user","content":"x"}`
)

func input(items ...string) string { return `"input":[` + strings.Join(items, ",") + `]` }

// part is a message of a role with a part.
func partFrom(role, part string) string {
	return input(`{"role":"` + role + `","content":[` + part + `]}`)
}

func responsesTools(tools string) string { return saysHi + `,"tools":[` + tools + `]` }

func TestResponsesTakesWhatTheAPITakes(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a text":                  saysHi,
		"null is nothing":         saysHi + `,"tools":null,"temperature":null,"previous_response_id":null,"reasoning":null,"text":null,"stream_options":null,"metadata":null`,
		"every role":              input(`{"role":"system","content":"a"}`, `{"type":"message","role":"developer","content":[{"type":"input_text","text":"b"}]}`, userItem, `{"role":"assistant","content":"c"}`),
		"an output message":       input(userItem, `{"type":"message","id":"msg_1","role":"assistant","status":"completed","phase":"commentary","content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[]},{"type":"refusal","refusal":"b"}]}`, userItem),
		"calls and their results": input(userItem, aFunctionCall, aCustomCall, customOutput, itsOutput),
		"an image":                partFrom("user", `{"type":"input_image","image_url":"`+dataImage+`","detail":"auto"},{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}`),
		"a result with an image":  input(userItem, aFunctionCall, `{"type":"function_call_output","call_id":"c1","output":[{"type":"input_image","image_url":"`+dataImage+`"}]}`),
		"hosted tools":            responsesTools(`{"type":"web_search","external_web_access":false},{"type":"mcp","server_label":"a","server_url":"https://example.com"}`),
		"a grammar":               responsesTools(`{"type":"custom","name":"patch","format":{"type":"grammar","syntax":"lark","definition":"start: x"}}`),
		"the body of an agent": `"instructions":"a",` + input(userItem) + `,"tool_choice":"auto","parallel_tool_calls":false,"reasoning":{"effort":"medium","summary":"auto","context":"auto"},` +
			`"store":false,"stream":true,"include":["reasoning.encrypted_content"],"prompt_cache_key":"thread","client_metadata":{"thread":"a"},` +
			`"text":{"verbosity":"low"},"stream_options":{"reasoning_summary_delivery":"a"},"service_tier":"priority"`,
		"a schema":         saysHi + `,"text":{"format":{"type":"json_schema","name":"a","strict":true,"schema":{"type":"object","properties":{},"additionalProperties":false,"required":[]}}}`,
		"JSON, asked for":  `"input":"as JSON","text":{"format":{"type":"json_object"}}`,
		"a forced tool":    responsesTools(`{"type":"function","name":"look"}`) + `,"tool_choice":{"type":"function","name":"look"}`,
		"allowed tools":    responsesTools(`{"type":"function","name":"look"}`) + `,"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"look"}]}`,
		"the least output": saysHi + `,"max_output_tokens":16`,
		"a vendor's items": input(userItem, `{"type":"web_search_call","id":"ws_1","status":"completed","action":{}}`, `{"role":"assistant","content":"a"}`, userItem),
	} {
		sim := New(Options{})
		if r := createIn(t, sim, "sk-1", "gpt-5", body); r.status != 200 && r.status != 0 {
			t.Errorf("%s: %d %s", name, r.status, r.all())
		}
		noViolations(t, sim)
	}
}

func TestResponsesRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, param, code, message string }{
		"no input":                   {`"store":true`, "input", "missing_required_parameter", "one of 'input'"},
		"an unknown parameter":       {saysHi + `,"stop":["a"]`, "stop", "unknown_parameter", "Unknown parameter: 'stop'."},
		"messages":                   {`"messages":[]`, "messages", "unsupported_parameter", "has moved to 'input'"},
		"max_tokens":                 {saysHi + `,"max_tokens":5`, "max_tokens", "unsupported_parameter", "'max_output_tokens'"},
		"response_format":            {saysHi + `,"response_format":{"type":"text"}`, "response_format", "unsupported_parameter", "'text.format'"},
		"reasoning_effort":           {saysHi + `,"reasoning_effort":"low"`, "reasoning_effort", "unsupported_parameter", "'reasoning.effort'"},
		"too little output":          {saysHi + `,"max_output_tokens":15`, "max_output_tokens", "integer_below_min_value", ">= 16, but got 15"},
		"half a token":               {saysHi + `,"max_output_tokens":16.5`, "max_output_tokens", "invalid_type", "a decimal"},
		"a warm temperature":         {saysHi + `,"temperature":3`, "temperature", "decimal_above_max_value", "<= 2"},
		"stream, a text":             {saysHi + `,"stream":"yes"`, "stream", "invalid_type", "expected a boolean, but got a string"},
		"options without a stream":   {saysHi + `,"stream_options":{"include_obfuscation":false}`, "stream_options", "", "only allowed when 'stream'"},
		"Chat's stream options":      {saysHi + `,"stream":true,"stream_options":{"include_usage":true}`, "stream_options.include_usage", "unknown_parameter", ""},
		"an unknown include":         {saysHi + `,"include":["all"]`, "include[0]", "invalid_value", "'reasoning.encrypted_content'"},
		"an unknown effort":          {saysHi + `,"reasoning":{"effort":"most"}`, "reasoning.effort", "invalid_value", "'none', 'minimal'"},
		"a long key":                 {saysHi + `,"prompt_cache_key":"` + strings.Repeat("k", 65) + `"`, "prompt_cache_key", "string_above_max_length", "length 65"},
		"two ways to go on":          {saysHi + `,"previous_response_id":"resp_1","conversation":"conv_1"`, "", "mutually_exclusive_parameters", ""},
		"a previous id of no form":   {saysHi + `,"previous_response_id":"1"`, "previous_response_id", "invalid_value", "begins with 'resp'"},
		"background without store":   {saysHi + `,"background":true,"store":false`, "background", "", "'store'"},
		"a template":                 {`"prompt":{"id":"pmpt_1"}`, "prompt", "prompt_not_found", ""},
		"input, a number":            {`"input":1`, "input", "invalid_type", "an array of objects or string"},
		"an item, a text":            {input(`"x"`), "input[0]", "invalid_type", "expected an object"},
		"an item of no kind":         {input(userItem, `{"type":"hologram"}`), "input[1]", "invalid_value", "'hologram'"},
		"a role of Chat's":           {input(`{"role":"tool","content":"x"}`), "input[0].role", "invalid_value", "'developer'"},
		"calls as in Chat":           {input(`{"role":"assistant","content":"","tool_calls":[]}`), "input[0].tool_calls", "unknown_parameter", ""},
		"content, null":              {input(`{"role":"assistant","content":null}`), "input[0].content", "invalid_type", "but got null"},
		"no content":                 {input(`{"role":"user"}`), "input[0].content", "missing_required_parameter", ""},
		"a part of Chat's":           {partFrom("user", `{"type":"text","text":"x"}`), "input[0].content[0]", "invalid_value", "Invalid value: 'text'. Supported values are: 'input_audio', 'input_file', 'input_image', and 'input_text'."},
		"a user's part in an answer": {partFrom("assistant", `{"type":"input_text","text":"x"}`), "input[0].content[0]", "invalid_value", "'output_text' and 'refusal'"},
		"an answer's part in a user": {partFrom("user", `{"type":"output_text","text":"x"}`), "input[0].content[0]", "invalid_value", "'output_text'"},
		"an image as in Chat":        {partFrom("user", `{"type":"input_image","image_url":{"url":"https://example.com/a.png"}}`), "input[0].content[0].image_url", "invalid_type", "expected a string, but got an object"},
		"an image of nothing":        {partFrom("user", `{"type":"input_image"}`), "input[0].content[0].image_url", "missing_required_parameter", ""},
		"a file of bare base64":      {partFrom("user", `{"type":"input_file","filename":"a","file_data":"AAAA"}`), "input[0].content[0].file_data", "invalid_value", "data URL"},
		"a file without a name":      {partFrom("user", `{"type":"input_file","file_data":"data:application/pdf;base64,AAAA"}`), "input[0].content[0].filename", "missing_required_parameter", ""},
		"a phase of a user":          {input(`{"role":"user","content":"x","phase":"commentary"}`), "input[0].phase", "unknown_parameter", ""},
		"a call without an id":       {input(userItem, `{"type":"function_call","name":"f","arguments":"{}"}`), "input[1].call_id", "missing_required_parameter", ""},
		"a call with a long id":      {input(userItem, strings.Replace(aFunctionCall, "c1", strings.Repeat("c", 65), 1)), "input[1].call_id", "string_above_max_length", "maximum length 64"},
		"arguments, an object":       {input(userItem, strings.Replace(aFunctionCall, `"{}"`, `{}`, 1)), "input[1].arguments", "invalid_type", "expected a string, but got an object"},
		"a called name with a dot":   {input(userItem, strings.Replace(aFunctionCall, "look", "a.b", 1)), "input[1].name", "invalid_value", "^[a-zA-Z0-9_-]+$"},
		"a call's id of no form":     {input(userItem, strings.Replace(aFunctionCall, `"type"`, `"id":"call_1","type"`, 1), itsOutput), "input[1].id", "invalid_value", "begins with 'fc'"},
		"a message's id of no form":  {input(`{"id":"1","role":"user","content":"x"}`), "input[0].id", "invalid_value", "begins with 'msg'"},
		"an output, an object":       {input(userItem, aFunctionCall, strings.Replace(itsOutput, `"found"`, `1`, 1)), "input[2].output", "invalid_type", ""},
		"a call without its output":  {input(userItem, aFunctionCall, userItem), "input", "", "No tool output found for function call c1."},
		"an output before its call":  {input(userItem, itsOutput, aFunctionCall), "input", "", "No tool call found for function call output with call_id c1."},
		"an output without a call":   {input(userItem, customOutput), "input", "", "No tool call found for custom tool call output with call_id c2."},
		"an output of another kind":  {input(userItem, aFunctionCall, strings.Replace(customOutput, "c2", "c1", 1)), "input", "", "No tool call found for custom tool call output with call_id c1."},
		"a custom call, unanswered":  {input(userItem, aCustomCall), "input", "", "No tool output found for custom tool call c2."},
		"reasoning without summary":  {input(userItem, `{"type":"reasoning","id":"rs_1","encrypted_content":"x"}`), "input[1].summary", "missing_required_parameter", ""},
		"reasoning at the end":       {input(userItem, `{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"}`), "input", "", "Item 'rs_1' of type 'reasoning' was provided without its required following item."},
		"reasoning before a user":    {input(`{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"}`, userItem), "input", "", "required following item"},
		"reasoning that is not kept": {input(`{"type":"reasoning","id":"rs_1","summary":[]}`, userItem), "input", "", "Item with id 'rs_1' not found."},
		"a reference to nothing":     {input(`{"type":"item_reference","id":"msg_1"}`), "input", "", "Item with id 'msg_1' not found."},
		"an item twice":              {input(`{"id":"msg_1","role":"user","content":"x"}`, `{"id":"msg_1","role":"user","content":"x"}`), "input", "", "Duplicate item found with id msg_1."},

		"a nested tool":          {responsesTools(`{"type":"function","function":{"name":"f"}}`), "tools[0].function", "unknown_parameter", ""},
		"a tool without a name":  {responsesTools(`{"type":"function","parameters":{}}`), "tools[0].name", "missing_required_parameter", "'tools[0].name'"},
		"a tool with a dot":      {responsesTools(`{"type":"function","name":"a.b"}`), "tools[0].name", "invalid_value", ""},
		"a long tool name":       {responsesTools(`{"type":"custom","name":"` + strings.Repeat("n", 65) + `"}`), "tools[0].name", "string_above_max_length", ""},
		"a tool of no kind":      {responsesTools(`{"type":"hologram"}`), "tools[0].type", "invalid_value", "'namespace'"},
		"two tools of a name":    {responsesTools(`{"type":"function","name":"f"},{"type":"custom","name":"f"}`), "tools[1].name", "invalid_value", "Duplicate"},
		"a namespace in another": {responsesTools(`{"type":"namespace","name":"a","description":"","tools":[{"type":"namespace","name":"b"}]}`), "tools[0].tools[0].type", "invalid_value", ""},
		"parameters of a list":   {responsesTools(`{"type":"function","name":"f","parameters":{"type":"array","items":{}}}`), "tools[0].parameters", "invalid_function_parameters", ""},
		"strict and open":        {responsesTools(`{"type":"function","name":"f","strict":true,"parameters":{"type":"object","properties":{}}}`), "tools[0].parameters", "invalid_function_parameters", "additionalProperties"},
		"required of none":       {saysHi + `,"tool_choice":"required"`, "tool_choice", "", "'tools'"},
		"a choice as in Chat":    {responsesTools(`{"type":"function","name":"f"}`) + `,"tool_choice":{"type":"function","function":{"name":"f"}}`, "tool_choice.function", "unknown_parameter", ""},
		"a choice of none":       {responsesTools(`{"type":"function","name":"f"}`) + `,"tool_choice":{"type":"function","name":"g"}`, "tool_choice", "", "not found in 'tools'"},
		"allowed, and not there": {responsesTools(`{"type":"function","name":"f"}`) + `,"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"g"}]}`, "tool_choice.tools[0]", "", "'g'"},
		"a schema as in Chat":    {saysHi + `,"text":{"format":{"type":"json_schema","json_schema":{}}}`, "text.format.json_schema", "unknown_parameter", ""},
		"a schema of no name":    {saysHi + `,"text":{"format":{"type":"json_schema","schema":{}}}`, "text.format.name", "missing_required_parameter", ""},
		"JSON without the word":  {saysHi + `,"text":{"format":{"type":"json_object"}}`, "input", "", "the word 'json'"},
	} {
		sim := New(Options{})
		r := createIn(t, sim, "sk-1", "gpt-5", c.body)
		var failure struct{ Error apiError }
		if err := json.Unmarshal(r.all(), &failure); err != nil {
			t.Errorf("%s: %s", name, r.all())
			continue
		}
		param, code := "", ""
		if failure.Error.Param != nil {
			param = *failure.Error.Param
		}
		if failure.Error.Code != nil {
			code = *failure.Error.Code
		}
		if param != c.param || code != c.code || !strings.Contains(failure.Error.Message, c.message) || failure.Error.Type != "invalid_request_error" {
			t.Errorf("%s: %d %s", name, r.status, r.all())
		}
		if len(sim.Ledger().Violations) != 1 {
			t.Errorf("%s: %+v", name, sim.Ledger().Violations)
		}
	}
}

// Models that do not take everything say so.
func TestResponsesManners(t *testing.T) {
	t.Parallel()
	for model, c := range map[string]struct{ body, param string }{
		"o-style":      {saysHi + `,"temperature":0.5`, "temperature"},
		"no-retention": {saysHi + `,"prompt_cache_retention":"24h"`, "prompt_cache_retention"},
		"no-reasoning": {saysHi + `,"reasoning":{"effort":"low"}`, "reasoning.effort"},
		"small-output": {saysHi + `,"max_output_tokens":5000`, "max_output_tokens"},
		"small-window": {`"input":"` + strings.Repeat("x", 8000) + `"`, "input"},
	} {
		for asked, want := range map[string]string{model: c.param, "gpt-5": ""} {
			if got := decodeResponse(t, createIn(t, New(Options{}), "sk-1", asked, c.body)); got.Error.Param != want {
				t.Errorf("%s: %+v", asked, got.Error)
			}
		}
	}
}

// An item that is kept goes with the reasoning that led to it.
func TestKeptItemsNeedTheirReasoning(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	made := decodeResponse(t, createIn(t, sim, "sk-1", "gpt-5", saysHi+`,"reasoning":{"effort":"low"}`))
	reasoning, said := made.Output[0].ID, made.Output[1].ID
	message := `{"type":"message","id":"` + said + `","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hi"}]}`
	for name, c := range map[string]struct{ body, message string }{
		"with it":      {input(userItem, `{"type":"reasoning","id":"`+reasoning+`","summary":[]}`, message, userItem), ""},
		"by reference": {input(userItem, `{"type":"item_reference","id":"`+reasoning+`"}`, `{"id":"`+said+`"}`, userItem), ""},
		"without":      {input(userItem, message, userItem), "without its required 'reasoning' item: '" + reasoning + "'."},
	} {
		if got := decodeResponse(t, createIn(t, sim, "sk-1", "gpt-5", c.body)); (got.Error.Message == "") != (c.message == "") || !strings.Contains(got.Error.Message, c.message) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

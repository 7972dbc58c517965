package upstreamsim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// rawChat sends a body as it is.
func rawChat(t *testing.T, sim *Simulator, body string) *recorder {
	t.Helper()
	return record(sim, openAIRequest(t.Context(), t, "http://sim", "sk-1", json.RawMessage(body)))
}

// with is a chat body with more fields.
func with(fields string) string { return withModel("gpt-4o", fields) }

func withModel(model, fields string) string {
	body := `{"model":"` + model + `","messages":[{"role":"user","content":"Say it in JSON."}]`
	if fields != "" {
		body += "," + fields
	}
	return body + "}"
}

// talking is a chat body with these messages.
func talking(messages string) string { return talkingTo("gpt-4o", messages) }

func talkingTo(model, messages string) string {
	return `{"model":"` + model + `","messages":[` + messages + `]}`
}

const (
	aTool     = `{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{"at":{"type":"string"}}}}}`
	userSays  = `{"role":"user","content":"x"}`
	aCall     = `{"id":"c1","type":"function","function":{"name":"look","arguments":"{}"}}`
	anOther   = `{"id":"c2","type":"function","function":{"name":"look","arguments":"{}"}}`
	calling   = `{"role":"assistant","content":null,"tool_calls":[` + aCall + `]}`
	callsTwo  = `{"role":"assistant","tool_calls":[` + aCall + `,` + anOther + `]}`
	result    = `{"role":"tool","tool_call_id":"c1","content":"found"}`
	another   = `{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"too"}]}`
	dataImage = `data:image/png;base64,iVBORw0KGgo=`
)

func userParts(parts string) string { return `{"role":"user","content":[` + parts + `]}` }

// What OpenAI's own API takes.
func TestOpenAITakes(t *testing.T) {
	t.Parallel()
	strict := `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`
	for name, body := range map[string]string{
		"developer":               talking(`{"role":"developer","content":"Be brief."},` + userSays),
		"text parts":              talking(userParts(`{"type":"text","text":"a"},{"type":"text","text":""}`)),
		"image":                   talking(userParts(`{"type":"image_url","image_url":{"url":"` + dataImage + `","detail":"low"}}`)),
		"image by URL":            talking(userParts(`{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}`)),
		"document":                talking(userParts(`{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="}}`)),
		"sound":                   talking(userParts(`{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}`)),
		"one call":                talking(userSays + `,` + calling + `,` + result),
		"two calls, answered":     talking(userSays + `,` + callsTwo + `,` + another + `,` + result + `,` + userSays),
		"a refusal":               talking(userSays + `,{"role":"assistant","content":null,"refusal":"no"},` + userSays),
		"refusal part":            talking(userSays + `,{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]},` + userSays),
		"old function":            talking(userSays + `,{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"x"}`),
		"nulls":                   with(`"tools":null,"stop":null,"n":null,"tool_choice":null,"response_format":null,"stream_options":null,"max_tokens":null`),
		"unknown fields":          with(`"someday":true,"reasoning":{"effort":"low"}`),
		"tool":                    with(`"tools":[` + aTool + `],"tool_choice":"auto","parallel_tool_calls":false`),
		"tool without parameters": with(`"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g","parameters":{}}}]`),
		"custom tool":             with(`"tools":[{"type":"custom","custom":{"name":"patch"}}],"tool_choice":{"type":"custom","custom":{"name":"patch"}}`),
		"allowed tools": with(`"tools":[` + aTool + `],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto",
			"tools":[{"type":"function","function":{"name":"look"}}]}}`),
		"strict tool":    with(`"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":` + strict + `}}]`),
		"json_object":    with(`"response_format":{"type":"json_object"}`),
		"schema":         with(`"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object","properties":{}}}}`),
		"strict schema":  with(`"response_format":{"type":"json_schema","json_schema":{"name":"s","strict":true,"schema":` + strict + `}}`),
		"limit":          with(`"max_tokens":1`),
		"new limit":      with(`"max_completion_tokens":100000`),
		"stop":           with(`"stop":["a","b","c","d"]`),
		"sampling":       with(`"temperature":2,"top_p":0.1,"presence_penalty":-2,"frequency_penalty":2,"seed":1,"logit_bias":{"1":-100}`),
		"logprobs":       with(`"logprobs":true,"top_logprobs":20`),
		"stream options": with(`"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}`),
		"effort":         with(`"reasoning_effort":"none"`),

		"o-style":                    withModel("o-style", `"max_completion_tokens":5,"temperature":1,"reasoning_effort":"high"`),
		"o-style of a maker":         withModel("maker/o-style-small-output-mini", `"max_completion_tokens":4096`),
		"mistral-style":              withModel("mistral-style", `"max_tokens":5,"random_seed":1,"temperature":0.1`),
		"deepseek-style":             talkingTo("deepseek-style", userSays+`,{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[`+aCall+`]},`+result),
		"deepseek-style, not asked":  `{"thinking":{"type":"disabled"},` + talkingTo("deepseek-style", userSays+`,`+calling+`,`+result)[1:],
		"deepseek-style, turns past": talkingTo("deepseek-style", userSays+`,`+calling+`,`+result+`,`+userSays),
		"tool-images":                talkingTo("tool-images", userSays+`,`+calling+`,{"role":"tool","tool_call_id":"c1","content":[{"type":"image_url","image_url":{"url":"`+dataImage+`"}}]}`),
		"only a prefix":              withModel("o-styled", `"max_tokens":5`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{})
			if r := rawChat(t, sim, body); r.status != http.StatusOK && r.status != 0 {
				t.Errorf("%d %s", r.status, r.all())
			}
			noViolations(t, sim)
		})
	}
}

// What it refuses, by the parameter and the code that it names.
func TestOpenAIRefuses(t *testing.T) {
	t.Parallel()
	tools := func(function string) string {
		return with(`"tools":[{"type":"function","function":{` + function + `}}]`)
	}
	parameters := func(schema string) string { return tools(`"name":"f","parameters":` + schema) }
	strict := func(schema string) string { return tools(`"name":"f","strict":true,"parameters":` + schema) }
	format := func(json string) string { return with(`"response_format":` + json) }
	toolSays := func(content string) string {
		return talking(userSays + `,` + calling + `,{"role":"tool","tool_call_id":"c1","content":` + content + `}`)
	}
	for name, test := range map[string]struct {
		body, param, code, says string
	}{
		"not JSON":          {`{"model"`, "", "", "could not parse"},
		"no messages":       {`{"model":"m"}`, "messages", "missing_required_parameter", ""},
		"messages, a text":  {`{"model":"m","messages":"x"}`, "messages", "invalid_type", "expected an array, but got a string"},
		"message, a number": {talking(userSays + `,1.5`), "messages[1]", "invalid_type", "expected an object, but got a number"},
		"stream, a text":    {with(`"stream":"yes"`), "stream", "invalid_type", "expected a boolean"},
		"unknown role":      {talking(`{"role":"human","content":"x"}`), "messages[0].role", "invalid_value", "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"},
		"no role":           {talking(`{"content":"x"}`), "messages[0].role", "missing_required_parameter", ""},

		// Content.
		"content null":              {talking(`{"role":"user","content":null}`), "messages[0].content", "invalid_type", "got null"},
		"content missing":           {talking(`{"role":"user"}`), "messages[0].content", "missing_required_parameter", ""},
		"content an object":         {talking(`{"role":"user","content":{}}`), "messages[0].content", "invalid_type", "got an object"},
		"silent assistant":          {talking(userSays + `,{"role":"assistant","content":null}`), "messages[1].content", "invalid_type", ""},
		"no parts":                  {talking(userParts(``)), "messages[0].content", "empty_array", ""},
		"part, a text":              {talking(userParts(`"x"`)), "messages[0].content[0]", "invalid_type", ""},
		"part without type":         {talking(userParts(`{"text":"x"}`)), "messages[0].content[0].type", "missing_required_parameter", ""},
		"unknown part":              {talking(userParts(`{"type":"video_url"}`)), "messages[0].content[0].type", "invalid_value", "'text', 'image_url', 'input_audio', and 'file'"},
		"text without text":         {talking(userParts(`{"type":"text"}`)), "messages[0].content[0].text", "missing_required_parameter", ""},
		"text, a number":            {talking(userParts(`{"type":"text","text":"a"},{"type":"text","text":1}`)), "messages[0].content[1].text", "invalid_type", "a number"},
		"image of the system":       {talking(`{"role":"system","content":[{"type":"image_url","image_url":{"url":"` + dataImage + `"}}]}`), "messages[0]", "invalid_value", "role 'system'"},
		"image of the assistant":    {talking(userSays + `,{"role":"assistant","content":[{"type":"image_url"}]}`), "messages[1]", "invalid_value", "role 'assistant'"},
		"image of a tool":           {toolSays(`[{"type":"image_url","image_url":{"url":"` + dataImage + `"}}]`), "messages[2]", "invalid_value", "only allowed for messages with role 'user'"},
		"file of a tool":            {toolSays(`[{"type":"file"}]`), "messages[2].content[0].type", "invalid_value", ""},
		"null of a tool":            {toolSays(`null`), "messages[2].content", "invalid_type", ""},
		"image, a text":             {talking(userParts(`{"type":"image_url","image_url":"` + dataImage + `"}`)), "messages[0].content[0].image_url", "invalid_type", "got a string"},
		"image without URL":         {talking(userParts(`{"type":"image_url","image_url":{}}`)), "messages[0].content[0].image_url.url", "missing_required_parameter", ""},
		"image, no URL":             {talking(userParts(`{"type":"image_url","image_url":{"url":"a.png"}}`)), "messages[0].content[0].image_url", "invalid_image_url", ""},
		"image of no type":          {talking(userParts(`{"type":"image_url","image_url":{"url":"data:;base64,AAAA"}}`)), "messages[0].content[0].image_url", "invalid_base64", ""},
		"image of another type":     {talking(userParts(`{"type":"image_url","image_url":{"url":"data:image/bmp;base64,AAAA"}}`)), "", "invalid_image_format", ""},
		"image, not base64":         {talking(userParts(`{"type":"image_url","image_url":{"url":"data:image/png;base64,A"}}`)), "messages[0].content[0].image_url", "invalid_base64", ""},
		"image of another detail":   {talking(userParts(`{"type":"image_url","image_url":{"url":"` + dataImage + `","detail":"most"}}`)), "messages[0].content[0].image_url.detail", "invalid_value", ""},
		"file without name":         {talking(userParts(`{"type":"file","file":{"file_data":"data:application/pdf;base64,AA=="}}`)), "messages[0].content[0].file.filename", "missing_required_parameter", ""},
		"file of bare base64":       {talking(userParts(`{"type":"file","file":{"filename":"a","file_data":"AAAA"}}`)), "messages[0].content[0].file.file_data", "invalid_value", "without the 'data:' prefix"},
		"file of another type":      {talking(userParts(`{"type":"file","file":{"filename":"a","file_data":"data:text/plain;base64,AAAA"}}`)), "messages[0].content[0].file.file_data", "invalid_value", "unsupported MIME type 'text/plain'"},
		"file by id":                {talking(userParts(`{"type":"file","file":{"file_id":"file-1"}}`)), "messages[0].content[0].file.file_id", "invalid_value", ""},
		"sound of another form":     {talking(userParts(`{"type":"input_audio","input_audio":{"data":"AAAA","format":"ogg"}}`)), "messages[0].content[0].input_audio.format", "invalid_value", "'wav' and 'mp3'"},
		"sound, not base64":         {talking(userParts(`{"type":"input_audio","input_audio":{"data":"?","format":"wav"}}`)), "messages[0].content[0].input_audio.data", "invalid_value", ""},
		"calls without an id":       {talking(userSays + `,{"role":"assistant","tool_calls":[{"type":"function"}]}`), "messages[1].tool_calls[0].id", "missing_required_parameter", ""},
		"calls with an empty id":    {talking(userSays + `,{"role":"assistant","tool_calls":[{"id":"","type":"function"}]}`), "messages[1].tool_calls[0].id", "empty_string", ""},
		"calls with a long id":      {talking(userSays + `,{"role":"assistant","tool_calls":[{"id":"` + strings.Repeat("c", 41) + `"}]}`), "messages[1].tool_calls[0].id", "string_above_max_length", "maximum length 40, but got a string with length 41"},
		"calls without a type":      {talking(userSays + `,{"role":"assistant","tool_calls":[{"id":"c1"}]}`), "messages[1].tool_calls[0].type", "missing_required_parameter", ""},
		"arguments, an object":      {talking(userSays + `,{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":{}}}]}`), "messages[1].tool_calls[0].function.arguments", "invalid_type", "expected a string, but got an object"},
		"arguments missing":         {talking(userSays + `,{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f"}}]}`), "messages[1].tool_calls[0].function.arguments", "missing_required_parameter", ""},
		"a name with a dot":         {talking(userSays + `,{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"a.b","arguments":""}}]}`), "messages[1].tool_calls[0].function.name", "invalid_value", "^[a-zA-Z0-9_-]+$"},
		"no calls":                  {talking(userSays + `,{"role":"assistant","content":"x","tool_calls":[]}`), "messages[1].tool_calls", "empty_array", ""},
		"two calls of one id":       {talking(userSays + `,{"role":"assistant","tool_calls":[` + aCall + `,` + aCall + `]}`), "messages[1].tool_calls[1].id", "invalid_value", "Duplicate"},
		"result without a call":     {talking(userSays + `,` + result), "messages.[1].role", "", "must be a response to a "},
		"result of another call":    {talking(userSays + `,` + calling + `,` + another), "messages.[2].tool_call_id", "", "'tool_call_id' of 'c2' not found"},
		"result twice":              {talking(userSays + `,` + callsTwo + `,` + result + `,` + result), "messages.[3].tool_call_id", "", "Duplicate"},
		"result without id":         {talking(userSays + `,` + calling + `,{"role":"tool","content":"x"}`), "messages.[2].tool_call_id", "", "must have a 'tool_call_id'"},
		"call without a result":     {talking(userSays + `,` + callsTwo + `,` + result), "messages.[3].role", "", "did not have response messages: c2"},
		"text before the results":   {talking(userSays + `,` + calling + `,` + userSays + `,` + result), "messages.[2].role", "", "must be followed by tool messages"},
		"text between the results":  {talking(userSays + `,` + callsTwo + `,` + result + `,` + userSays + `,` + another), "messages.[3].role", "", "did not have response messages: c2"},
		"a late result of old call": {talking(userSays + `,` + calling + `,` + result + `,` + userSays + `,` + result), "messages.[4].role", "", "must be a response to"},

		// Tools.
		"no tools":                   {with(`"tools":[]`), "tools", "empty_array", ""},
		"too many tools":             {with(`"tools":[` + strings.Repeat(aTool+",", 128) + aTool + `]`), "tools", "array_above_max_length", "length 129"},
		"tool without type":          {with(`"tools":[{"function":{"name":"f"}}]`), "tools[0].type", "missing_required_parameter", ""},
		"flat tool":                  {with(`"tools":[{"type":"function","name":"f"}]`), "tools[0].function", "missing_required_parameter", ""},
		"hosted tool":                {with(`"tools":[{"type":"web_search"}]`), "tools[0].type", "invalid_value", ""},
		"tool without name":          {tools(`"description":"x"`), "tools[0].function.name", "missing_required_parameter", ""},
		"tool with a dot":            {tools(`"name":"a.b"`), "tools[0].function.name", "invalid_value", ""},
		"long tool name":             {tools(`"name":"` + strings.Repeat("n", 65) + `"`), "tools[0].function.name", "string_above_max_length", "maximum length 64"},
		"parameters, a text":         {parameters(`"x"`), "tools[0].function.parameters", "invalid_type", "expected an object, but got a string"},
		"parameters of another type": {parameters(`{"type":"array","items":{}}`), "tools[0].function.parameters", "invalid_function_parameters", `got 'type: "array"'`},
		"parameters of no type":      {parameters(`{"anyOf":[]}`), "tools[0].function.parameters", "invalid_function_parameters", `got 'type: "None"'`},
		"parameters, no properties":  {parameters(`{"type":"object"}`), "tools[0].function.parameters", "invalid_function_parameters", "In context=(), object schema missing properties."},
		"array without items":        {parameters(`{"type":"object","properties":{"a":{"type":"array"}}}`), "tools[0].function.parameters", "invalid_function_parameters", "In context=('properties', 'a'), array schema missing items."},
		"strict, open":               {strict(`{"type":"object","properties":{}}`), "tools[0].function.parameters", "invalid_function_parameters", "In context=(), 'additionalProperties' is required to be supplied and to be false."},
		"strict, not required":       {strict(`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a"],"additionalProperties":false}`), "tools[0].function.parameters", "invalid_function_parameters", "Missing 'b'"},
		"strict, open inside":        {strict(`{"type":"object","properties":{"a":{"type":"object","properties":{}}},"required":["a"],"additionalProperties":false}`), "tools[0].function.parameters", "invalid_function_parameters", "In context=('properties', 'a'), 'additional"},
		"strict, oneOf":              {strict(`{"type":"object","properties":{"a":{"oneOf":[]}},"required":["a"],"additionalProperties":false}`), "tools[0].function.parameters", "invalid_function_parameters", "'oneOf' is not permitted"},
		"choice without tools":       {with(`"tool_choice":"auto"`), "tool_choice", "", "only allowed when 'tools' are specified"},
		"parallel without tools":     {with(`"parallel_tool_calls":true`), "parallel_tool_calls", "", "only allowed when 'tools' are specified"},
		"choice any":                 {with(`"tools":[` + aTool + `],"tool_choice":"any"`), "tool_choice", "invalid_value", "'none', 'auto', and 'required'"},
		"choice of a tool not there": {with(`"tools":[` + aTool + `],"tool_choice":{"type":"function","function":{"name":"g"}}`), "tool_choice", "", "no function named 'g'"},
		"choice in another's form":   {with(`"tools":[` + aTool + `],"tool_choice":{"type":"tool","name":"look"}`), "tool_choice.type", "invalid_value", ""},
		"choice of a flat form":      {with(`"tools":[` + aTool + `],"tool_choice":{"type":"function","name":"look"}`), "tool_choice.function", "missing_required_parameter", ""},
		"choice of allowed, no mode": {with(`"tools":[` + aTool + `],"tool_choice":{"type":"allowed_tools","allowed_tools":{}}`), "tool_choice.allowed_tools.mode", "invalid_value", ""},
		"format unknown":             {format(`{"type":"xml"}`), "response_format.type", "invalid_value", "'json_object', 'json_schema', and 'text'"},
		"format without schema":      {format(`{"type":"json_schema"}`), "response_format.json_schema", "missing_required_parameter", ""},
		"schema without name":        {format(`{"type":"json_schema","json_schema":{"schema":{}}}`), "response_format.json_schema.name", "missing_required_parameter", ""},
		"schema, long name":          {format(`{"type":"json_schema","json_schema":{"name":"` + strings.Repeat("n", 65) + `","schema":{}}}`), "response_format.json_schema.name", "string_above_max_length", ""},
		"no schema":                  {format(`{"type":"json_schema","json_schema":{"name":"s"}}`), "response_format.json_schema.schema", "missing_required_parameter", ""},
		"schema of another type":     {format(`{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"string"}}}`), "response_format", "", "Invalid schema for response_format 's'"},
		"strict schema, open":        {format(`{"type":"json_schema","json_schema":{"name":"s","strict":true,"schema":{"type":"object","properties":{}}}}`), "response_format", "", "'additionalProperties'"},
		"json_object without word":   {`{"model":"m","response_format":{"type":"json_object"},"messages":[` + userSays + `]}`, "messages", "", "must contain the word 'json'"},

		// Numbers.
		"both limits":                  {with(`"max_tokens":5,"max_completion_tokens":5`), "", "", "at the same time"},
		"no output":                    {with(`"max_tokens":0`), "max_tokens", "integer_below_min_value", ">= 1, but got 0"},
		"limit, a text":                {with(`"max_tokens":"ten"`), "max_tokens", "invalid_type", "expected an integer, but got a string"},
		"hot":                          {with(`"temperature":2.1`), "temperature", "decimal_above_max_value", "<= 2, but got 2.1"},
		"cold":                         {with(`"temperature":-1`), "temperature", "decimal_below_min_value", ""},
		"top_p":                        {with(`"top_p":1.5`), "top_p", "decimal_above_max_value", ""},
		"penalty":                      {with(`"presence_penalty":3`), "presence_penalty", "decimal_above_max_value", ""},
		"no choices":                   {with(`"n":0`), "n", "integer_below_min_value", ""},
		"too many choices":             {with(`"n":129`), "n", "integer_above_max_value", ""},
		"five stops":                   {with(`"stop":["a","b","c","d","e"]`), "stop", "array_above_max_length", "length 5"},
		"stop, a number":               {with(`"stop":1`), "stop", "invalid_type", ""},
		"stops, numbers":               {with(`"stop":["a",1]`), "stop[1]", "invalid_type", ""},
		"top_logprobs alone":           {with(`"top_logprobs":1`), "top_logprobs", "", "only allowed when 'logprobs' is enabled"},
		"options without stream":       {with(`"stream_options":{"include_usage":true}`), "stream_options", "", "only allowed when 'stream' is enabled"},
		"effort":                       {with(`"reasoning_effort":"much"`), "reasoning_effort", "invalid_value", ""},
		"o-style max_tokens":           {withModel("o-style", `"max_tokens":5`), "max_tokens", "unsupported_parameter", "Use 'max_completion_tokens' instead."},
		"o-style temperature":          {withModel("o-style-sim-echo", `"temperature":0.7`), "temperature", "unsupported_value", "Only the default (1) value"},
		"o-style top_p":                {withModel("maker/o-style", `"top_p":0.7`), "top_p", "unsupported_parameter", ""},
		"o-style stop":                 {withModel("o-style", `"stop":"x"`), "stop", "unsupported_parameter", ""},
		"o-style logprobs":             {withModel("o-style", `"logprobs":true`), "logprobs", "unsupported_parameter", ""},
		"no-developer":                 {talkingTo("no-developer", `{"role":"developer","content":"x"}`), "", "", "'developer' is not one of"},
		"both manners":                 {talkingTo("o-style-no-developer-sim-echo", `{"role":"developer","content":"x"}`), "", "", "'developer' is not one of"},
		"no-stream-options":            {withModel("no-stream-options", `"stream":true,"stream_options":{"include_usage":true}`), "stream_options", "", ""},
		"no-schema":                    {withModel("no-schema", `"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{}}}`), "", "", "unavailable"},
		"text-only":                    {talkingTo("text-only", userParts(`{"type":"image_url","image_url":{"url":"`+dataImage+`"}}`)), "", "invalid_request_error", "unknown variant `image_url`"},
		"small-output":                 {withModel("small-output", `"max_tokens":4097`), "max_tokens", "invalid_value", "supports at most 4096 completion tokens, whereas you provided 4097"},
		"small-window":                 {withModel("small-window", `"max_tokens":999`), "messages", "context_length_exceeded", "maximum context length is 1000 tokens. However, you requested 1010 tokens (11 in the messages, 999 in the completion)"},
		"strict-vendor field":          {withModel("strict-vendor", `"someday":1`), "", "", "Unrecognized request argument supplied: someday"},
		"strict-vendor message":        {talkingTo("strict-vendor", userSays+`,{"role":"assistant","content":"x","reasoning_content":"y"}`), "messages[1].reasoning_content", "unknown_parameter", ""},
		"strict-vendor part":           {talkingTo("strict-vendor", userParts(`{"type":"text","text":"x","cache_control":{}}`)), "messages[0].content[0].cache_control", "unknown_parameter", ""},
		"strict-vendor empty text":     {talkingTo("strict-vendor", userParts(`{"type":"text","text":""}`)), "messages[0].content[0].text", "empty_string", ""},
		"strict-vendor arguments":      {talkingTo("strict-vendor", userSays+`,{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":""}}]}`), "messages[1].tool_calls[0].function.arguments", "", ""},
		"deepseek-style, loop":         {talkingTo("deepseek-style", userSays+`,`+calling+`,`+result), "", "", "Missing `reasoning_content` field in the assistant message at message index 1"},
		"deepseek-style, turn past":    {talkingTo("deepseek-style", userSays+`,{"role":"assistant","content":"a","reasoning_content":"b"},`+userSays), "", "", "message index 1 belongs to a turn that has ended"},
		"deepseek-style, empty string": {talkingTo("deepseek-style", userSays+`,{"role":"assistant","reasoning_content":"","tool_calls":[`+aCall+`]},`+result), "", "", "Missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{})
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://sim/v1/chat/completions", strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Authorization", "Bearer sk-1")
			r := record(sim, request)
			failure := decodeObject(t, r.all()).Error
			if r.status != http.StatusBadRequest || failure == nil {
				t.Fatalf("%d %s", r.status, r.all())
			}
			param, code := "", ""
			if failure.Param != nil {
				param = *failure.Param
			}
			if failure.Code != nil {
				code = *failure.Code
			}
			if failure.Type != "invalid_request_error" || param != test.param || code != test.code || !strings.Contains(failure.Message, test.says) {
				t.Errorf("%s", r.all())
			}
			if violations := sim.Ledger().Violations; len(violations) != 1 || violations[0].Problems[0] != failure.Message {
				t.Errorf("%+v", violations)
			}
		})
	}
}

// Mistral's API answers what it does not know with 422, and with a message that is no text.
func TestMistralStyleRefusal(t *testing.T) {
	t.Parallel()
	r := rawChat(t, New(Options{}), withModel("mistral-style", `"max_completion_tokens":5`))
	const want = `{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","max_completion_tokens"],` +
		`"msg":"Extra inputs are not permitted","input":5}]},"type":"invalid_request_error","param":null,"code":null}`
	if r.status != http.StatusUnprocessableEntity || string(r.all()) != want {
		t.Errorf("%d %s", r.status, r.all())
	}
}

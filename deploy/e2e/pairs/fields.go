package pairs

// Field is a field of a request, and what becomes of it where the upstream speaks the
// other API. A test sends it.
type Field struct {
	Name string
	// Send has the members that a request gets, as a JSON object.
	Send string
	// Arrives has members of what the upstream gets in place of it, as a JSON object;
	// empty where it is ignored or refused.
	Arrives string
	Outcome Outcome
	Note    string
}

// ChatFields are those of a Chat request over an upstream of Anthropic's API.
var ChatFields = []Field{
	{"`max_tokens`, `max_completion_tokens`", `{"max_completion_tokens":77}`, `{"max_tokens":77}`, Translated, "without one: the model's maximum, or `default_max_tokens`"},
	{"`stop`", `{"stop":"END"}`, `{"stop_sequences":["END"]}`, Translated, "white space alone is kept by the gateway"},
	{"`temperature`", `{"temperature":1.5}`, `{"temperature":1}`, Lossy, "ends at 1; not with thinking"},
	{"`top_p`", `{"top_p":0.5}`, `{"top_p":0.5}`, Translated, "not beside `temperature`"},
	{"`seed`", `{"seed":7}`, "", Ignored, ""},
	{"`presence_penalty`, `frequency_penalty`", `{"presence_penalty":0.5,"frequency_penalty":0.5}`, "", Ignored, ""},
	{"`logit_bias`", `{"logit_bias":{"7":10}}`, "", Ignored, "a ban or a force (±100) is refused"},
	{"`logit_bias` of ±100", `{"logit_bias":{"7":-100}}`, "", Refused, "`logit_bias`"},
	{"`n` above 1", `{"n":2}`, "", Refused, "`n`"},
	{"`logprobs`", `{"logprobs":true}`, "", Refused, "`logprobs`"},
	{"`response_format` of type `json_object`", `{"response_format":{"type":"json_object"}}`, `{"system":[{"type":"text"}]}`, Lossy, "an instruction, which the API does not enforce"},
	{
		"`response_format` of type `json_schema`", `{"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{"type":"integer","minimum":3}},"required":["a"],"additionalProperties":false}}}}`,
		`{"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}}`, Translated, "bounds that the API refuses go into descriptions",
	},
	{"`reasoning_effort`", `{"reasoning_effort":"medium"}`, `{"thinking":{"type":"adaptive"},"output_config":{"effort":"medium"}}`, Translated, "a budget for older models; none with a forced call, or in a tool's use that began without"},
	{
		"`tools`", `{"tools":[{"type":"function","function":{"name":"look","description":"Looks.","parameters":{"type":"object","properties":{}}}}]}`,
		`{"tools":[{"name":"look","description":"Looks.","input_schema":{"type":"object","properties":{}}}]}`, Translated, "",
	},
	{"`tool_choice`: `required`", `{"tools":[{"type":"function","function":{"name":"look"}}],"tool_choice":"required"}`, `{"tool_choice":{"type":"any"}}`, Translated, ""},
	{"`parallel_tool_calls`: false", `{"tools":[{"type":"function","function":{"name":"look"}}],"parallel_tool_calls":false}`, `{"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`, Translated, ""},
	{
		"tools of type `custom`", `{"tools":[{"type":"custom","custom":{"name":"patch"}}]}`,
		`{"tools":[{"name":"patch","input_schema":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}]}`, Translated, "as one that takes a text, `input`; its calls come back as the client's own",
	},
	{"`user`", `{"user":"u-1"}`, `{"metadata":{"user_id":"u-1"}}`, Translated, ""},
	{"`metadata`, `store`, `service_tier`, `verbosity`, `prompt_cache_key`", `{"metadata":{"a":"b"},"store":true,"service_tier":"flex","verbosity":"low","prompt_cache_key":"k"}`, "", Ignored, "`prompt_cache_key` chooses the token"},
	{"`prediction`", `{"prediction":{"type":"content","content":"x"}}`, "", Refused, "`prediction`"},
	{"`modalities` with `audio`", `{"modalities":["text","audio"],"audio":{"voice":"alloy","format":"mp3"}}`, "", Refused, "`audio`"},
	{"`web_search_options`", `{"web_search_options":{}}`, "", Refused, "`web_search_options`"},
	{"parts of type `input_audio`", `{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}`, "", Refused, "`messages[0].content[0]`"},
	{"a file by its id", `{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}`, "", Refused, "`messages[0].content[0]`: an id belongs to one account"},
	{"`system` and `developer` first", `{"messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":"Hi"}]}`, `{"system":[{"text":"Be brief."}],"messages":[{"role":"user"}]}`, Lossy, "the rank of the two is lost"},
	{"`system` in the middle", `{"messages":[{"role":"user","content":"Hi"},{"role":"system","content":"Be brief."}]}`, `{"messages":[{"role":"user","content":[{"text":"Hi"},{"text":"<system>\nBe brief.\n</system>"}]}]}`, Lossy, "in its place, as marked text of the user, unless `mid_system=keep`"},
	{"an unknown field", `{"invented_yesterday":1}`, "", Ignored, "counted"},
}

// MessagesFields are those of a Messages request over an upstream of OpenAI's API.
var MessagesFields = []Field{
	{"`max_tokens`", `{"max_tokens":77}`, `{"max_tokens":77}`, Translated, "`max_completion_tokens` at OpenAI's, or as `output_limit_field` says"},
	{"`max_tokens`: 0", `{"max_tokens":0}`, "", Refused, "`max_tokens`: there is no cache to warm"},
	{"`stop_sequences`", `{"stop_sequences":["END"]}`, `{"stop":["END"]}`, Translated, ""},
	{"`temperature`, `top_p`", `{"temperature":0.5,"top_p":0.9}`, `{"temperature":0.5,"top_p":0.9}`, Translated, "not for models that reason"},
	{"`top_k`", `{"top_k":5}`, "", Ignored, "`sampling=always` sends it"},
	{"`thinking`, `output_config.effort`", `{"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}}`, `{"reasoning_effort":"high"}`, Translated, "to models that take it: by their names, or `reasoning_efforts`"},
	{"`thinking.budget_tokens`", `{"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":8000}}`, `{"reasoning_effort":"medium"}`, Lossy, "a budget becomes an effort"},
	{
		"`output_config.format`", `{"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"string"}},"required":["b","a"],"additionalProperties":false}}}}`,
		`{"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object"}}}}`, Translated, "",
	},
	{
		"`tools`", `{"tools":[{"name":"look","description":"Looks.","input_schema":{"type":"object","properties":{}},"input_examples":[{}],"defer_loading":true}]}`,
		`{"tools":[{"type":"function","function":{"name":"look","description":"Looks.","parameters":{"type":"object","properties":{}}}}]}`, Translated, "names above 64 bytes are shortened and restored",
	},
	{"`tool_choice`: `any`", `{"tools":[{"name":"look","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}}`, `{"tool_choice":"required"}`, Translated, ""},
	{"`disable_parallel_tool_use`", `{"tools":[{"name":"look","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`, `{"parallel_tool_calls":false}`, Translated, ""},
	{
		"a tool that the vendor runs, beside others", `{"tools":[{"name":"look","input_schema":{"type":"object"}},{"type":"web_search_20250305","name":"web_search"}]}`,
		`{"tools":[{"type":"function","function":{"name":"look"}}]}`, Lossy, "the model does without it",
	},
	{"such a tool alone", `{"tools":[{"type":"web_search_20250305","name":"web_search"}]}`, "", Refused, "`tools.0`"},
	{"such a tool, forced", `{"tools":[{"name":"look","input_schema":{"type":"object"}},{"type":"web_search_20250305","name":"web_search"}],"tool_choice":{"type":"tool","name":"web_search"}}`, "", Refused, "`tool_choice`"},
	{"`metadata.user_id`", `{"metadata":{"user_id":"u-1"}}`, `{"user":"u-1"}`, Translated, "what is above 64 bytes becomes a hash"},
	{"`cache_control`", `{"cache_control":{"type":"ephemeral"},"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral","ttl":"1h"}}]}`, `{"messages":[{"role":"system","content":"Be brief."},{"role":"user"}]}`, Lossy, "marks are dropped: such upstreams cache by prefix"},
	{"`context_management`, `speed`, `diagnostics`", `{"context_management":{"edits":[]},"speed":"fast","diagnostics":{"a":1}}`, "", Ignored, "as are all betas"},
	{"`mcp_servers`", `{"mcp_servers":[{"type":"url","url":"https://mcp.example","name":"m"}]}`, "", Refused, "`mcp_servers`"},
	{"`container`", `{"container":"c-1"}`, "", Refused, "`container`"},
	{"`thread`", `{"thread":{"type":"create"}}`, "", Refused, "`thread`"},
	{"`fallbacks`", `{"fallbacks":[{"model":"x"}]}`, "", Refused, "`fallbacks`"},
	{"`service_tier`", `{"service_tier":"standard_only"}`, "", Ignored, "at OpenAI's: `default`"},
	{"an image by its file's id", `{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"file","file_id":"file_1"}}]}]}`, "", Refused, "`messages.0.content.0`: an id belongs to one account"},
	{
		"an image by URL", `{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]}`,
		`{"messages":[{"content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}`, Translated, "",
	},
	{"a document of text", `{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"All of it."},"title":"Paper"}]}]}`, `{"messages":[{"role":"user"}]}`, Translated, "as text"},
	{"blocks of the vendor's own in the history", `{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"container_upload","file_id":"f"}]},{"role":"user","content":"Go on"}]}`, "", Refused, "`messages.1.content.0`"},
	{"the attribution line of Claude Code", `{"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.34; cch=00001;"},{"type":"text","text":"Be brief."}]}`, `{"messages":[{"role":"system","content":"Be brief."},{"role":"user"}]}`, Lossy, "it would make each prompt another one"},
	{"`system` in the middle", `{"messages":[{"role":"user","content":"Hi"},{"role":"system","content":"Be brief."}]}`, `{"messages":[{"role":"user"}]}`, Lossy, "in its place, as marked text of the user, unless `mid_system=keep`"},
	{"an unknown field", `{"invented_yesterday":1}`, "", Ignored, "counted"},
}

// ResponsesFields are those of a Responses request over an upstream that has Chat alone.
var ResponsesFields = []Field{
	{"`input` as text", `{"input":"Hi"}`, `{"messages":[{"role":"user","content":"Hi"}]}`, Translated, ""},
	{"`instructions`", `{"instructions":"Be brief."}`, `{"messages":[{"role":"system","content":"Be brief."},{"role":"user"}]}`, Translated, ""},
	{"`developer` first", `{"input":[{"role":"developer","content":"Be brief."},{"role":"user","content":"Hi"}]}`, `{"messages":[{"role":"system","content":"Be brief."},{"role":"user"}]}`, Lossy, "`developer_role=keep` keeps the rank"},
	{"`max_output_tokens`", `{"max_output_tokens":77}`, `{"max_tokens":77}`, Translated, "`max_completion_tokens` at OpenAI's, or as `output_limit_field` says"},
	{"`temperature`, `top_p`", `{"temperature":0.5,"top_p":0.9}`, `{"temperature":0.5,"top_p":0.9}`, Translated, "not for models that reason"},
	{"`reasoning.effort`", `{"reasoning":{"effort":"high","summary":"auto"}}`, `{"reasoning_effort":"high"}`, Translated, "to models that take it: by their names, or `reasoning_efforts`"},
	{
		"`text.format` of type `json_schema`", `{"text":{"format":{"type":"json_schema","name":"x","strict":true,"schema":{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"string"}},"required":["b","a"],"additionalProperties":false}}}}`,
		`{"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object"}}}}`, Translated, "",
	},
	{"`text.format` of type `json_object`", `{"text":{"format":{"type":"json_object"}},"input":"Say JSON."}`, `{"response_format":{"type":"json_object"}}`, Translated, ""},
	{
		"tools of type `function`", `{"tools":[{"type":"function","name":"look","description":"Looks.","strict":false,"parameters":{"type":"object","properties":{}}}]}`,
		`{"tools":[{"type":"function","function":{"name":"look","description":"Looks.","parameters":{"type":"object","properties":{}}}}]}`, Translated, "",
	},
	{
		"tools of type `custom`", `{"tools":[{"type":"custom","name":"patch","description":"Edits."}]}`,
		`{"tools":[{"type":"function","function":{"name":"patch","parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}}]}`, Translated, "as a function with one text, and calls back again; where the upstream takes them, as they are",
	},
	{
		"tools of type `namespace`", `{"tools":[{"type":"namespace","name":"notes","description":"Notes","tools":[{"type":"function","name":"search","parameters":{"type":"object","properties":{}}}]}]}`,
		`{"tools":[{"type":"function"}]}`, Translated, "one function each, whose name has both; calls are told apart again",
	},
	{
		"a tool that the vendor runs, beside others", `{"tools":[{"type":"function","name":"look","parameters":{"type":"object","properties":{}}},{"type":"web_search"}]}`,
		`{"tools":[{"type":"function","function":{"name":"look"}}]}`, Lossy, "the model does without it",
	},
	{"such a tool, forced", `{"tools":[{"type":"function","name":"look","parameters":{"type":"object","properties":{}}},{"type":"web_search"}],"tool_choice":{"type":"web_search"}}`, "", Refused, "`tool_choice`"},
	{"`tool_choice`: `required`", `{"tools":[{"type":"function","name":"look","parameters":{"type":"object","properties":{}}}],"tool_choice":"required"}`, `{"tool_choice":"required"}`, Translated, ""},
	{"`parallel_tool_calls`: false", `{"tools":[{"type":"function","name":"look","parameters":{"type":"object","properties":{}}}],"parallel_tool_calls":false}`, `{"parallel_tool_calls":false}`, Translated, ""},
	{"`user`, `safety_identifier`", `{"user":"u-1"}`, `{"user":"u-1"}`, Translated, "what is above 64 bytes becomes a hash"},
	{"`metadata`, `service_tier`, `truncation`, `prompt_cache_key`", `{"metadata":{"a":"b"},"service_tier":"auto","truncation":"disabled","prompt_cache_key":"k"}`, "", Ignored, "`prompt_cache_key` chooses the token"},
	{"`include`", `{"include":["reasoning.encrypted_content","web_search_call.action.sources"]}`, "", Ignored, "but for `reasoning.encrypted_content`"},
	{"`include` of log probabilities", `{"include":["message.output_text.logprobs"]}`, "", Refused, "`include`"},
	{"`store`", `{"store":true}`, "", Ignored, "kept by the gateway"},
	{"`background`: true", `{"background":true}`, "", Refused, "`background`"},
	{"`conversation`", `{"conversation":"conv_1"}`, "", Refused, "`conversation`"},
	{"`prompt`", `{"prompt":{"id":"pmpt_1"}}`, "", Refused, "`prompt`"},
	{"`previous_response_id` of nothing that is kept", `{"previous_response_id":"resp_1"}`, "", Refused, "`previous_response_id`"},
	{"items of type `item_reference`", `{"input":[{"role":"user","content":"Hi"},{"type":"item_reference","id":"msg_1"}]}`, "", Refused, "`input[1]`"},
	{
		"calls of the client's own `local_shell`, `shell`, `apply_patch`, `computer`", `{"input":[{"role":"user","content":"Hi"},{"type":"shell_call","call_id":"c","action":{"commands":["ls"]}},{"type":"shell_call_output","call_id":"c","output":"a.go"}]}`,
		`{"messages":[{"role":"user"},{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"shell"}}]},{"role":"tool","tool_call_id":"c","content":"a.go"}]}`, Translated, "as calls of functions of these names",
	},
	{
		"items of type `configuration_update`", `{"input":[{"role":"user","content":"Hi"},{"type":"configuration_update","reasoning":{"effort":"high"}}]}`,
		`{"reasoning_effort":"high"}`, Translated, "the latest counts, before the request's own fields",
	},
	{"items of a type nobody knows", `{"input":[{"type":"invented_yesterday","a":1},{"role":"user","content":"Hi"}]}`, "", Ignored, "counted"},
	{"an image by its file's id", `{"input":[{"role":"user","content":[{"type":"input_image","file_id":"file_1"}]}]}`, "", Refused, "`input[0].content[0]`: an id belongs to one account"},
	{
		"an image by URL", `{"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://example.com/a.png","detail":"low"}]}]}`,
		`{"messages":[{"content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}}]}]}`, Translated, "",
	},
	{"fields of Chat: `max_tokens`, `stop`, `response_format` and the like", `{"stop":["END"]}`, "", Refused, "`stop`"},
	{"an unknown field", `{"invented_yesterday":1}`, "", Ignored, "counted"},
}

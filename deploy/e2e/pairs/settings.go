package pairs

// Setting is one of an upstream's settings that change what becomes of requests of the
// other API.
type Setting struct {
	Key string
	// Values are those that there are; the first is the default at an unknown host.
	Values string
	What   string
	// With is a value under which Send, as in a Field, becomes Arrives; where that is
	// empty, the request is refused. No Send: other tests see to it.
	With, Send, Arrives string
}

// OpenAISettings are those of the driver openai, AnthropicSettings those of anthropic. A test
// sees to it that none is forgotten.
var (
	OpenAISettings = []Setting{
		{Key: "developer_role", Values: "`system`, `keep`", What: "instructions with the lower rank"},
		{
			"mid_system", "`user`, `keep`", "where instructions in the middle of a conversation stand", "keep",
			`{"messages":[{"role":"user","content":"Hi"},{"role":"system","content":"Be brief."}]}`, `{"messages":[{"role":"user","content":"Hi"},{"role":"system","content":"Be brief."}]}`,
		},
		{"output_limit_field", "`max_tokens`, `max_completion_tokens`, `never`", "the name of the output limit; never: the gateway keeps it", "max_completion_tokens", `{"max_tokens":77}`, `{"max_completion_tokens":77}`},
		{"output_limit_max", "any", "the largest that is asked for", "60", `{"max_tokens":77}`, `{"max_tokens":60}`},
		{"sampling", "`usual`, `always`, `never`", "temperature and the like; always: `top_k` too", "always", `{"top_k":5}`, `{"top_k":5}`},
		{"reasoning_efforts", "`by_model`, `never`, a list", "which efforts of thinking the models take", "low,medium", `{"output_config":{"effort":"max"}}`, `{"reasoning_effort":"medium"}`},
		{
			"reasoning_field", "`reasoning_content`, `reasoning`", "the name of what was thought", "reasoning",
			`{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":""},{"type":"tool_use","id":"toolu_1","name":"look","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"Red."}]}]}`,
			`{"messages":[{"role":"user"},{"role":"assistant","reasoning":"Hm."},{"role":"tool"}]}`,
		},
		{
			"reasoning_history", "`tool_loop`, `always`, `never`", "when it goes back", "always",
			`{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":""},{"type":"text","text":"Ho."}]},{"role":"user","content":"Go on"}]}`,
			`{"messages":[{"role":"user"},{"role":"assistant","content":"Ho.","reasoning_content":"Hm."},{"role":"user"}]}`,
		},
		{
			"tool_result_images", "`user`, `tool`, `note`", "where images in results stand: behind them, in them, or as words only", "tool",
			`{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"look","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]}]}`,
			`{"messages":[{"role":"user"},{"role":"assistant"},{"role":"tool","content":[{"type":"image_url"}]}]}`,
		},
		{
			"documents", "`never`, `file`", "PDF files; never: refused", "file",
			`{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0xLjQK"}}]}]}`, `{"messages":[{"content":[{"type":"file"}]}]}`,
		},
		{"tool_names", "`short`, `keep`", "names above 64 bytes", "keep", `{"tools":[{"name":"a.b","input_schema":{"type":"object"}}]}`, `{"tools":[{"function":{"name":"a.b"}}]}`},
		{Key: "custom_tools", Values: "`function`, `keep`", What: "tools that take free text, each as a function with one text, or as they are"},
		{Key: "responses", Values: "`auto`, `on`, `off`", What: "whether requests of the Responses API go to the upstream's own; auto: it is asked once"},
		{Key: "responses_without", Values: "`client_metadata,prompt_cache_retention`, a list", What: "members that are left out of such requests"},
		{Key: "user", Values: "`true`, `false`", What: "the client's name for who asks goes along"},
		{"prompt_cache_key", "`false`, `true`", "the session's name goes along", "true", `{"metadata":{"user_id":"user_x_account__session_0b6a8ac5-9a3e-4e51-8f0b-0f4f3c0f6a01"}}`, `{"prompt_cache_key":"0b6a8ac5-9a3e-4e51-8f0b-0f4f3c0f6a01"}`},
		{"lacks", "a list", "what the upstream can't do: `tools`, `images`, `documents`, `json_schema` …", "tools", `{"tools":[{"name":"look","input_schema":{"type":"object"}}]}`, ""},
		{Key: "include_usage", Values: "`true`, `false`", What: "counts are asked for in every stream"},
	}
	AnthropicSettings = []Setting{
		{"default_max_tokens", "the model's maximum, any", "the output limit of a request without one", "123", `{}`, `{"max_tokens":123}`},
		{Key: "sampling", Values: "`usual`, `never`", What: "temperature and the like are sent"},
		{
			"mid_system", "`user`, `keep`", "where instructions in the middle of a conversation stand", "keep",
			`{"messages":[{"role":"user","content":"Hi"},{"role":"system","content":"Be brief."}]}`, `{"messages":[{"role":"user"},{"role":"system"}]}`,
		},
		{Key: "automatic_cache", Values: "`true`, `false`", What: "a conversation is marked to be kept in the cache, where the client can't say so"},
		{Key: "rate_limit_headers", Values: "`false`, `true`", What: "clients see the limits of the token that served them"},
	}
)

// connections are settings that change no request.
var connections = []string{"first_byte_timeout", "idle_timeout", "answer_timeout", "proxy"}

// Keys are all settings of a driver, as it lists them.
func Keys(settings []Setting) []string {
	keys := append([]string(nil), connections...)
	for _, setting := range settings {
		keys = append(keys, setting.Key)
	}
	return keys
}

package upstreamsim

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// pixel is a PNG of one pixel, as far as anybody looks.
var pixel = append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte{1}, 20)...)

func imageOf(mediaType string, data []byte) object {
	return object{"type": "image", "source": object{
		"type": "base64", "media_type": mediaType, "data": base64.StdEncoding.EncodeToString(data),
	}}
}

func documentOf(source object) object { return object{"type": "document", "source": source} }

func toolOf(name string, more ...object) object {
	tool := object{"name": name, "input_schema": object{"type": "object", "properties": object{"text": object{"type": "string"}}}}
	for _, fields := range more {
		for name, value := range fields {
			tool[name] = value
		}
	}
	return tool
}

func callOf(id string) object {
	return object{"type": "tool_use", "id": id, "name": "look", "input": object{}}
}

func resultOf(id string, content any) object {
	return object{"type": "tool_result", "tool_use_id": id, "content": content}
}

var ephemeral = object{"cache_control": object{"type": "ephemeral"}}

func marked1h(block object) object {
	block["cache_control"] = object{"type": "ephemeral", "ttl": "1h"}
	return block
}

func markedBlock(block object) object {
	block["cache_control"] = object{"type": "ephemeral"}
	return block
}

// talk is the field of messages.
func talk(entries ...any) object { return object{"messages": append(list{}, entries...)} }

func outputSchema(schema any) object {
	return object{"output_config": object{"format": object{"type": "json_schema", "schema": schema}}}
}

func strictTool(schema any) object {
	return object{"tools": list{toolOf("look", object{"strict": true, "input_schema": schema})}}
}

var enabled = object{"thinking": object{"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}

// TestAnthropicAccepts is what real clients send and the API takes.
func TestAnthropicAccepts(t *testing.T) {
	t.Parallel()
	user, look := entryOf("user", "Hi"), toolOf("look")
	for name, test := range map[string]struct {
		body    object
		headers []string
	}{
		"text blocks":                    {saying("m", "", talk(entryOf("user", list{textOf("a"), textOf("b")}))), nil},
		"system text":                    {saying("m", "Hi", object{"system": "Be brief."}), nil},
		"system blocks":                  {saying("m", "Hi", object{"system": list{textOf("a"), markedBlock(textOf("b"))}}), nil},
		"null is absent":                 {saying("m", "Hi", object{"system": (*string)(nil), "temperature": (*int)(nil)}), nil},
		"sampling":                       {saying("m", "Hi", object{"temperature": 0.5, "top_p": 0.9, "top_k": 40}), nil},
		"metadata":                       {saying("m", "Hi", object{"metadata": object{"user_id": "u"}}), nil},
		"same role twice":                {saying("m", "", talk(user, user, entryOf("assistant", "a"), entryOf("assistant", "b"), user)), nil},
		"an empty last assistant":        {saying("m", "", talk(user, entryOf("assistant", ""))), nil},
		"a tool":                         {saying("m", "Hi", object{"tools": list{look}, "tool_choice": object{"type": "auto", "disable_parallel_tool_use": true}}), nil},
		"new tool fields":                {saying("m", "Hi", object{"tools": list{toolOf("look", object{"defer_loading": true, "input_examples": list{}, "allowed_callers": list{"direct"}, "eager_input_streaming": true})}}), nil},
		"the vendor's tools":             {saying("m", "Hi", object{"tools": list{object{"type": "web_search_20260318", "name": "web_search", "max_uses": 3}, object{"type": "bash_20250124", "name": "bash"}}}), nil},
		"a loop of two calls":            {saying("m", "", talk(user, entryOf("assistant", list{textOf("x"), callOf("a"), callOf("b")}), entryOf("user", list{resultOf("b", "2"), resultOf("a", ""), textOf("and?")}))), nil},
		"results in two entries":         {saying("m", "", talk(user, entryOf("assistant", list{callOf("a"), callOf("b")}), entryOf("user", list{resultOf("b", "2")}), entryOf("user", list{resultOf("a", "1")}))), nil},
		"an image in a result":           {saying("m", "", talk(user, entryOf("assistant", list{callOf("a")}), entryOf("user", list{resultOf("a", list{textOf("see"), imageOf("image/png", pixel)})}))), nil},
		"an image by url":                {saying("m", "", talk(entryOf("user", list{object{"type": "image", "source": object{"type": "url", "url": "https://example.com/a.png"}}}))), nil},
		"a document":                     {saying("m", "", talk(entryOf("user", list{documentOf(object{"type": "base64", "media_type": "application/pdf", "data": base64.StdEncoding.EncodeToString([]byte("%PDF-1.4"))})}))), nil},
		"a document of text":             {saying("m", "", talk(entryOf("user", list{documentOf(object{"type": "text", "media_type": "text/plain", "data": "abc"})}))), nil},
		"a file with its beta":           {saying("m", "", talk(entryOf("user", list{documentOf(object{"type": "file", "file_id": "f"})}))), []string{"Anthropic-Beta: files-api-2025-04-14"}},
		"system in the middle":           {saying("m", "", talk(user, entryOf("system", list{markedBlock(textOf("s"))}), entryOf("assistant", "a"), user, entryOf("system", "t"))), nil},
		"a beta with its field":          {saying("m", "Hi", object{"context_management": object{"edits": list{}}}), []string{"Anthropic-Beta: claude-code-20250219, context-management-2025-06-27"}},
		"a new beta with its field":      {saying("m", "Hi", object{"time_travel": true}), []string{"Anthropic-Beta: time-travel-2027-01-01"}},
		"a beta that nobody knows":       {saying("m", "Hi"), []string{"Anthropic-Beta: no-such-2027-01-01"}},
		"four marks":                     {saying("m", "Hi", ephemeral, object{"system": list{marked1h(textOf("a")), markedBlock(textOf("b")), markedBlock(textOf("c"))}}), nil},
		"thinking":                       {saying("m", "Hi", enabled), nil},
		"thinking with its temperature":  {saying("m", "Hi", enabled, object{"temperature": 1}), nil},
		"interleaved thinking":           {saying("m", "Hi", enabled, object{"max_tokens": 10}), []string{"Anthropic-Beta: interleaved-thinking-2025-05-14"}},
		"adaptive thinking without any":  {saying("m", "", object{"thinking": object{"type": "adaptive"}}, talk(user, entryOf("assistant", list{callOf("a")}), entryOf("user", list{resultOf("a", "1")}))), nil},
		"effort":                         {saying("m", "Hi", object{"output_config": object{"effort": "max"}}), nil},
		"a schema":                       {saying("m", "Hi", outputSchema(object{"type": "object", "properties": object{"a": object{"type": "array", "minItems": 1, "items": object{"type": "string", "format": "date"}}}, "required": list{"a"}, "additionalProperties": false})), nil},
		"any schema of a tool":           {saying("m", "Hi", object{"tools": list{toolOf("look", object{"input_schema": object{"type": "object", "properties": object{"n": object{"type": "integer", "minimum": 1}}}})}}), nil},
		"the new version":                {saying("m", "Hi"), []string{"Anthropic-Version: 2026-10-21"}},
		"Bearer under the new version":   {saying("m", "Hi"), []string{"Anthropic-Version: 2026-10-21", "X-Api-Key: ", "Authorization: Bearer k"}},
		"an OAuth token under the old":   {saying("m", "Hi"), []string{"X-Api-Key: ", "Authorization: Bearer sk-ant-oat01-k"}},
		"the same key twice":             {saying("m", "Hi"), []string{"Authorization: Bearer " + anthropicKey}},
		"a search result":                {saying("m", "", talk(entryOf("user", list{object{"type": "search_result", "source": "s", "title": "t", "content": list{textOf("c")}}}))), nil},
		"what server tools have done":    {saying("m", "", talk(user, entryOf("assistant", list{object{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": object{}}, object{"type": "web_search_tool_result", "tool_use_id": "s1", "content": list{}}, textOf("x")}), user)), nil},
		"a system text after it":         {saying("m", "", talk(user, entryOf("assistant", list{object{"type": "web_search_tool_result", "tool_use_id": "s1", "content": list{}}}), entryOf("system", "s"), entryOf("assistant", "x"))), nil},
		"a document of the old version":  {saying("m", "", talk(user, entryOf("assistant", list{documentOf(object{"type": "text", "media_type": "text/plain", "data": "abc"})}), user)), nil},
		"citations under the old one":    {saying("m", "", talk(entryOf("user", list{object{"type": "text", "text": "a", "citations": list{object{}}}}))), nil},
		"a pair of surrogates":           {saying("m", "👩"), nil},
		"tool choice without any choice": {saying("m", "Hi", object{"tools": list{look}, "tool_choice": object{"type": "none"}}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{})
			bothWays(t, sim, test.body, test.headers...)
			noViolations(t, sim)
		})
	}
}

// TestAnthropicRefuses is what the API does not take, in its words.
func TestAnthropicRefuses(t *testing.T) {
	t.Parallel()
	user, look := entryOf("user", "Hi"), toolOf("look")
	loop := func(results ...any) object {
		return talk(user, entryOf("assistant", list{callOf("a"), callOf("b")}), entryOf("user", results))
	}
	manyMarks := list{markedBlock(textOf("a")), markedBlock(textOf("b")), markedBlock(textOf("c")), markedBlock(textOf("d"))}
	recursive := object{"$ref": "#/$defs/n", "$defs": object{"n": object{
		"type": "object", "properties": object{"next": object{"$ref": "#/$defs/n"}}, "additionalProperties": false,
	}}}
	closed := func(property object) object {
		return object{"type": "object", "properties": object{"a": property}, "additionalProperties": false}
	}
	for name, test := range map[string]struct {
		body object
		want string
	}{
		"no model":                       {saying("m", "Hi", object{"model": nil}), "model: Field required"},
		"no messages":                    {saying("m", "Hi", object{"messages": nil}), "messages: Field required"},
		"no message":                     {saying("m", "", talk()), "messages: at least one message is required"},
		"no limit":                       {saying("m", "Hi", object{"max_tokens": nil}), "max_tokens: Field required"},
		"a limit that is no number":      {saying("m", "Hi", object{"max_tokens": "1"}), "max_tokens: Input should be a valid integer"},
		"a negative limit":               {saying("m", "Hi", object{"max_tokens": -1}), "max_tokens: Input should be greater than or equal to 0"},
		"a field of another dialect":     {saying("m", "Hi", object{"frequency_penalty": 0}), "frequency_penalty: Extra inputs are not permitted"},
		"a beta's field without it":      {saying("m", "Hi", object{"context_management": object{}}), "context_management: Extra inputs are not permitted"},
		"stop as a text":                 {saying("m", "Hi", object{"stop_sequences": "x"}), "stop_sequences: Input should be a valid list"},
		"stop at a space":                {saying("m", "Hi", object{"stop_sequences": list{" "}}), "stop_sequences: each stop sequence must contain non-whitespace"},
		"temperature":                    {saying("m", "Hi", object{"temperature": 1.5}), "temperature: range: 0..1"},
		"a stream that is no truth":      {saying("m", "Hi", object{"stream": "yes"}), "stream: Input should be a valid boolean"},
		"more metadata":                  {saying("m", "Hi", object{"metadata": object{"session": "s"}}), "metadata.session: Extra inputs are not permitted"},
		"the tool's role":                {saying("m", "", talk(user, entryOf("tool", "x"))), "messages.1.role: Input should be 'user', 'assistant' or 'system'"},
		"an assistant first":             {saying("m", "", talk(entryOf("assistant", "x"), user)), `messages: first message must use the "user" role`},
		"a name beside a role":           {saying("m", "", talk(object{"role": "user", "content": "x", "name": "n"})), "messages.0.name: Extra inputs are not permitted"},
		"no content":                     {saying("m", "", talk(object{"role": "user"})), "messages.0.content: Field required"},
		"an empty user text":             {saying("m", ""), "messages.0: user messages must have non-empty content"},
		"a blank user text":              {saying("m", "  "), "messages: text content blocks must contain non-whitespace text"},
		"an empty assistant":             {saying("m", "", talk(user, entryOf("assistant", ""), user)), "messages.1: all messages must have non-empty content except for the optional final assistant message"},
		"an empty text block":            {saying("m", "", talk(entryOf("user", list{textOf("")}))), "messages: text content blocks must be non-empty"},
		"a mark on an empty text":        {saying("m", "", talk(entryOf("user", list{markedBlock(textOf(""))}))), "cache_control cannot be set for empty text blocks"},
		"a text block without text":      {saying("m", "", talk(user, entryOf("assistant", list{object{"type": "text"}}), user)), "messages.1.content.0.text.text: Field required"},
		"a block without a type":         {saying("m", "", talk(entryOf("user", list{object{"text": "x"}}))), "messages.0.content.0.type: Field required"},
		"a block of another dialect":     {saying("m", "", talk(entryOf("user", list{object{"type": "image_url", "image_url": "x"}}))), "messages.0.content.0: Input tag 'image_url' found using 'type' does not match any of the expected tags"},
		"a field too many in a block":    {saying("m", "", talk(entryOf("user", list{object{"type": "text", "text": "x", "index": 0}}))), "messages.0.content.0.text.index: Extra inputs are not permitted"},
		"a call by a user":               {saying("m", "", talk(entryOf("user", list{callOf("a")}))), "messages.0.content.0: Input tag 'tool_use'"},
		"blanks at the end of a prefill": {saying("m", "", talk(user, entryOf("assistant", "x "))), "messages: final assistant content cannot end with trailing whitespace"},
		"system that is no text":         {saying("m", "Hi", object{"system": list{imageOf("image/png", pixel)}}), "system.0.type: Input should be 'text'"},
		"an empty system block":          {saying("m", "Hi", object{"system": list{textOf("")}}), "system: text content blocks must be non-empty"},

		"a result that is missing":   {saying("m", "", loop(resultOf("a", "1"))), "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: b. Each"},
		"text before the results":    {saying("m", "", loop(textOf("x"), resultOf("a", "1"), resultOf("b", "2"))), "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a, b. Each"},
		"text between the results":   {saying("m", "", loop(resultOf("a", "1"), textOf("x"), resultOf("b", "2"))), "immediately after: b. Each"},
		"a call at the end":          {saying("m", "", talk(user, entryOf("assistant", list{callOf("a")}))), "immediately after: a. Each"},
		"a result without its call":  {saying("m", "", talk(entryOf("user", list{resultOf("a", "1")}))), "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: a. Each"},
		"a result of another turn":   {saying("m", "", talk(user, entryOf("assistant", list{callOf("a")}), entryOf("user", list{resultOf("a", "1")}), entryOf("assistant", "x"), entryOf("user", list{resultOf("a", "1")}))), "messages.4.content.0: unexpected `tool_use_id`"},
		"two results of one call":    {saying("m", "", loop(resultOf("a", "1"), resultOf("b", "2"), resultOf("a", "3"))), "messages.2.content.2: each tool_use must have a single result. Found multiple `tool_result` blocks with id: a"},
		"two calls of one id":        {saying("m", "", talk(user, entryOf("assistant", list{callOf("a"), callOf("a")}), entryOf("user", list{resultOf("a", "1")}))), "messages.1.content.1: `tool_use` ids must be unique"},
		"an id of other characters":  {saying("m", "", talk(user, entryOf("assistant", list{callOf("a.b")}), entryOf("user", list{resultOf("a.b", "1")}))), "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"},
		"an input that is a text":    {saying("m", "", talk(user, entryOf("assistant", list{object{"type": "tool_use", "id": "a", "name": "look", "input": "{}"}}), user)), "messages.1.content.0.tool_use.input: Input should be an object"},
		"a call in a result":         {saying("m", "", loop(resultOf("a", list{callOf("x")}), resultOf("b", "2"))), "messages.2.content.0.tool_result.content.0: Input tag 'tool_use'"},
		"a tool without a schema":    {saying("m", "Hi", object{"tools": list{object{"name": "look"}}}), "tools.0.custom.input_schema: Field required"},
		"a schema of no object":      {saying("m", "Hi", object{"tools": list{toolOf("look", object{"input_schema": object{"type": "string"}})}}), "tools.0.custom.input_schema.type: Input should be 'object'"},
		"a schema without a type":    {saying("m", "Hi", object{"tools": list{toolOf("look", object{"input_schema": object{}})}}), "tools.0.custom.input_schema.type: Field required"},
		"a tool's long name":         {saying("m", "Hi", object{"tools": list{toolOf(strings.Repeat("x", 129))}}), "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"},
		"a tool's name with a dot":   {saying("m", "Hi", object{"tools": list{toolOf("a.b")}}), "tools.0.custom.name: String should match pattern"},
		"two tools of one name":      {saying("m", "Hi", object{"tools": list{look, toolOf("look")}}), "tools: Tool names must be unique."},
		"a tool of another dialect":  {saying("m", "Hi", object{"tools": list{object{"type": "function", "function": object{}}}}), "tools.0: Input tag 'function' found using 'type'"},
		"a tool field too many":      {saying("m", "Hi", object{"tools": list{toolOf("look", object{"parameters": object{}})}}), "tools.0.custom.parameters: Extra inputs are not permitted"},
		"a choice of another kind":   {saying("m", "Hi", object{"tools": list{look}, "tool_choice": object{"type": "required"}}), "tool_choice: Input tag 'required' found using 'type'"},
		"a choice as a text":         {saying("m", "Hi", object{"tools": list{look}, "tool_choice": "auto"}), "tool_choice: Input should be an object"},
		"a choice of no tools":       {saying("m", "Hi", object{"tool_choice": object{"type": "auto"}}), "tool_choice: may only be specified while providing tools"},
		"a choice that is not there": {saying("m", "Hi", object{"tools": list{look}, "tool_choice": object{"type": "tool", "name": "hear"}}), "Tool 'hear' not found in provided tools"},

		"a system text first":       {saying("m", "", talk(entryOf("system", "s"), user)), "messages.0: role 'system' is not allowed for the first message"},
		"two system texts":          {saying("m", "", talk(user, entryOf("system", "s"), entryOf("system", "t"))), "messages.1: role 'system' must be the last message or be followed by an 'assistant' message"},
		"system before a user":      {saying("m", "", talk(user, entryOf("system", "s"), user)), "messages.1: role 'system' must be the last"},
		"system after an assistant": {saying("m", "", talk(user, entryOf("assistant", "x"), entryOf("system", "s"))), "messages.2: role 'system' must follow a 'user' message"},
		"an image in system":        {saying("m", "", talk(user, entryOf("system", list{imageOf("image/png", pixel)}))), "messages.1.content.0: Input tag 'image'"},

		"an unknown media type":    {saying("m", "", talk(entryOf("user", list{imageOf("image/bmp", pixel)}))), "messages.0.content.0.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"},
		"another media type":       {saying("m", "", talk(entryOf("user", list{imageOf("image/jpeg", pixel)}))), "messages.0.content.0.image.source.base64: The image was specified using the image/jpeg media type, but the image appears to be a image/png image"},
		"no image":                 {saying("m", "", talk(entryOf("user", list{imageOf("image/png", []byte("hello"))}))), "Could not process image"},
		"a data url":               {saying("m", "", talk(entryOf("user", list{object{"type": "image", "source": object{"type": "base64", "media_type": "image/png", "data": "data:image/png;base64,AAAA"}}}))), "messages.0.content.0.image.source.base64.data: Input should be valid base64"},
		"an image by http":         {saying("m", "", talk(entryOf("user", list{object{"type": "image", "source": object{"type": "url", "url": "http://example.com/a.png"}}}))), "Only HTTPS URLs are supported."},
		"a file without its beta":  {saying("m", "", talk(entryOf("user", list{documentOf(object{"type": "file", "file_id": "f"})}))), "messages.0.content.0.document.source.file.file_id: Extra inputs are not permitted"},
		"a PDF that is none":       {saying("m", "", talk(entryOf("user", list{documentOf(object{"type": "base64", "media_type": "application/pdf", "data": "AAAA"})}))), "messages.0.content.0.document.source.base64.data: The PDF specified was not valid."},
		"an image by an assistant": {saying("m", "", talk(user, entryOf("assistant", list{imageOf("image/png", pixel)}), user)), "messages.1.content.0: Input tag 'image'"},

		"five marks":                    {saying("m", "Hi", ephemeral, object{"system": manyMarks}), "A maximum of 4 blocks with cache_control may be provided. Found 5."},
		"a mark of another length":      {saying("m", "Hi", object{"cache_control": object{"type": "ephemeral", "ttl": "2h"}}), "cache_control.ttl: Input should be '5m' or '1h'"},
		"a long mark after a short one": {saying("m", "Hi", object{"system": list{markedBlock(textOf("a")), marked1h(textOf("b"))}}), "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"},

		"a small budget":                  {saying("m", "Hi", enabled, object{"thinking": object{"type": "enabled", "budget_tokens": 1023}}), "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"},
		"no budget":                       {saying("m", "Hi", enabled, object{"thinking": object{"type": "enabled"}}), "thinking.enabled.budget_tokens: Field required"},
		"a budget over the limit":         {saying("m", "Hi", enabled, object{"max_tokens": 1024}), "`max_tokens` must be greater than `thinking.budget_tokens`."},
		"a budget of adaptive thinking":   {saying("m", "Hi", object{"thinking": object{"type": "adaptive", "budget_tokens": 2048}}), "thinking.adaptive.budget_tokens: Extra inputs are not permitted"},
		"thinking and temperature":        {saying("m", "Hi", enabled, object{"temperature": 0}), "`temperature` may only be set to 1 when thinking is enabled."},
		"thinking and top_k":              {saying("m", "Hi", enabled, object{"top_k": 5}), "`top_k` must be unset when thinking is enabled."},
		"thinking and a small top_p":      {saying("m", "Hi", enabled, object{"top_p": 0.5}), "`top_p` must be greater than or equal to 0.95 or unset"},
		"thinking and a forced tool":      {saying("m", "Hi", enabled, object{"tools": list{look}, "tool_choice": object{"type": "any"}}), "Thinking may not be enabled when tool_choice forces tool use."},
		"thinking and a prefill":          {saying("m", "", enabled, talk(user, entryOf("assistant", "x"))), "does not support assistant message prefill"},
		"a loop without thinking":         {saying("m", "", enabled, talk(user, entryOf("assistant", list{callOf("a")}), entryOf("user", list{resultOf("a", "1")}))), "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`."},
		"a longer loop without thinking":  {saying("m", "", enabled, talk(user, entryOf("assistant", list{textOf("t"), callOf("a")}), entryOf("user", list{resultOf("a", "1")}), entryOf("assistant", list{callOf("b")}), entryOf("user", list{resultOf("b", "1")}))), "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`."},
		"thinking after text":             {saying("m", "", talk(user, entryOf("assistant", list{textOf("t"), object{"type": "thinking", "thinking": "x", "signature": "y"}, textOf("t")}), user)), "messages.1.content.0: If an assistant message contains any thinking blocks, the first block must be `thinking` or `redacted_thinking`. Found `text`."},
		"thinking last":                   {saying("m", "", talk(user, entryOf("assistant", list{object{"type": "thinking", "thinking": "x", "signature": "y"}}), user)), "messages.1: The final block in an assistant message cannot be `thinking`."},
		"thinking without a signature":    {saying("m", "", talk(user, entryOf("assistant", list{object{"type": "thinking", "thinking": "x"}, textOf("t")}), user)), "messages.1.content.0.thinking.signature: Field required"},
		"effort that nobody can make":     {saying("m", "Hi", object{"output_config": object{"effort": "none"}}), "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'"},
		"an output of another form":       {saying("m", "Hi", object{"output_config": object{"format": object{"type": "json_object", "schema": object{}}}}), "output_config.format.type: Input should be 'json_schema'"},
		"an open object":                  {saying("m", "Hi", outputSchema(object{"type": "object"})), "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"},
		"a bound of a number":             {saying("m", "Hi", outputSchema(closed(object{"type": "integer", "minimum": 1, "maximum": 3}))), "output_config.format.schema: For 'integer' type, properties maximum, minimum are not supported"},
		"a text's length":                 {saying("m", "Hi", outputSchema(closed(object{"type": list{"null", "string"}, "maxLength": 3}))), "For 'string' type, properties maxLength are not supported"},
		"two items at least":              {saying("m", "Hi", outputSchema(closed(object{"type": "array", "minItems": 2}))), "For 'array' type, 'minItems' values other than 0 or 1 are not supported"},
		"unique items":                    {saying("m", "Hi", outputSchema(closed(object{"type": "array", "uniqueItems": true}))), "For 'array' type, properties uniqueItems are not supported"},
		"a format that nobody knows":      {saying("m", "Hi", outputSchema(closed(object{"type": "string", "format": "regex"}))), "For 'string' type, format 'regex' is not supported"},
		"a schema that refers to itself":  {saying("m", "Hi", outputSchema(recursive)), "Recursive schemas are not supported"},
		"one of":                          {saying("m", "Hi", outputSchema(object{"oneOf": list{object{"type": "string"}}})), "Schema keyword 'oneOf' is not supported"},
		"a strict tool of an open object": {saying("m", "Hi", strictTool(object{"type": "object"})), "tools.0.custom.input_schema: For 'object' type, 'additionalProperties' must be explicitly set to false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusedWith(t, test.body, test.want)
		})
	}
}

// refusedWith fails unless the body is refused in those words, and noted.
func refusedWith(t *testing.T, body any, want string, headers ...string) {
	t.Helper()
	sim := New(Options{})
	request := messagesRequest(t.Context(), t, "http://sim", messagesPath, body)
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	r := record(sim, request)
	got := decodeReply(t, r.all())
	if r.status != http.StatusBadRequest || got.Error.Type != "invalid_request_error" || !strings.HasPrefix(got.Error.Message, want) && !strings.Contains(got.Error.Message, want) {
		t.Errorf("got %d %s\nwant %s", r.status, r.all(), want)
	}
	if violations := sim.Ledger().Violations; len(violations) != 1 || violations[0].API != Anthropic || violations[0].Problems[0] != got.Error.Message {
		t.Errorf("violations %+v", violations)
	}
}

// TestAnthropicNewVersion is what only 2026-10-21 refuses.
func TestAnthropicNewVersion(t *testing.T) {
	t.Parallel()
	user := entryOf("user", "Hi")
	for name, test := range map[string]struct {
		body object
		want string
	}{
		"temperature":             {saying("m", "Hi", object{"temperature": 1}), "temperature: Extra inputs are not permitted"},
		"top_p":                   {saying("m", "Hi", object{"top_p": 1}), "top_p: Extra inputs are not permitted"},
		"top_k":                   {saying("m", "Hi", object{"top_k": 1}), "top_k: Extra inputs are not permitted"},
		"an assistant's document": {saying("m", "", talk(user, entryOf("assistant", list{documentOf(object{"type": "text", "media_type": "text/plain", "data": "abc"})}), user)), "messages.1.content.0: `document` blocks are not permitted in assistant messages"},
		"a user's citations":      {saying("m", "", talk(entryOf("user", list{object{"type": "text", "text": "a", "citations": list{object{}}}}))), "messages.0.content.0.text.citations: citations are not permitted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusedWith(t, test.body, test.want, "Anthropic-Version: "+newVersion)
			bothWays(t, New(Options{}), test.body)
		})
	}
}

func TestAnthropicRefusesWhatIsNotJSON(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, want string }{
		"half":              {`{"model":`, "The request body is not valid JSON: "},
		"two":               {`{} {}`, "The request body is not valid JSON: unexpected text after the value"},
		"bytes":             {"{\"model\":\"\xff\"}", "The request body is not valid JSON: invalid utf-8"},
		"half a pair":       {`{"a":"\\\ud83d"}`, "The request body is not valid JSON: no low surrogate in string: line 1 column 9 (char 8)"},
		"halves":            {`{"a":"\ud83d\ud83d\ude00"}`, "no low surrogate"},
		"the second half":   {`{"a":"\ude00"}`, "no low surrogate"},
		"a list":            {`[]`, "Input should be an object"},
		"an escaped escape": {`{"a":"\\ud83d"}`, "max_tokens: Field required"},
		"a whole pair":      {`{"a":"\ud83d\ude00"}`, "max_tokens: Field required"},
		"depth":             {strings.Repeat("[", 300) + strings.Repeat("]", 300), "nested too deep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusedWith(t, []byte(test.body), test.want)
		})
	}
}

func TestAnthropicRefusesBodiesOver32MB(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	body := []byte(`{"model":"` + strings.Repeat("x", maxBody) + `"}`)
	r := record(sim, messagesRequest(t.Context(), t, "http://sim", messagesPath, body))
	if got := decodeReply(t, r.all()); r.status != http.StatusRequestEntityTooLarge || got.Error.Type != "request_too_large" {
		t.Errorf("got %d %s", r.status, r.all())
	}
}

// TestAnthropicRefusesHeaders is about what comes before the body.
func TestAnthropicRefusesHeaders(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*http.Request)
		status int
		want   string
	}{
		"no key":                   {func(r *http.Request) { r.Header.Del("X-Api-Key") }, 401, "x-api-key header is required"},
		"two keys":                 {func(r *http.Request) { r.Header.Set("Authorization", "Bearer other") }, 401, "only one of"},
		"two keys in one header":   {func(r *http.Request) { r.Header.Add("X-Api-Key", "other") }, 401, "only one of"},
		"a key as a Bearer":        {func(r *http.Request) { r.Header.Del("X-Api-Key"); r.Header.Set("Authorization", "Bearer k") }, 401, "Invalid bearer token"},
		"a key that nobody has":    {func(r *http.Request) { r.Header.Set("X-Api-Key", "unknown") }, 401, "invalid x-api-key"},
		"no version":               {func(r *http.Request) { r.Header.Del("Anthropic-Version") }, 400, "anthropic-version: header is required"},
		"a version of another day": {func(r *http.Request) { r.Header.Set("Anthropic-Version", "2024-01-01") }, 400, `anthropic-version: "2024-01-01" is not a valid version`},
		"a browser":                {func(r *http.Request) { r.Header.Set("Origin", "https://example.com") }, 401, "CORS requests are not allowed"},
		"a form":                   {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 400, "content-type"},
		"another method":           {func(r *http.Request) { r.Method = http.MethodPut }, 405, "Method Not Allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := messagesRequest(t.Context(), t, "http://sim", messagesPath, saying("m", "Hi"))
			test.change(r)
			got := record(New(Options{Tokens: []string{anthropicKey, "k", "other"}}), r)
			if failure := decodeReply(t, got.all()); got.status != test.status || !strings.Contains(failure.Error.Message, test.want) {
				t.Errorf("got %d %s", got.status, got.all())
			}
		})
	}
}

// FuzzAnthropicBody holds that any body is answered, and that what is refused is noted.
func FuzzAnthropicBody(f *testing.F) {
	for _, body := range []object{
		saying("m", "Hi"), saying("sim-tool-call", "Hi", object{"tools": list{toolOf("look")}}),
		saying("m", "Hi", outputSchema(object{"type": "object", "additionalProperties": false})), saying("m", "", talk(entryOf("system", "x"))),
	} {
		f.Add(mustJSON(f, body))
	}
	f.Add([]byte(`{"a":"\ud83d"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		sim := New(Options{})
		if bytes.Contains(body, []byte("sim-")) {
			t.Skip("some scenarios wait")
		}
		r := record(sim, messagesRequest(t.Context(), t, "http://sim", messagesPath, body))
		if noted := sim.Ledger().Total.Violations; r.status == http.StatusBadRequest && noted == 0 && !bytes.Contains(r.all(), []byte("Invalid `")) {
			t.Errorf("%s: %s", body, r.all())
		}
	})
}

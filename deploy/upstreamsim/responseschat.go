package upstreamsim

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
)

// namespaceMark stands between a namespace and a name where the request is read as a chat.
const namespaceMark = "\x00"

// rawOf is a value as JSON.
func rawOf(n *node) json.RawMessage {
	if n.kind == stringKind {
		return jsonOf(n.text)
	}
	return n.raw
}

// readAsChat makes the chat request whose reply is wanted: an item is a message.
func (c *responsesCall) readAsChat() {
	r := &c.request
	r.Model, r.manners, r.Stream = c.asked.get("model").string(), mannersOf(c.asked.get("model").string()), c.streaming()
	if text := c.asked.get("instructions"); text != nil {
		r.Messages = append(r.Messages, message{Role: "system", Content: content{form: textContent, text: text.string()}})
	}
	for _, item := range c.items {
		r.Messages = append(r.Messages, c.messageOf(item))
	}
	r.Tools = toolsOf(c.asked.get("tools").list(), "")
	c.readChoice()
	if limit := c.asked.get("max_output_tokens"); limit != nil {
		most := limit.integer()
		r.MaxCompletionTokens = &most
	}
	if parallel := c.asked.get("parallel_tool_calls"); parallel != nil {
		wanted := parallel.isTrue()
		r.ParallelToolCalls = &wanted
	}
	if format := c.asked.get("text").get("format"); format != nil {
		r.ResponseFormat = &responseFormat{Type: format.get("type").string()}
		if r.ResponseFormat.Type == "json_schema" {
			_ = json.Unmarshal(jsonOf(jsonBody{"json_schema": json.RawMessage(format.raw)}), r.ResponseFormat) // it has been checked
		}
	}
	c.format = newChunkFormat(c.number, c.sim.options.Now(), r)
	wish := c.asked.get("reasoning")
	c.summary = wish.get("summary") != nil || wish.get("generate_summary") != nil
}

// reasons tells whether the request asks for reasoning.
func (c *responsesCall) reasons() bool {
	wish := c.asked.get("reasoning")
	effort := wish.get("effort").string()
	return effort != "none" && (effort != "" || c.summary)
}

func (c *responsesCall) messageOf(item *node) message {
	switch kind := item.get("type").string(); kind {
	case "function_call", "custom_tool_call":
		name, arguments := item.get("name").string(), item.get("arguments").string()+item.get("input").string()
		m := message{Role: "assistant", ToolCalls: make([]toolCall, 1)}
		_ = json.Unmarshal(jsonOf(jsonBody{
			"id": item.get("call_id").string(), "type": "function", "function": jsonBody{"name": name, "arguments": arguments},
		}), &m.ToolCalls[0]) // it is written here
		return m
	case "function_call_output", "custom_tool_call_output":
		id := item.get("call_id").string()
		return message{Role: "tool", ToolCallID: &id, Content: itemContent(item.get("output"))}
	case "reasoning":
		var texts []string
		for _, part := range append(item.get("content").list(), item.get("summary").list()...) {
			texts = append(texts, part.get("text").string())
		}
		thought := strings.Join(texts, "\n")
		if sealed := c.opened(item); sealed != "" {
			thought = sealed
		}
		return message{Role: "assistant", ReasoningContent: &thought}
	case "", "message":
		return message{Role: item.get("role").string(), Content: itemContent(item.get("content"))}
	default:
		return message{Role: "assistant"}
	}
}

// itemContent reads a text or parts.
func itemContent(n *node) content {
	if n == nil || n.kind == stringKind {
		return content{form: textContent, text: n.string()}
	}
	read := content{form: partsContent}
	var texts []string
	for _, p := range n.list() {
		var chat jsonBody
		switch p.get("type").string() {
		case "input_image":
			chat = jsonBody{"type": "image_url", "image_url": jsonBody{"url": p.get("image_url").string() + p.get("file_id").string()}}
		case "input_file":
			chat = fileOf(p)
		case "input_audio":
			chat = jsonBody{"type": "input_audio", "input_audio": json.RawMessage(p.get("input_audio").raw)}
		default:
			text := p.get("text").string() + p.get("refusal").string()
			chat = jsonBody{"type": "text", "text": text}
			texts = append(texts, text)
		}
		var part part
		_ = json.Unmarshal(jsonOf(chat), &part) // it is written here
		read.parts = append(read.parts, part)
	}
	read.text = strings.Join(texts, "\n")
	return read
}

// fileOf is a file as in a chat; one that is not here counts by its address.
func fileOf(p *node) jsonBody {
	file := jsonBody{"filename": p.get("filename").string()}
	if data := p.get("file_data"); data != nil {
		file["file_data"] = data.text
	} else {
		file["file_id"] = p.get("file_url").string() + p.get("file_id").string()
	}
	return jsonBody{"type": "file", "file": file}
}

// toolsOf are the tools that can be called, those of namespaces too.
func toolsOf(tools []*node, namespace string) []tool {
	var all []tool
	for _, t := range tools {
		name := namespace + t.get("name").string()
		switch t.get("type").string() {
		case "function":
			read := &function{Name: &name}
			if parameters := t.get("parameters"); parameters != nil {
				read.Parameters = parameters.raw
			}
			all = append(all, tool{Type: "function", Function: read})
		case "custom":
			read := tool{Type: "custom"}
			_ = json.Unmarshal(jsonOf(jsonBody{"custom": jsonBody{"name": name}}), &read) // it is written here
			all = append(all, read)
		case "namespace":
			all = append(all, toolsOf(t.get("tools").list(), name+namespaceMark)...)
		}
	}
	return all
}

// readChoice reads which tools are to be called.
func (c *responsesCall) readChoice() {
	choice := c.asked.get("tool_choice")
	switch kind := choice.get("type").string(); {
	case choice == nil:
	case choice.kind == stringKind:
		c.request.choice.mode = choice.text
	case kind == "function" || kind == "custom":
		c.request.choice = toolChoice{mode: "required", name: c.fullName(choice.get("name").string())}
	case kind == "allowed_tools":
		c.request.choice = toolChoice{mode: choice.get("mode").string(), allowed: []string{}}
		for _, allowed := range choice.get("tools").list() {
			c.request.choice.allowed = append(c.request.choice.allowed, c.fullName(allowed.get("name").string()))
		}
	}
}

// fullName is a tool's name with its namespace.
func (c *responsesCall) fullName(name string) string {
	for _, tool := range c.request.Tools {
		if full := tool.name(); full == name || strings.HasSuffix(full, namespaceMark+name) {
			return full
		}
	}
	return name
}

// cachedItems is cachedTokens for items: the tools and the instructions come first.
func (c *responsesCall) cachedItems() int {
	hash := sha256.New()
	_, _ = hash.Write([]byte(string(OpenAIResponses) + c.entry.account.hash)) // it never fails
	var parts []*node
	for _, first := range []*node{c.asked.get("tools"), c.asked.get("instructions")} {
		if first != nil {
			parts = append(parts, first)
		}
	}
	heads := len(parts)
	if c.asked.get("tools") != nil {
		heads-- // tools are no message
	}
	now, cache := c.sim.options.Now(), &c.entry.book.prompts
	cache.mu.Lock()
	defer cache.mu.Unlock()
	known := 0
	for i, item := range append(parts, c.items...) {
		item.hash(hash)
		_, _ = hash.Write([]byte{0}) // between items
		sum := [sha256.Size]byte(hash.Sum(nil))
		if prefix, found := cache.prefixes[sum]; found && now.Before(prefix.expires) {
			end := max(i+1-len(parts)+heads, 0)
			known = (&completionRequest{Tools: c.request.Tools, Messages: c.request.Messages[:end]}).promptTokens()
		}
		cache.write(sum, shortLife, now)
	}
	return known
}

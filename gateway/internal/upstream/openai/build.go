package openai

import (
	"bytes"
	"slices"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

// building makes the body of a request of another dialect out of its canonical form.
type building struct {
	writer
	*quirks
	naming
	req  *chat.Request
	call *upstream.Call
}

// build renders a request of another dialect from its canonical form.
func (d *Driver) build(call *upstream.Call, names naming) []byte {
	b := building{quirks: &d.settings.quirks, naming: names, req: call.Request, call: call}
	b.dst = append(make([]byte, 0, len(b.req.Source.JSON)+1024), '{')
	b.member("model")
	b.string(call.Model)
	b.messages()
	b.tools()
	b.wishes()
	b.output()
	b.identity()
	if b.req.Stream {
		b.raw(`,"stream":true`)
		if d.settings.includeUsage {
			b.raw(`,"stream_options":{"include_usage":true}`)
		}
	}
	return append(b.dst, '}')
}

// anyObject is the schema of a tool that takes nothing.
const anyObject = `{"type":"object","properties":{}}`

// tools writes the tools and the rule for calling them. Those that another provider runs
// are left out: a request whose answer depends on them does not come here.
func (b *building) tools() {
	rule := b.req.ToolChoice
	only := rule.Names
	if rule.Mode == chat.ToolsRequired && len(only) == 1 {
		only = nil // the rule says it
	}
	began := false
	for i := range b.req.Tools {
		tool := &b.req.Tools[i]
		if tool.Kind == chat.Hosted || len(only) > 0 && !slices.Contains(only, tool.Name) {
			continue
		}
		if !began {
			began = true
			b.member("tools")
			b.raw("[")
		}
		b.element()
		b.tool(tool)
	}
	if !began { // and upstreams refuse rules for none
		return
	}
	b.raw("]")
	b.toolChoice(rule)
	b.truth("parallel_tool_calls", b.req.ParallelCalls)
}

func (b *building) tool(tool *chat.ToolSpec) {
	if tool.Kind == chat.Custom {
		b.customTool(tool)
		return
	}
	b.raw(`{"type":"function","function":{`)
	b.member("name")
	b.string(b.toolName(tool.Name))
	b.text("description", tool.Description)
	b.member("parameters")
	b.schema(tool.Schema)
	b.truth("strict", tool.Strict)
	b.raw("}}")
}

// schema writes that of a tool. The API refuses one that does not say its properties, though
// there are none.
func (b *building) schema(schema []byte) {
	s := rawjson.Over(schema)
	members, said := 0, false
	for ok := s.Object(); ok; ok = s.Member() {
		members++
		said = said || string(s.Key()) == "properties"
		s.Skip()
	}
	brace := s.Pos() - 1
	switch {
	case said:
		b.bytes(schema)
	case s.End() != nil || members == 0:
		b.raw(anyObject)
	default:
		b.bytes(bytes.TrimRight(schema[:brace], " \t\r\n"))
		b.raw(`,"properties":{}}`)
	}
}

// customTool writes a tool that takes free text: in the client's words, if they are in this
// dialect.
func (b *building) customTool(tool *chat.ToolSpec) {
	if tool.Own != nil && tool.Own.Dialect == dialect && b.toolName(tool.Name) == tool.Name {
		b.bytes(tool.Own.JSON)
		return
	}
	b.raw(`{"type":"custom","custom":{`)
	b.member("name")
	b.string(b.toolName(tool.Name))
	b.text("description", tool.Description)
	if syntax, grammar := upstream.GrammarOf(tool); grammar != "" {
		b.member("format")
		b.raw(`{"type":"grammar","grammar":{`)
		b.text("syntax", syntax)
		b.text("definition", grammar)
		b.raw("}}")
	}
	b.raw("}}")
}

// toolChoice writes the rule. One that names several tools is kept by listing no others.
func (b *building) toolChoice(rule chat.ToolChoice) {
	switch {
	case rule.Mode == chat.ToolsRequired && len(rule.Names) == 1:
		kind := b.kindOf(rule.Names[0])
		b.member("tool_choice")
		b.raw(`{"type":"` + kind + `","` + kind + `":{"name":`)
		b.string(b.toolName(rule.Names[0]))
		b.raw("}}")
	default:
		b.text("tool_choice", string(rule.Mode))
	}
}

// kindOf is the kind of the tool of that name, as the API calls it.
func (b *building) kindOf(name string) string {
	for i := range b.req.Tools {
		if tool := &b.req.Tools[i]; tool.Name == name && tool.Kind == chat.Custom {
			return "custom"
		}
	}
	return "function"
}

// wishes writes what bounds the answer and what shifts how it is found.
func (b *building) wishes() {
	if limit := b.req.MaxTokens; limit > 0 && b.carries(chat.OutputLimit) {
		if b.limitMax > 0 {
			limit = min(limit, b.limitMax)
		}
		b.integer(b.limitField, int64(limit))
	}
	if len(b.req.Stop) > 0 && b.carries(chat.StopTexts) {
		b.member("stop")
		b.raw("[")
		for _, text := range b.req.Stop {
			b.element()
			b.string(text)
		}
		b.raw("]")
	}
	if b.samples(b.call.Model) {
		b.sampled()
	}
	b.text("reasoning_effort", string(b.effort(b.call.Model, b.req.Thinking)))
	b.text("verbosity", b.req.Verbosity)
	b.text("service_tier", b.tier())
}

func (b *building) sampled() {
	sampling := &b.req.Sampling
	b.number("temperature", sampling.Temperature)
	b.number("top_p", sampling.TopP)
	b.number("presence_penalty", sampling.PresencePenalty)
	b.number("frequency_penalty", sampling.FrequencyPenalty)
	if sampling.Seed != nil {
		b.integer("seed", *sampling.Seed)
	}
	if sampling.TopK != nil && b.sampling == always {
		b.integer("top_k", int64(*sampling.TopK))
	}
	if sampling.LogitBias != nil {
		b.member("logit_bias")
		b.bytes(sampling.LogitBias)
	}
}

// tier is the upstream's word for the client's; empty: it has none.
func (b *building) tier() string {
	if !b.official {
		return ""
	}
	switch tier := b.req.ServiceTier; tier {
	case "auto", "default", "flex", "priority", "scale":
		return tier
	case "standard_only":
		return "default"
	default:
		return ""
	}
}

// schemaName is the name of a schema that the client has given none.
const schemaName = "answer"

// output writes the form that the answer is to have.
func (b *building) output() {
	output := &b.req.Output
	switch output.Form {
	case chat.JSONOutput:
		b.member("response_format")
		b.raw(`{"type":"json_object"}`)
	case chat.SchemaOutput:
		b.member("response_format")
		b.raw(`{"type":"json_schema","json_schema":{`)
		b.member("name")
		if output.Name == "" {
			b.string(schemaName)
		} else {
			b.string(output.Name)
		}
		b.text("description", output.Description)
		if output.Schema != nil {
			b.member("schema")
			b.bytes(output.Schema)
		}
		b.truth("strict", output.Strict)
		b.raw("}}")
	case chat.TextOutput:
	}
}

// identity writes who asks, and what belongs together. What is longer than the API takes is
// told apart by a hash.
func (b *building) identity() {
	if b.user {
		b.text("user", shortened(b.req.User, maxIdentity))
	}
	if b.cacheKey {
		b.text("prompt_cache_key", shortened(b.req.Session, maxIdentity))
	}
}

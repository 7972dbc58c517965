package anthropic

import (
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

// maxToolName bounds the name of a tool, in bytes.
const maxToolName = 128

// builder writes a request of another dialect from its canonical form.
type builder struct {
	settings *settings
	request  *chat.Request
	model    modelFacts
	names    *upstream.ToolNames
	// withoutSeals: thoughts of earlier turns are left out.
	withoutSeals bool

	system []chat.Part
	turns  []turn
	// toolSpecs are the tools that are sent.
	toolSpecs []chat.ToolSpec
	// marked: the client itself has said what is worth keeping.
	marked bool
	dst    []byte
}

// build renders a request of another dialect.
func (d *Driver) build(call *upstream.Call, names *upstream.ToolNames) []byte {
	b := builder{
		settings: &d.settings, request: call.Request, model: factsOf(call.Model), withoutSeals: call.WithoutSeals,
		names: names,
	}
	b.converse()
	b.toolSpecs = b.tools()
	b.limitMarks()
	b.dst = append(make([]byte, 0, 1024), `{"model":`...)
	b.dst = rawjson.AppendString(b.dst, call.Model)
	limit := b.limit()
	thinking := b.thinking(limit)
	b.field("max_tokens")
	b.dst = strconv.AppendInt(b.dst, int64(limit), 10)
	b.writeSystem()
	b.field("messages")
	b.writeTurns()
	b.writeTools()
	b.writeToolChoice()
	thinking.write(&b)
	b.writeOutputConfig(thinking.effort)
	b.writeStops()
	if b.settings.sampling && !thinking.on() {
		b.writeSampling()
	}
	if user := b.request.User; user != "" {
		b.field("metadata")
		b.dst = append(b.dst, `{"user_id":`...)
		b.dst = rawjson.AppendString(b.dst, user)
		b.dst = append(b.dst, '}')
	}
	b.writeCache()
	if b.request.Stream {
		b.dst = append(b.dst, `,"stream":true`...)
	}
	return append(b.dst, '}')
}

// field begins a member.
func (b *builder) field(name string) {
	b.dst = append(b.dst, `,"`...)
	b.dst = append(b.dst, name...)
	b.dst = append(b.dst, `":`...)
}

// limit is the bound of the answer, which the API wants to be told: the model's maximum, since
// a smaller one would cut answers.
func (b *builder) limit() int {
	switch {
	case b.request.MaxTokens > 0:
		return b.request.MaxTokens
	case b.settings.maxTokens > 0:
		return b.settings.maxTokens
	}
	return b.model.maxTokens
}

// jsonWish is what a model is told that is to answer in JSON of any form: the API has no
// field for it.
const jsonWish = "Answer with one JSON object and nothing else: no words around it, no code fence."

func (b *builder) writeSystem() {
	if b.request.Output.Form == chat.JSONOutput {
		b.system = append(b.system, chat.Part{Text: jsonWish})
	}
	if len(b.system) == 0 {
		return
	}
	b.field("system")
	b.dst = append(b.dst, '[')
	for i := range b.system {
		if i > 0 {
			b.dst = append(b.dst, ',')
		}
		b.dst = appendText(b.dst, b.system[i].Text, b.system[i].Cache)
	}
	b.dst = append(b.dst, ']')
}

func (b *builder) writeStops() {
	var stops []string
	for _, stop := range b.request.Stop {
		if strings.TrimSpace(stop) != "" { // the API takes no others; the gateway keeps them itself
			stops = append(stops, stop)
		}
	}
	if len(stops) == 0 {
		return
	}
	b.field("stop_sequences")
	b.dst = append(b.dst, '[')
	for i, stop := range stops {
		if i > 0 {
			b.dst = append(b.dst, ',')
		}
		b.dst = rawjson.AppendString(b.dst, stop)
	}
	b.dst = append(b.dst, ']')
}

// writeSampling writes what shifts how the answer is found. Temperatures end at 1 here.
func (b *builder) writeSampling() {
	sampling := &b.request.Sampling
	if temperature := sampling.Temperature; temperature != nil {
		b.field("temperature")
		b.dst = strconv.AppendFloat(b.dst, min(max(*temperature, 0), 1), 'g', -1, 64)
	} else if sampling.TopP != nil { // newer models take one of the two
		b.field("top_p")
		b.dst = strconv.AppendFloat(b.dst, min(max(*sampling.TopP, 0), 1), 'g', -1, 64)
	}
	if sampling.TopK != nil && *sampling.TopK > 0 {
		b.field("top_k")
		b.dst = strconv.AppendInt(b.dst, int64(*sampling.TopK), 10)
	}
}

// writeCache has the upstream keep what goes on: a conversation, or one with tools. A single
// question is not asked again.
func (b *builder) writeCache() {
	goesOn := len(b.turns) > 1 || b.offers()
	switch {
	case b.request.Cache != nil:
		b.dst = appendCache(b.dst, b.request.Cache)
	case b.settings.cache && !b.marked && goesOn:
		b.dst = appendCache(b.dst, &chat.CacheMark{})
	}
}

// appendCache appends a mark as a member behind others.
func appendCache(dst []byte, mark *chat.CacheMark) []byte {
	if mark == nil {
		return dst
	}
	dst = append(dst, `,"cache_control":{"type":"ephemeral"`...)
	if mark.TTL == "5m" || mark.TTL == "1h" {
		dst = append(dst, `,"ttl":"`...)
		dst = append(dst, mark.TTL...)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

func appendText(dst []byte, text string, mark *chat.CacheMark) []byte {
	dst = append(dst, `{"type":"text","text":`...)
	dst = rawjson.AppendString(dst, text)
	dst = appendCache(dst, mark)
	return append(dst, '}')
}

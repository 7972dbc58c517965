package anthropic

import (
	"slices"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// noArguments is the schema of a tool that takes none.
const noArguments = `{"type":"object","properties":{}}`

// tools are those that may be called. Where the request has none and its history has calls,
// those are named: the API wants each tool to be known.
func (b *builder) tools() []chat.ToolSpec {
	if b.offers() {
		return b.allowedTools()
	}
	var tools []chat.ToolSpec
	known := map[string]bool{}
	for i := range b.turns {
		for _, part := range b.turns[i].parts {
			if part.Call != nil && !known[part.Call.Name] {
				known[part.Call.Name] = true
				tools = append(tools, chat.ToolSpec{Kind: chat.Function, Name: part.Call.Name})
			}
		}
	}
	return tools
}

// offers tells whether the request has a tool that can be offered here.
func (b *builder) offers() bool { return slices.ContainsFunc(b.request.Tools, isOffered) }

// isOffered tells whether this API has a place for a tool: one that another vendor runs has none.
func isOffered(tool chat.ToolSpec) bool { return tool.Kind != chat.Hosted }

// allowedTools are those of the request without the ones that the client rules out. Where a
// single one must be called, the rule for calls names it, and all stay.
func (b *builder) allowedTools() []chat.ToolSpec {
	choice := b.request.ToolChoice
	all := len(choice.Names) == 0 || choice.Mode == chat.ToolsRequired && len(choice.Names) == 1
	return slices.DeleteFunc(slices.Clone(b.request.Tools), func(tool chat.ToolSpec) bool {
		return !isOffered(tool) || !all && !slices.Contains(choice.Names, tool.Name)
	})
}

func (b *builder) writeTools() {
	tools := b.toolSpecs
	if len(tools) == 0 {
		return
	}
	b.field("tools")
	b.dst = append(b.dst, '[')
	for i := range tools {
		if i > 0 {
			b.dst = append(b.dst, ',')
		}
		b.writeTool(&tools[i])
	}
	b.dst = append(b.dst, ']')
}

func (b *builder) writeTool(tool *chat.ToolSpec) {
	b.dst = append(b.dst, `{"name":`...)
	b.dst = rawjson.AppendString(b.dst, b.names.Sent(tool.Name))
	if tool.Description != "" {
		b.dst = append(b.dst, `,"description":`...)
		b.dst = rawjson.AppendString(b.dst, tool.Description)
	}
	strict := tool.Strict != nil && *tool.Strict
	b.dst = append(b.dst, `,"input_schema":`...)
	switch {
	case len(tool.Schema) == 0:
		b.dst = append(b.dst, noArguments...)
	case strict:
		b.dst = appendPlainSchema(b.dst, tool.Schema)
	default:
		b.dst = appendObjectSchema(b.dst, tool.Schema)
	}
	if strict {
		b.dst = append(b.dst, `,"strict":true`...)
	}
	b.dst = append(appendCache(b.dst, tool.Cache), '}')
}

// writeToolChoice writes the rule for calls, also where the client has said nothing but that
// one at a time is enough.
func (b *builder) writeToolChoice() {
	choice := b.request.ToolChoice
	if !b.offers() {
		if len(b.toolSpecs) > 0 { // they are history
			b.dst = append(b.dst, `,"tool_choice":{"type":"none"}`...)
		}
		return
	}
	single := b.request.ParallelCalls != nil && !*b.request.ParallelCalls
	if choice.Mode == "" && !single {
		return
	}
	b.field("tool_choice")
	switch {
	case choice.Mode == chat.ToolsNone:
		b.dst = append(b.dst, `{"type":"none"}`...)
		return
	case choice.Mode == chat.ToolsRequired && len(choice.Names) == 1:
		b.dst = append(b.dst, `{"type":"tool","name":`...)
		b.dst = rawjson.AppendString(b.dst, b.names.Sent(choice.Names[0]))
	case choice.Mode == chat.ToolsRequired:
		b.dst = append(b.dst, `{"type":"any"`...)
	default:
		b.dst = append(b.dst, `{"type":"auto"`...)
	}
	if single {
		b.dst = append(b.dst, `,"disable_parallel_tool_use":true`...)
	}
	b.dst = append(b.dst, '}')
}

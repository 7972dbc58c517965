package prompt

import (
	"encoding/json"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// Provider is who the client's tools belong to, for the upstream.
const Provider = "carousel"

const (
	// maxToolName is in bytes. Models are shown mcp_carousel_<name>, of which some makers take
	// 64 bytes.
	maxToolName = 64 - len("mcp_"+Provider+"_")
	// maxDescription is of a tool, in bytes. What is longer is cut.
	maxDescription = 1 << 10
)

// Tools are the client's, as the upstream knows them. The zero value has none.
type Tools struct {
	declared []*agentv1.McpToolDefinition
	known    map[string]tool
}

// tool is what the client calls it, and whether it takes free text.
type tool struct {
	name   string
	custom bool
}

// Declared are the definitions, in the client's order. Nobody changes them.
func (t Tools) Declared() []*agentv1.McpToolDefinition { return t.declared }

// Find is the client's tool that the upstream's model calls. A custom one's text is in its
// arguments, as upstream.WrapFreeTool has it. The name may come with the provider's or without.
func (t Tools) Find(args *agentv1.McpArgs) (name string, custom, ok bool) {
	if provider := args.GetProviderIdentifier(); provider != "" && provider != Provider {
		return "", false, false
	}
	full := args.GetName()
	for _, each := range []string{
		args.GetToolName(), strings.TrimPrefix(full, declaredName("")), strings.TrimPrefix(full, "mcp_"+Provider+"_"), full,
		strings.TrimPrefix(args.GetToolName(), declaredName("")),
	} {
		if found, known := t.known[each]; known {
			return found.name, found.custom, true
		}
	}
	return "", false, false
}

// declaredName is a tool's name with its provider's.
func declaredName(sent string) string { return Provider + "-" + sent }

// declare defines the tools that may be called.
func declare(request *chat.Request, names *upstream.ToolNames) Tools {
	tools := Tools{known: map[string]tool{}}
	if request.ToolChoice.Mode == chat.ToolsNone {
		return tools
	}
	for i := range request.Tools {
		spec := &request.Tools[i]
		sent := names.Sent(spec.Name)
		_, known := tools.known[sent]
		if known || spec.Kind == chat.Hosted || !allowed(request, spec.Name) {
			continue
		}
		tools.known[sent] = tool{spec.Name, spec.Kind == chat.Custom}
		taken := upstream.WrapFreeTool(spec)
		tools.declared = append(tools.declared, &agentv1.McpToolDefinition{
			Name:               declaredName(sent),
			Description:        chat.Cut(valid(taken.Description), maxDescription),
			InputSchema:        schemaOf(taken.Schema),
			ProviderIdentifier: Provider,
			ToolName:           sent,
		})
	}
	return tools
}

func allowed(request *chat.Request, name string) bool {
	only := request.ToolChoice.Names
	return len(only) == 0 || slices.Contains(only, name)
}

// schemaOf is the schema of a tool's arguments, as far as the upstream takes it. The client
// keeps its own, and judges arguments by that.
func schemaOf(source []byte) *structpb.Value {
	var schema map[string]any
	if json.Unmarshal(source, &schema) != nil {
		schema = nil
	}
	value, err := structpb.NewValue(ofObject(schema))
	if err != nil {
		value = structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"type": structpb.NewStringValue("object")}})
	}
	return value
}

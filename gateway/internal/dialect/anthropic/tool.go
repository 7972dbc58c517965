package anthropic

import (
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// toolList is what is known of a request's tools before all of it has been read.
type toolList struct {
	functions int
	// hosted is where the first tool stands that the vendor runs, or has the schema of.
	hosted string
}

func (d *decoder) toolList() error {
	d.req.Tools, d.tools = nil, toolList{}
	if d.null() {
		return nil
	}
	return d.array(tools.name, func(i int) error {
		at := in(tools, i)
		start := d.s
		tool, err := d.tool(at)
		if err != nil || d.s.Failed() {
			return err
		}
		if tool.Kind == chat.Hosted {
			tool.Own = &chat.Opaque{Dialect: Dialect, Type: tool.Own.Type, JSON: start.Skip()}
			if d.tools.hosted == "" {
				d.tools.hosted = at.String()
			}
		} else {
			d.tools.functions++
		}
		d.req.Tools = append(d.req.Tools, tool)
		return nil
	})
}

// tool consumes one. Members that it does not know are left to the vendor: they say how a
// tool is shown to the model, and when.
func (d *decoder) tool(at place) (chat.ToolSpec, error) {
	spec := chat.ToolSpec{Kind: chat.Function}
	kind := ""
	err := d.object(at.String, func(key []byte) (err error) {
		switch string(key) {
		case "type":
			kind, err = d.optional(at, "type")
		case "name":
			spec.Name, err = d.text(at, "name")
		case "description":
			spec.Description, err = d.optional(at, "description")
		case "input_schema":
			if d.s.Kind() != rawjson.Object {
				return d.mismatch(at.field("input_schema"), anObject)
			}
			spec.Schema = rawjson.Mended(d.s.Skip())
		case "strict":
			spec.Strict, err = d.flag(at, "strict")
		case "cache_control":
			spec.Cache = d.cacheMark()
		default:
			d.s.Skip()
		}
		return err
	})
	switch {
	case err != nil:
		return spec, err
	case kind != "" && kind != "custom":
		spec.Kind, spec.Own = chat.Hosted, &chat.Opaque{Type: chat.Cut(kind, longestWord)}
		return spec, nil
	case spec.Name == "":
		return spec, d.missing(at, "name")
	case spec.Schema == nil:
		return spec, d.missing(at, "input_schema")
	}
	return spec, nil
}

const choiceField = "tool_choice"

func (d *decoder) toolChoice() error {
	d.req.ToolChoice, d.req.ParallelCalls = chat.ToolChoice{}, nil
	if d.null() {
		return nil
	}
	var kind, name string
	var alone *bool
	err := d.object(func() string { return choiceField }, func(key []byte) (err error) {
		switch string(key) {
		case "type":
			kind, err = d.word(choiceField + ".type")
		case "name":
			name, err = d.word(choiceField + ".name")
		case "disable_parallel_tool_use":
			alone, err = d.boolean(choiceField + ".disable_parallel_tool_use")
		default:
			d.s.Skip()
		}
		return err
	})
	if err != nil || d.s.Failed() {
		return err
	}
	if alone != nil {
		parallel := !*alone
		d.req.ParallelCalls = &parallel
	}
	choice := &d.req.ToolChoice
	switch kind {
	case "":
		return invalid(choiceField+".type", required)
	case "auto":
		choice.Mode = chat.ToolsAuto
	case "none":
		choice.Mode = chat.ToolsNone
	case "any":
		choice.Mode = chat.ToolsRequired
	case "tool":
		if name == "" {
			return invalid(choiceField+".name", required)
		}
		choice.Mode, choice.Names = chat.ToolsRequired, []string{name}
	default:
		d.note(choiceField, chat.Unclear)
	}
	return nil
}

// askForTools notes what the tools ask of an upstream. Those of the vendor are passed over
// where the model may do without them, because there are others and it may choose.
func (d *decoder) askForTools() {
	d.noteIf(d.tools.functions > 0, listNames[tools], chat.Tools)
	choice := d.req.ToolChoice
	if choice.Mode == chat.ToolsRequired {
		d.note(choiceField, chat.Tools)
	}
	switch {
	case d.tools.hosted == "" || choice.Mode == chat.ToolsNone:
	case len(choice.Names) > 0 && d.isHosted(choice.Names[0]):
		d.note(choiceField, chat.HostedTools)
	case d.tools.functions == 0:
		d.note(d.tools.hosted, chat.HostedTools)
	default:
		d.note("hosted_tools", chat.Tuning)
	}
}

func (d *decoder) isHosted(name string) bool {
	for i := range d.req.Tools {
		if tool := &d.req.Tools[i]; tool.Name == name {
			return tool.Kind == chat.Hosted
		}
	}
	return false
}

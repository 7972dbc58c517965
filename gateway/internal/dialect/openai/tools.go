package openai

import (
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// tools consumes a list of tools: functions in an object of their own, or flat as the
// Responses API has them, custom tools, and those of the upstream. What is no list, or has
// something else in it, is the upstream's to judge.
func (d *decoder) tools(field string) {
	legacy := field == legacyTools
	if legacy && len(d.req.Tools) > 0 { // the API has one of the two
		d.s.Skip()
		return
	}
	d.req.Tools = nil
	if d.s.Kind() != rawjson.Array {
		d.s.Skip()
		d.note(field, chat.Unclear)
		return
	}
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		if d.s.Kind() != rawjson.Object {
			d.s.Skip()
			d.note(field, chat.Unclear)
			continue
		}
		d.req.Tools = append(d.req.Tools, d.tool(legacy))
	}
	d.askIf(len(d.req.Tools) > 0, field, chat.Tools)
	d.askOfTools(field)
}

// legacyTools is what `tools` were called when there were only functions.
const legacyTools = "functions"

// askOfTools takes note of tools that not every upstream has a form for.
func (d *decoder) askOfTools(field string) {
	free, hosted := false, false
	for i := range d.req.Tools {
		free = free || d.req.Tools[i].Kind == chat.Custom
		hosted = hosted || d.req.Tools[i].Kind == chat.Hosted
	}
	d.askIf(free, field, chat.FreeTools)
	d.askIf(hosted, field, chat.HostedTools)
}

// tool consumes a tool. legacy: it is a function without a type.
func (d *decoder) tool(legacy bool) chat.ToolSpec {
	d.s.Kind() // goes to the first byte
	from := d.s.Pos()
	var tool chat.ToolSpec
	kind := ""
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch string(d.s.Key()) {
		case "type":
			kind = d.word()
		case "function", "custom":
			d.definition(&tool)
		case "cache_control":
			tool.Cache = d.cacheMark()
		default:
			d.defines(&tool)
		}
	}
	switch {
	case legacy, kind == "function", kind == "" && tool.Name != "":
		tool.Kind = chat.Function
	case kind == "custom":
		tool.Kind = chat.Custom
	default:
		tool.Kind = chat.Hosted
	}
	if kind = cut(kind); !d.s.Failed() {
		tool.Own = &chat.Opaque{Dialect: Dialect, Type: kind, JSON: d.req.Source.JSON[from:d.s.Pos()]}
	}
	return tool
}

// definition consumes the object in which a tool is described.
func (d *decoder) definition(tool *chat.ToolSpec) {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		d.defines(tool)
	}
}

// defines consumes a member of a tool's description.
func (d *decoder) defines(tool *chat.ToolSpec) {
	switch string(d.s.Key()) {
	case "name":
		tool.Name = d.word()
	case "description":
		tool.Description = d.word()
	case "parameters":
		tool.Schema = rawjson.Mended(d.object())
	case "strict":
		tool.Strict = d.truth()
	default:
		d.s.Skip()
	}
}

// toolChoice consumes the rule for calls: a word, or an object that names tools.
func (d *decoder) toolChoice(field string) {
	choice := &d.req.ToolChoice
	*choice = chat.ToolChoice{}
	switch d.s.Kind() {
	case rawjson.String:
		mode, known := toolModes[d.s.Text()]
		if !known {
			d.note(field, chat.Unclear)
			return
		}
		choice.Mode = mode
	case rawjson.Object:
		isWord := d.namedTools(choice)
		d.askIf(len(choice.Names) == 0 && !isWord, field, chat.Unclear)
	default:
		d.s.Skip()
		d.note(field, chat.Unclear)
		return
	}
	d.askIf(choice.Mode == chat.ToolsRequired, field, chat.Tools)
}

// toolModes are the words of the rule.
var toolModes = map[string]chat.ToolMode{
	"none": chat.ToolsNone, "auto": chat.ToolsAuto, "required": chat.ToolsRequired, "any": chat.ToolsRequired,
}

// namedTools consumes a rule that names one tool, or those that are allowed:
//
//	{"type":"function","function":{"name":"f"}}, {"type":"function","name":"f"}, {"name":"f"}
//	{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[…]}}
//
// or has the word alone: {"type":"auto"}.
func (d *decoder) namedTools(choice *chat.ToolChoice) (isWord bool) {
	choice.Mode = chat.ToolsRequired
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch string(d.s.Key()) {
		case "type":
			if mode, known := toolModes[d.word()]; known {
				choice.Mode, isWord = mode, true
			}
		case "name":
			if name := d.word(); name != "" {
				choice.Names = append(choice.Names, name)
			}
		case "function", "custom":
			d.nameOf(choice)
		case "allowed_tools":
			d.allowedTools(choice)
		case "mode":
			d.allowedMode(choice)
		case "tools":
			d.allowedList(choice)
		default:
			d.s.Skip()
		}
	}
	return isWord
}

// nameOf consumes an object with a name.
func (d *decoder) nameOf(choice *chat.ToolChoice) {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		if string(d.s.Key()) != "name" {
			d.s.Skip()
		} else if name := d.word(); name != "" {
			choice.Names = append(choice.Names, name)
		}
	}
}

func (d *decoder) allowedTools(choice *chat.ToolChoice) {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch string(d.s.Key()) {
		case "mode":
			d.allowedMode(choice)
		case "tools":
			d.allowedList(choice)
		default:
			d.s.Skip()
		}
	}
}

func (d *decoder) allowedMode(choice *chat.ToolChoice) {
	if mode, known := toolModes[d.word()]; known {
		choice.Mode = mode
	}
}

func (d *decoder) allowedList(choice *chat.ToolChoice) {
	if d.s.Kind() != rawjson.Array {
		d.s.Skip()
		return
	}
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		if d.s.Kind() != rawjson.Object {
			d.s.Skip()
			continue
		}
		for ok := d.s.Object(); ok; ok = d.s.Member() {
			switch string(d.s.Key()) {
			case "name":
				if name := d.word(); name != "" {
					choice.Names = append(choice.Names, name)
				}
			case "function", "custom":
				d.nameOf(choice)
			default:
				d.s.Skip()
			}
		}
	}
}

// word consumes a string; anything else is passed over and empty.
func (d *decoder) word() string {
	if d.s.Kind() != rawjson.String {
		d.s.Skip()
		return ""
	}
	return d.s.Text()
}

// truth consumes a boolean; anything else is passed over and nil.
func (d *decoder) truth() *bool {
	if d.s.Kind() != rawjson.Bool {
		d.s.Skip()
		return nil
	}
	value := d.s.Bool()
	return &value
}

// object consumes an object, byte for byte; anything else is passed over and nil.
func (d *decoder) object() []byte {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return nil
	}
	return d.s.Skip()
}

// cacheMark consumes a mark that what comes before it is worth keeping.
func (d *decoder) cacheMark() *chat.CacheMark {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return nil
	}
	mark := &chat.CacheMark{}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		if string(d.s.Key()) == "ttl" {
			mark.TTL = d.word()
		} else {
			d.s.Skip()
		}
	}
	return mark
}

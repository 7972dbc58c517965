package responses

import (
	"cmp"
	"slices"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// choice is the rule for calls as the client names it.
type choice struct {
	mode chat.ToolMode
	// only are the tools that may be called; listed: there is such a list, of whatever.
	only   []qualified
	listed bool
	// hosted: a tool that the vendor runs is forced; unclear: it is no rule that is known.
	hosted, unclear bool
}

// toolModes are the words of the rule.
var toolModes = map[string]chat.ToolMode{
	"none": chat.ToolsNone, "auto": chat.ToolsAuto, "required": chat.ToolsRequired, "any": chat.ToolsRequired,
}

// toolChoice consumes the rule: a word, or an object that names one tool or those that are
// allowed.
func (d *decoder) toolChoice() error {
	d.choice = choice{}
	if d.s.Kind() == rawjson.String {
		mode, known := toolModes[d.s.Text()]
		d.choice.mode, d.choice.unclear = mode, !known
		return nil
	}
	var one choiceDraft
	if err := d.object(choiceField, func(key []byte) error { return d.chosen(&one, key) }); err != nil {
		return err
	}
	mode, isWord := toolModes[one.kind]
	switch {
	case one.kind == "" && one.name == "": // null
	case isWord:
		d.choice.mode = mode
	case one.kind == "allowed_tools":
		d.choice.mode, d.choice.only, d.choice.listed = toolModes[one.mode], one.only, true
		if d.choice.mode == "" {
			d.choice.mode = chat.ToolsAuto
		}
		d.choice.hosted = len(one.only) == 0 && d.choice.mode == chat.ToolsRequired
	case one.kind == "function", one.kind == "custom", one.kind == "":
		d.choice.mode, d.choice.only, d.choice.listed = chat.ToolsRequired, []qualified{{one.namespace, one.name}}, true
		if one.name == "" {
			return invalid(choiceField+".name", "is missing: it must name the tool that is to be called")
		}
	default:
		d.choice.mode, d.choice.hosted = chat.ToolsRequired, true
	}
	return nil
}

// choiceDraft is an object of which not all is known yet.
type choiceDraft struct {
	kind, mode, name, namespace string
	only                        []qualified
}

func (d *decoder) chosen(one *choiceDraft, key []byte) error {
	inner := func(key []byte) error { return d.chosen(one, key) }
	switch string(key) {
	case "type":
		one.kind = d.word()
	case "mode":
		one.mode = d.word()
	case "name":
		one.name = d.word()
	case "namespace":
		one.namespace = d.word()
	case "function", "custom", "allowed_tools": // as Chat has them
		return d.object(choiceField+"."+string(key), inner)
	case toolsField:
		return d.allowed(one)
	default:
		d.s.Skip()
	}
	return nil
}

// allowed consumes the list of tools that may be called. The vendor's own have no name.
func (d *decoder) allowed(one *choiceDraft) error {
	const field = choiceField + "." + toolsField
	if d.null() {
		return nil
	}
	if d.s.Kind() != rawjson.Array {
		return d.mismatch(field, anArray)
	}
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		var each choiceDraft
		if err := d.object(field, func(key []byte) error { return d.chosen(&each, key) }); err != nil {
			return err
		}
		if each.name != "" && (each.kind == "function" || each.kind == "custom" || each.kind == "") {
			one.only = append(one.only, qualified{each.namespace, each.name})
		}
	}
	return nil
}

// settleChoice makes the canonical rule of the client's.
func (d *decoder) settleChoice(names names, functions int) {
	rule := &d.req.ToolChoice
	if d.choice.unclear {
		d.note(choiceField, chat.Unclear)
		return
	}
	rule.Mode = d.choice.mode
	if one := d.choice.only; rule.Mode == chat.ToolsRequired && len(one) == 1 && !d.offers(names.flat(names.namespaceOf(one[0]), one[0].name)) {
		d.fault = cmp.Or(d.fault, invalid(choiceField, "names %q, which is not among `tools`", chat.Cut(one[0].name, longestWord)))
	}
	for _, one := range d.choice.only {
		rule.Names = append(rule.Names, names.flat(names.namespaceOf(one), one.name))
	}
	switch {
	case rule.Mode == chat.ToolsRequired && functions == 0 && len(rule.Names) == 0:
		d.choice.hosted = true
	case d.choice.listed && len(rule.Names) == 0 && !d.choice.hosted: // none of those that are left
		rule.Mode = chat.ToolsNone
	}
	d.noteIf(rule.Mode == chat.ToolsRequired, choiceField, chat.Tools)
	d.noteIf(d.choice.hosted, choiceField, chat.HostedTools)
}

// offers tells whether there is a tool of that name, which is the flat one.
func (d *decoder) offers(name string) bool {
	return slices.ContainsFunc(d.req.Tools, func(tool chat.ToolSpec) bool { return tool.Kind != chat.Hosted && tool.Name == name })
}

package responses

import (
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// tools are what is known of a request's tools before all of it has been read.
type tools struct {
	// offered are those of the field; late ones stand among the items.
	offered, late []tool
	// calls are those of the history, whose tools may have been in a namespace.
	calls []namedCall
}

// tool is a tool by the name that the client knows it by.
type tool struct {
	chat.ToolSpec
	namespace string
}

// namedCall is a call and the namespace of its tool; empty: none.
type namedCall struct {
	*chat.Call
	namespace string
}

// toolList consumes a list of tools, or null. inside: they are those of a namespace, in which
// there are no others.
func (d *decoder) toolList(field string, inside bool) (list []tool, err error) {
	if d.null() {
		return nil, nil
	}
	if d.s.Kind() != rawjson.Array {
		return nil, d.mismatch(field, anArray)
	}
	index := 0
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		at := func() string { return field + "[" + strconv.Itoa(index) + "]" }
		if list, err = d.tool(list, at, inside); err != nil {
			return nil, err
		}
		index++
	}
	return list, nil
}

// toolDraft is a tool, or a namespace, of which not all is known yet: its type may come last.
type toolDraft struct {
	tool
	kind, grammar string
	// inner are the tools of a namespace.
	inner []tool
}

// tool consumes a tool, or all of a namespace, and appends what it finds. Members that it does
// not know are left to the vendor.
func (d *decoder) tool(list []tool, at func() string, inside bool) ([]tool, error) {
	if d.s.Kind() != rawjson.Object {
		return nil, d.mismatch(at(), anObject)
	}
	from := d.s.Pos()
	var draft toolDraft
	err := d.members(func(key []byte) error { return d.toolField(&draft, at, inside, key) })
	if err != nil || d.s.Failed() {
		return nil, err
	}
	if draft.kind == namespaceType && !inside {
		return d.namespace(list, &draft, at)
	}
	each := draft.tool
	switch {
	case draft.kind == "function", draft.kind == "" && each.Name != "":
		each.Kind = chat.Function
	case draft.kind == "custom":
		each.Kind, each.Description = chat.Custom, withGrammar(each.Description, draft.grammar)
	default:
		each.Kind = chat.Hosted
	}
	if each.Kind != chat.Hosted && each.Name == "" {
		return nil, invalid(at()+".name", "is missing: a tool is called by its name")
	}
	each.Own = &chat.Opaque{Dialect: Dialect, Type: chat.Cut(draft.kind, longestWord), JSON: d.req.Source.JSON[from:d.s.Pos()]}
	return append(list, each), nil
}

func (d *decoder) toolField(draft *toolDraft, at func() string, inside bool, key []byte) (err error) {
	switch string(key) {
	case "type":
		draft.kind = d.word()
	case "name":
		draft.Name, err = d.textIn(at, "name")
	case "description":
		draft.Description, err = d.textIn(at, "description")
	case "parameters":
		draft.Schema, err = d.schema(func() string { return at() + ".parameters" })
	case "strict":
		draft.Strict, err = d.strict(at)
	case "format":
		draft.grammar, err = d.grammar(at() + ".format")
	case "function", "custom": // as Chat has them
		err = d.object(at()+"."+string(key), func(key []byte) error { return d.toolField(draft, at, inside, key) })
	case toolsField:
		if inside {
			d.s.Skip()
			break
		}
		draft.inner, err = d.toolList(at()+"."+toolsField, true)
	default:
		d.s.Skip()
	}
	return err
}

// strict is boolean for a member of a tool.
func (d *decoder) strict(at func() string) (*bool, error) {
	if d.s.Kind() == rawjson.Bool {
		strict := d.s.Bool()
		return &strict, nil
	}
	return d.boolean(at() + ".strict")
}

// namespace appends the tools of a namespace.
func (d *decoder) namespace(list []tool, draft *toolDraft, at func() string) ([]tool, error) {
	if len(draft.Name) > longestNamespace {
		return nil, invalid(at()+".name", "must have at most %d bytes", longestNamespace)
	}
	if draft.Description != "" { // there is no place for it
		d.noteOnce("namespace.description", chat.Tuning)
	}
	for i := range draft.inner {
		if one := &draft.inner[i]; draft.Name != "" {
			one.namespace, one.Own = draft.Name, ownOfNamespace(draft.Name, one.Own)
		}
	}
	return append(list, draft.inner...), nil
}

// namespaceType is the type of a group of tools.
const namespaceType = "namespace"

// textIn is text for a member of a tool.
func (d *decoder) textIn(at func() string, name string) (string, error) {
	if d.s.Kind() == rawjson.String {
		return d.s.Text(), nil
	}
	return d.text(at() + "." + name)
}

// ownOfNamespace is the definition of a namespace that has one tool.
func ownOfNamespace(name string, one *chat.Opaque) *chat.Opaque {
	dst := append(make([]byte, 0, len(one.JSON)+len(name)+64), `{"type":"namespace","name":`...)
	dst = rawjson.AppendString(dst, name)
	dst = append(append(dst, `,"tools":[`...), one.JSON...)
	return &chat.Opaque{Dialect: Dialect, Type: namespaceType, JSON: append(dst, `]}`...)}
}

// schema consumes an object, byte for byte, or null.
func (d *decoder) schema(at func() string) ([]byte, error) {
	if d.null() {
		return nil, nil
	}
	if d.s.Kind() != rawjson.Object {
		return nil, d.mismatch(at(), anObject)
	}
	return rawjson.Mended(d.s.Skip()), nil
}

// grammar consumes the form of a custom tool's input, and returns it in words; empty: any text
// will do.
func (d *decoder) grammar(field string) (string, error) {
	syntax, definition := "", ""
	var member func(key []byte) error
	member = func(key []byte) error {
		switch string(key) {
		case "syntax":
			syntax = d.word()
		case "definition":
			definition = d.word()
		case "grammar": // as Chat has it
			return d.object(field+".grammar", member)
		default:
			d.s.Skip()
		}
		return nil
	}
	err := d.object(field, member)
	if definition == "" {
		return "", err
	}
	return strings.TrimSpace("The input must match this grammar "+syntax) + ":\n\n" + definition, err
}

// withGrammar is a tool's description with the form of its input: only the vendor can keep a
// model to it.
func withGrammar(description, grammar string) string {
	if grammar == "" || description == "" {
		return description + grammar
	}
	return description + "\n\n" + grammar
}

// lateTools consumes an item that brings tools.
func (d *decoder) lateTools(at place) error {
	return d.members(func(key []byte) error {
		if string(key) != toolsField {
			d.s.Skip()
			return nil
		}
		more, err := d.toolList(at.field(string(key)), false)
		d.tools.late = append(d.tools.late, more...)
		return err
	})
}

// settle gives all tools the names by which the canonical conversation knows them, and notes
// what they ask of an upstream.
func (d *decoder) settle() {
	all := append(d.tools.offered[:len(d.tools.offered):len(d.tools.offered)], d.tools.late...)
	names := newNames(all)
	known := map[string]bool{}
	functions, free, hosted := 0, false, false
	for i := range all {
		each := &all[i]
		if each.Kind == chat.Hosted {
			hosted = true
			d.req.Tools = append(d.req.Tools, each.ToolSpec)
			continue
		}
		if each.Name = names.flat(each.namespace, each.Name); known[each.Name] {
			continue // loaded twice
		}
		known[each.Name] = true
		functions++
		free = free || each.Kind == chat.Custom
		d.req.Tools = append(d.req.Tools, each.ToolSpec)
	}
	for _, call := range d.tools.calls {
		call.Name = names.flat(call.namespace, call.Name)
	}
	d.noteIf(functions > 0, toolsField, chat.Tools)
	d.noteIf(free, toolsField, chat.FreeTools)
	d.settleChoice(names, functions)
	d.noteIf(hosted && !d.choice.hosted, "hosted_tools", chat.Tuning)
}

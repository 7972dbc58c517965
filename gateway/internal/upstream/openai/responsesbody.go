package openai

import (
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

// editResponses makes a client's body fit for an upstream that serves the Responses API: the
// model under the upstream's name for it, the form of the answer, no members that the upstream
// refuses, and no thoughts of another upstream, or none at all where it has refused a seal. A
// conversation that was put in short here is told in words. All else stays byte for byte. It
// answers false for what is no JSON object with a model.
func (d *Driver) editResponses(call *upstream.Call) ([]byte, bool) {
	source := call.Request.Source.JSON
	e := responsesEdit{
		editing:      editing{s: rawjson.Over(source), edit: rawjson.NewEdit(nil, source)},
		withoutSeals: call.WithoutSeals,
	}
	strips := call.WithoutSeals || chat.MayHaveForeignSeals(source)
	var hasModel, hasStream, kept bool
	for ok := e.s.Object(); ok; ok = e.s.Member() {
		start := e.s.MemberStart()
		switch key := string(e.s.Key()); {
		case key == "model":
			hasModel = true
			e.replace(string(rawjson.AppendString(nil, call.Model)))
		case key == "stream":
			hasStream = true
			e.replaceStream(call.Request.Stream)
		case key == "input" && strips:
			e.input()
		case slices.Contains(d.settings.quirks.responsesWithout, key):
			e.s.Skip()
			e.edit.CutMember(&e.s, start, !kept)
			continue
		default:
			e.s.Skip()
		}
		kept = true
	}
	end := e.s.Pos() - 1 // the closing brace
	if e.s.End() != nil || !hasModel {
		return nil, false
	}
	if call.Request.Stream && !hasStream {
		e.insert(end, `"stream":true`, kept)
	}
	if e.edit.Unchanged() {
		return source, true
	}
	return e.edit.Bytes(), true
}

// responsesEdit is a pass over a client's body.
type responsesEdit struct {
	editing
	// withoutSeals: all thoughts go, and not those of other upstreams alone.
	withoutSeals bool
}

// input consumes the conversation and takes thoughts out of it: the vendor's API, whoever serves
// it, looks for one without a seal among those that it keeps, and one without an id is none.
func (e *responsesEdit) input() {
	if e.s.Kind() != rawjson.Array {
		e.s.Skip()
		return
	}
	from := e.s.Pos()
	var kept []string
	stripped, orphaned := false, false // orphaned: what follows was thought of in what is gone
	for ok := e.s.Array(); ok; ok = e.s.Element() {
		item := e.s.Skip()
		f := readItemForm(item)
		switch {
		case f.summary != "":
			kept, stripped, orphaned = append(kept, userItem(f.summary)), true, false
			continue
		case f.kind == "reasoning" && (e.withoutSeals || f.foreign):
			stripped, orphaned = true, true
			continue
		case f.kind == "reasoning":
			orphaned = false
		case !f.output:
			orphaned = false
		case orphaned:
			// The vendor knows items by their ids, and wants back the thoughts that they came with.
			kept, stripped = append(kept, withoutMembers(item, "id")), true
			continue
		}
		kept = append(kept, string(item))
	}
	if stripped && !e.s.Failed() {
		e.edit.Replace(from, e.s.Pos(), "["+strings.Join(kept, ",")+"]")
	}
}

// itemForm is what counts of an item of a conversation.
type itemForm struct {
	kind string
	// output: a model has made it. foreign: its seal is another upstream's.
	output, foreign bool
	// summary is the conversation in short that it is, if that was written here.
	summary string
}

// userItem is what a user says.
func userItem(text string) string {
	item := append([]byte(nil), `{"type":"message","role":"user","content":[{"type":"input_text","text":`...)
	return string(append(rawjson.AppendString(item, text), `}]}`...))
}

// readItemForm reads an item.
func readItemForm(item []byte) itemForm {
	var f itemForm
	s := rawjson.Over(item)
	if s.Kind() != rawjson.Object {
		return f
	}
	role := ""
	for ok := s.Object(); ok; ok = s.Member() {
		switch key := string(s.Key()); {
		case key == "type":
			f.kind = text(&s)
		case key == "role":
			role = text(&s)
		case key == "encrypted_content" && s.Kind() == rawjson.String:
			seal := s.Text()
			_, _, f.foreign = chat.OfForeignSeal(seal)
			f.summary, _ = chat.OfSealedSummary(seal)
		default:
			s.Skip()
		}
	}
	f.output = role == "assistant" || strings.HasSuffix(f.kind, "_call")
	return f
}

// withoutMembers is an object without some of its members.
func withoutMembers(object []byte, names ...string) string {
	members := rawjson.MembersOf(object, names...)
	for _, name := range names {
		members.Set(name, "")
	}
	return string(members.Object())
}

// hasUnreadable tells whether a conversation has something that a client was given here in the
// place of what only its maker can read, and that has no words: no upstream can be sent it.
func hasUnreadable(source []byte) bool {
	if !chat.MayHaveForeignSeals(source) {
		return false
	}
	s := rawjson.Over(source)
	found := false
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) != "input" || s.Kind() != rawjson.Array {
			s.Skip()
			continue
		}
		for ok := s.Array(); ok; ok = s.Element() {
			f := readItemForm(s.Skip())
			found = found || f.foreign && f.kind != "reasoning" && f.summary == ""
		}
	}
	return found
}

package grammar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// responsesAnswer is what both forms of an answer have in common: its items.
type responsesAnswer struct {
	*verdict
	items   []*item
	ids     map[string]bool
	callIDs map[string]bool
}

// item is an item of the output.
type item struct {
	index int64
	id    string
	kind  string
	added value // as it was added
	done  value // as it was at its end; absent until then
	// faulty: what is wrong with the done item has been said.
	faulty bool
	// parts are those of a message or of reasoning, by the list that they are in; a call has its
	// arguments as one part of the list "".
	parts map[string][]*itemPart
}

// itemPart is a text that comes in pieces.
type itemPart struct {
	said        []byte
	textDone    bool // its .done event has come
	done        bool
	annotations int64
}

// itemForm is what a kind of item has.
type itemForm struct {
	texts  []string // members that are strings
	list   string   // the member that is a list
	status bool
	call   bool
}

// itemForms are the kinds that a gateway writes itself.
var itemForms = map[string]itemForm{
	"message":          {list: "content", status: true},
	"reasoning":        {list: "summary"},
	"function_call":    {texts: []string{"call_id", "name", "arguments"}, status: true, call: true},
	"custom_tool_call": {texts: []string{"call_id", "name", "input"}, call: true},
	"compaction":       {texts: []string{"encrypted_content"}},
}

// pieceForm is what a family of events is about.
type pieceForm struct {
	item  string // the kind of item
	list  string // where its part is
	index string // the member with the part's number; "" where there is one part
	text  string // the member with the whole text, in the .done event and in the item
	part  string // the part's type
	bare  bool   // its parts need no events of their own
}

// pieceForms are by the type of the events, without .delta and .done.
var pieceForms = map[string]pieceForm{
	"response.output_text":             {item: "message", list: "content", index: "content_index", text: "text", part: "output_text"},
	"response.refusal":                 {item: "message", list: "content", index: "content_index", text: "refusal", part: "refusal"},
	"response.reasoning_summary_text":  {item: "reasoning", list: "summary", index: "summary_index", text: "text", part: "summary_text"},
	"response.reasoning_text":          {item: "reasoning", list: "content", index: "content_index", text: "text", part: "reasoning_text", bare: true},
	"response.function_call_arguments": {item: "function_call", text: "arguments", bare: true},
	"response.custom_tool_call_input":  {item: "custom_tool_call", text: "input", bare: true},
}

// partForms are the events of parts: the list that they are of, and the member with the number.
var partForms = map[string]struct{ list, index string }{
	"response.content_part":           {"content", "content_index"},
	"response.reasoning_summary_part": {"summary", "summary_index"},
}

// partTexts are the parts by their type, with the member that has their text.
var partTexts = map[string]string{"output_text": "text", "refusal": "refusal", "summary_text": "text", "reasoning_text": "text"}

// add judges a response.output_item.added.
func (a *responsesAnswer) add(data value) {
	index, ok := data.get("output_index").count()
	a.require(ok && index == int64(len(a.items)), ItemIndex, data.get("output_index"), fmt.Sprintf("output_index %d", len(a.items)))
	if last := len(a.items) - 1; last >= 0 && a.items[last].done.kind == isAbsent {
		a.report(ItemNesting, fmt.Sprintf("an item while item %d is open", last), "its response.output_item.done before")
	}
	content := data.get("item")
	added := a.newItem(content)
	added.index, added.added = int64(len(a.items)-1), content
	form := itemForms[added.kind]
	if form.status {
		a.require(content.get("status").is("in_progress"), ItemStart, content.get("status"), "status in_progress")
	}
	if form.list != "" {
		a.require(len(content.get(form.list).elements) == 0, ItemStart, content.get(form.list), form.list+" []")
	}
	if form.call {
		text := content.get(form.texts[2])
		a.require(text.text == "", ItemStart, text, form.texts[2]+` ""`)
	}
}

// addWhole judges an item of a whole answer.
func (a *responsesAnswer) addWhole(content value) {
	added := a.newItem(content)
	added.done = content
	a.judgeDone(added)
}

// newItem judges what an item has from its beginning.
func (a *responsesAnswer) newItem(content value) *item {
	i := &item{id: content.get("id").text, kind: content.get("type").text, parts: map[string][]*itemPart{}}
	a.items = append(a.items, i)
	if a.ids == nil {
		a.ids, a.callIDs = map[string]bool{}, map[string]bool{}
	}
	a.require(content.get("type").filled(), ItemShape, content, "an item with a type")
	a.require(content.get("id").filled(), ItemID, content.get("id"), "an id")
	a.require(!a.ids[i.id] || i.id == "", ItemIDUnique, content.get("id"), "an id of its own")
	a.ids[i.id] = true
	form, known := itemForms[i.kind]
	a.require(known || !content.get("type").filled(), ItemType, content.get("type"), "a type that the API knows")
	if form.call {
		id := content.get("call_id")
		a.require(id.filled(), CallID, id, "a call_id")
		a.require(!a.callIDs[id.text] || !id.filled(), CallIDUnique, id, "a call_id of its own")
		a.callIDs[id.text] = true
	}
	a.judgeShape(i, content)
	return i
}

// judgeShape judges the members of an item, in whichever event.
func (a *responsesAnswer) judgeShape(i *item, content value) {
	form := itemForms[i.kind]
	for _, field := range form.texts {
		got := content.get(field)
		fine := got.kind == isString && (field != "name" || got.text != "")
		a.require(fine || field == "call_id", ItemShape, got, field+" as a string")
	}
	if form.list != "" {
		a.require(content.get(form.list).kind == isArray, ItemShape, content.get(form.list), form.list+" as a list")
	}
	if i.kind == "message" {
		a.require(content.get("role").is("assistant"), ItemShape, content.get("role"), "role assistant")
	}
}

// finish judges a response.output_item.done.
func (a *responsesAnswer) finish(data value) {
	i := a.open(data)
	if i == nil {
		return
	}
	content := data.get("item")
	before := len(a.violations)
	i.done = content
	a.require(content.get("id").is(i.id), ItemID, content.get("id"), "id "+brief([]byte(i.id)))
	for _, field := range []string{"type", "call_id", "name", "role", "namespace"} {
		want, got := i.added.get(field), content.get(field)
		a.require(want.kind == isAbsent || want.same(got), ItemSame, got, field+" "+want.String())
	}
	if form := pieceOfItem(i.kind); form.bare && len(i.parts[""]) == 0 && content.get(form.text).filled() {
		a.report(DoneMissing, i.kind+" without the events of its "+form.text, "a delta and a .done before")
	}
	for _, part := range i.allParts() {
		if !part.textDone {
			a.report(DoneMissing, "an item that is done before its text", "the .done of its text before")
			part.textDone = true
		}
		if !part.done {
			a.report(PartUndone, "an item that is done before its part", "the .done of its part before")
		}
	}
	a.judgeShape(i, content)
	a.judgeSaid(i, content)
	a.judgeDone(i)
	i.faulty = len(a.violations) > before
}

// pieceOfItem is the family of a call's events.
func pieceOfItem(kind string) pieceForm {
	for _, form := range pieceForms {
		if form.item == kind && form.list == "" {
			return form
		}
	}
	return pieceForm{}
}

func (i *item) allParts() []*itemPart {
	return slices.Concat(i.parts["content"], i.parts["summary"], i.parts[""])
}

// judgeSaid compares a done item with what its events have said.
func (a *responsesAnswer) judgeSaid(i *item, content value) {
	if form := pieceOfItem(i.kind); form.bare {
		if parts := i.parts[""]; len(parts) > 0 {
			a.require(content.get(form.text).is(string(parts[0].said)), ItemContent, content.get(form.text), form.text+" "+brief(parts[0].said))
		}
		return
	}
	for _, list := range []string{"content", "summary"} {
		parts, told := content.get(list).elements, i.parts[list]
		if itemForms[i.kind].list == "" {
			continue
		}
		a.require(len(parts) == len(told), ItemContent, content.get(list), fmt.Sprintf("%d parts, as there were", len(told)))
		for at, part := range parts[:min(len(parts), len(told))] {
			text := part.get(partTexts[part.get("type").text])
			a.require(text.is(string(told[at].said)), ItemContent, text, "the text "+brief(told[at].said))
		}
	}
}

// judgeDone judges the parts and the status of an item that is done.
func (a *responsesAnswer) judgeDone(i *item) {
	for _, list := range []string{"content", "summary"} {
		for _, part := range i.done.get(list).elements {
			a.judgePart(part)
		}
	}
	if itemForms[i.kind].status {
		status := i.done.get("status")
		a.require(status.is("completed") || status.is("incomplete"), ItemStatus, status, "status completed, or incomplete")
	}
}

// judgePart judges the members of a part.
func (a *responsesAnswer) judgePart(part value) {
	kind := part.get("type")
	member, known := partTexts[kind.text]
	if !known {
		a.report(PartType, kind.String(), "a type that the API knows")
		return
	}
	a.require(part.get(member).kind == isString, PartShape, part.get(member), member+" as a string")
	if kind.is("output_text") {
		a.require(part.get("annotations").kind == isArray, PartShape, part.get("annotations"), "annotations as a list")
		a.require(part.get("logprobs").kind == isArray, Logprobs, part.get("logprobs"), "logprobs: []")
	}
}

// judgeItemEnd judges an item once it is known how the answer ended; cut: it may be unfinished.
func (a *responsesAnswer) judgeItemEnd(i *item, cut bool) {
	if i.done.kind == isAbsent {
		return
	}
	if itemForms[i.kind].status {
		a.require(!i.done.get("status").is("incomplete") || cut, ItemStatus, i.done.get("status"), "status completed")
	}
	if i.kind == "function_call" && !cut {
		text := bytes.TrimSpace([]byte(i.done.get("arguments").text))
		a.require(json.Valid(text) && bytes.HasPrefix(text, []byte("{")), CallJSON, i.done.get("arguments"), "a JSON object")
	}
}

// judgeOutput compares the output at the end with the items that are done.
func (a *responsesAnswer) judgeOutput(output value) {
	for _, i := range a.items {
		if i.done.kind == isAbsent {
			a.report(ItemUndone, fmt.Sprintf("the end while item %d is open", i.index), "its response.output_item.done before")
			i.faulty = true
		}
	}
	a.require(len(output.elements) == len(a.items), FinalOutput, output, fmt.Sprintf("%d items, as there were", len(a.items)))
	for at, told := range output.elements[:min(len(output.elements), len(a.items))] {
		if i := a.items[at]; !i.faulty {
			a.require(told.same(i.done), FinalOutput, told, "the item as it was done: "+i.done.String())
		}
	}
}

// open is the item that an event is of.
func (a *responsesAnswer) open(data value) *item {
	index, ok := data.get("output_index").count()
	if !ok || index >= int64(len(a.items)) || a.items[index].done.kind != isAbsent {
		a.report(ItemUnadded, "an event of item "+data.get("output_index").String(), "its response.output_item.added before, and not its done")
		return nil
	}
	return a.items[index]
}

// piece judges an event of a part or a text; known tells whether it is one.
func (a *responsesAnswer) piece(kind string, data value) (known bool) {
	cut := strings.LastIndexByte(kind, '.')
	family, stage := kind[:max(cut, 0)], kind[max(cut, 0):]
	form, isPiece := pieceForms[family]
	part, isPart := partForms[family]
	switch {
	case isPiece && (stage == ".delta" || stage == ".done"):
	case isPart && (stage == ".added" || stage == ".done"):
	case kind == "response.output_text.annotation.added":
		form, stage = pieceForms["response.output_text"], ".annotation"
	default:
		return false
	}
	i := a.open(data)
	if i == nil {
		return true
	}
	a.require(data.get("item_id").is(i.id), ItemID, data.get("item_id"), "item_id "+brief([]byte(i.id)))
	switch {
	case isPart && stage == ".added":
		a.addPart(i, part.list, part.index, data)
	case isPart:
		a.finishPart(i, part.list, part.index, data)
	case form.item != i.kind:
		a.report(DeltaKind, kind+" in an item of type "+i.kind, "an event of the item's kind")
	default:
		a.judgeText(i, form, stage, data)
	}
	return true
}

func (a *responsesAnswer) addPart(i *item, list, member string, data value) {
	parts := i.parts[list]
	index, ok := data.get(member).count()
	a.require(ok && index == int64(len(parts)), PartIndex, data.get(member), fmt.Sprintf("%s %d", member, len(parts)))
	if last := len(parts) - 1; last >= 0 && !parts[last].done {
		a.report(PartUndone, fmt.Sprintf("a part while part %d is open", last), "its .done before")
		parts[last].done = true
	}
	i.parts[list] = append(parts, new(itemPart))
	part := data.get("part")
	a.judgePart(part)
	text := part.get(partTexts[part.get("type").text])
	a.require(text.text == "", PartStart, text, "an empty text")
}

func (a *responsesAnswer) finishPart(i *item, list, member string, data value) {
	open := a.part(i, list, member, data)
	if open == nil {
		return
	}
	if !open.textDone {
		a.report(DoneMissing, "a part that is done before its text", "the .done of its text before")
		open.textDone = true
	}
	open.done = true
	part := data.get("part")
	a.judgePart(part)
	text := part.get(partTexts[part.get("type").text])
	a.require(text.kind != isString || text.text == string(open.said), PartText, text, "the text "+brief(open.said))
}

// part is the open part that an event is of.
func (a *responsesAnswer) part(i *item, list, member string, data value) *itemPart {
	index, ok := data.get(member).count()
	if member == "" {
		index, ok = 0, true
	}
	if parts := i.parts[list]; ok && index < int64(len(parts)) && !parts[index].done {
		return parts[index]
	}
	a.report(PartUnadded, "an event of part "+data.get(member).String(), "its part added before, and not done")
	return nil
}

// judgeText judges an event of a text: a piece, the whole of it, or an annotation.
func (a *responsesAnswer) judgeText(i *item, form pieceForm, stage string, data value) {
	if form.bare && len(i.parts[form.list]) == 0 {
		i.parts[form.list] = []*itemPart{{}}
	}
	part := a.part(i, form.list, form.index, data)
	if part == nil {
		return
	}
	switch stage {
	case ".annotation":
		index, ok := data.get("annotation_index").count()
		a.require(ok && index == part.annotations, AnnotationShape, data.get("annotation_index"), fmt.Sprintf("annotation_index %d", part.annotations))
		a.require(data.get("annotation").kind == isObject, AnnotationShape, data.get("annotation"), "an annotation")
		part.annotations++
		return
	case ".delta":
		delta := data.get("delta")
		a.require(delta.kind == isString, DeltaShape, delta, "delta as a string")
		if part.textDone {
			a.report(TextDone, "a delta after the whole text", "the .done after all deltas")
		}
		part.said = append(part.said, delta.text...)
	case ".done":
		text := data.get(form.text)
		a.require(text.is(string(part.said)), TextDone, text, form.text+" "+brief(part.said))
		if len(part.said) == 0 { // without any deltas the rest is judged by this
			part.said = []byte(text.text)
		}
		part.textDone = true
		part.done = part.done || form.bare
		if form.item == "function_call" {
			a.require(data.get("name").same(i.added.get("name")), CallDoneName, data.get("name"), "name "+i.added.get("name").String())
		}
	}
	if form.part == "output_text" {
		a.require(data.get("logprobs").kind == isArray, Logprobs, data.get("logprobs"), "logprobs: []")
	}
}

// same tells whether two values are equal; the order of members does not count.
func (v value) same(other value) bool {
	if v.kind != other.kind || len(v.members) != len(other.members) || len(v.elements) != len(other.elements) {
		return false
	}
	switch v.kind {
	case isObject:
		return !slices.ContainsFunc(v.members, func(m member) bool { return !m.value.same(other.get(m.key)) })
	case isArray:
		for i := range v.elements {
			if !v.elements[i].same(other.elements[i]) {
				return false
			}
		}
		return true
	case isString:
		return v.text == other.text
	default:
		return bytes.Equal(v.raw, other.raw)
	}
}

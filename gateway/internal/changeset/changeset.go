// Package changeset says what an admin's request changed, from what to what: it reads what the
// tokenstore keeps to undo it. The admin API and the pages share it.
package changeset

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/keyform"
	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Restorable is how long a deleted token or client key can be brought back.
const Restorable = 24 * time.Hour

// maxValue bounds a value that is shown, in bytes: instructions may have 64 KiB.
const maxValue = 500

// Change is one thing that was changed.
type Change struct {
	// Kind is token, key, setting, page, route or prices.
	Kind string `json:"kind"`
	// ID is the token's or the key's, the setting's or the route's name, the page's path.
	ID string `json:"id"`
	// Name is what people call it.
	Name string `json:"name"`
	// Deed is changed, created or deleted.
	Deed string `json:"deed"`
	// Field is what of it was changed; empty where it has but one value, or was created or deleted.
	Field string `json:"field"`
	// Before and After are texts; null where it is not known, or was not there.
	Before *string `json:"before"`
	After  *string `json:"after"`
}

// Of returns what was changed, in order.
func Of(undo []*tokenstorev1.AuditUndo) []Change {
	var changes []Change
	for _, each := range undo {
		changes = append(changes, tokens(each)...)
		for _, former := range each.GetKeys() {
			changes = append(changes, key(former)...)
		}
		for _, former := range each.GetSettings() {
			changes = append(changes, setting(former))
		}
		for _, former := range each.GetPages() {
			path := former.GetPage().GetPath()
			changes = append(changes, Change{Kind: "page", ID: path, Name: path, Deed: "changed", Before: text(pageKind(former.GetPage()))})
		}
		for _, former := range each.GetRoutes() {
			changes = append(changes, route(former)...)
		}
		if each.GetPrices() != nil {
			changes = append(changes, Change{Kind: "prices", Deed: "changed", Before: text(strconv.Itoa(len(each.GetPrices().GetPrices())))})
		}
	}
	return changes
}

func tokens(undo *tokenstorev1.AuditUndo) []Change {
	var changes []Change
	of := func(id, deed, field string, before, after *string) {
		name := cmp.Or(undo.GetNames()[id], id)
		changes = append(changes, Change{Kind: "token", ID: id, Name: name, Deed: deed, Field: field, Before: before, After: after})
	}
	for _, id := range undo.GetDeleted() {
		of(id, "deleted", "", nil, nil)
	}
	for _, id := range undo.GetEnabled() {
		of(id, "changed", "enabled", text("false"), text("true"))
	}
	for _, id := range undo.GetDisabled() {
		of(id, "changed", "enabled", text("true"), text("false"))
	}
	for _, former := range undo.GetTokens() {
		for _, field := range former.GetFields() {
			of(former.GetId(), "changed", field, editOf(former.GetEdit(), field), editOf(former.GetBecame(), field))
		}
	}
	return changes
}

func editOf(edit *tokenstorev1.TokenEdit, field string) *string {
	switch field {
	case "alias":
		return text(edit.GetAlias())
	case "tags":
		return text(strings.Join(edit.GetTags(), ", "))
	case "cap":
		return text(strconv.FormatUint(uint64(edit.GetCap()), 10))
	case "weight":
		return text(strconv.FormatUint(uint64(edit.GetWeight()), 10))
	}
	return nil
}

func key(former *tokenstorev1.FormerKey) []Change {
	before, became := former.GetKey(), former.GetBecame()
	is := Change{Kind: "key", ID: former.GetId(), Name: cmp.Or(became.GetName(), before.GetName(), former.GetId()), Deed: "changed"}
	switch {
	case before == nil:
		is.Deed = "created"
		return []Change{is}
	case became == nil:
		is.Deed = "deleted"
		return []Change{is}
	}
	was, now := keyFields(before), keyFields(became)
	var changes []Change
	for _, field := range []string{"name", "tags", "state", "expires_at", "models", "networks", "scopes", "limits", "budgets"} {
		if bytes.Equal(was[field], now[field]) {
			continue
		}
		is.Field, is.Before, is.After = field, plain(string(was[field])), plain(string(now[field]))
		changes = append(changes, is)
	}
	return changes
}

// keyFields are a key's as the admin API shows them.
func keyFields(key *tokenstorev1.ClientKey) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	packed, _ := json.Marshal(keyform.Of(key, nil, time.Time{})) // texts and numbers; nothing has expired
	_ = json.Unmarshal(packed, &fields)                          // it is an object
	return fields
}

func setting(former *tokenstorev1.FormerSetting) Change {
	change := Change{Kind: "setting", ID: former.GetName(), Name: former.GetName(), Deed: "changed", Before: plain(former.GetValue())}
	if former.GetBecameValue() != "" {
		change.After = plain(former.GetBecameValue())
	}
	return change
}

func route(former *tokenstorev1.FormerRoute) []Change {
	before, became := former.GetRoute(), former.GetBecame()
	is := Change{Kind: "route", ID: former.GetName(), Name: former.GetName(), Deed: "changed"}
	switch {
	case before == nil:
		is.Deed, is.After = "created", text(routing.Summary(became))
		return []Change{is}
	case became == nil:
		is.Deed, is.Before = "deleted", text(routing.Summary(before))
		return []Change{is}
	}
	var changes []Change
	for _, field := range []struct{ name, was, now string }{
		{"match", routing.MatchOf(before), routing.MatchOf(became)}, {"targets", routing.Summary(before), routing.Summary(became)},
	} {
		if field.was != field.now {
			is.Field, is.Before, is.After = field.name, text(field.was), text(field.now)
			changes = append(changes, is)
		}
	}
	if len(changes) == 0 { // something finer
		changes = append(changes, is)
	}
	return changes
}

func pageKind(page *tokenstorev1.Page) string {
	switch page.GetKind() {
	case tokenstorev1.PageKind_PAGE_KIND_HTML:
		return "html"
	case tokenstorev1.PageKind_PAGE_KIND_TEXT:
		return "text"
	default:
		return "default"
	}
}

// plain is JSON as people read it: a string is its text, a list its elements.
func plain(raw string) *string {
	var said string
	if json.Unmarshal([]byte(raw), &said) == nil && raw != "null" {
		return text(said)
	}
	var list []string
	if json.Unmarshal([]byte(raw), &list) == nil && !slices.Contains([]string{"", "null"}, raw) {
		return text(strings.Join(list, ", "))
	}
	if raw == "null" {
		raw = ""
	}
	return text(raw)
}

// text is a value that is shown.
func text(value string) *string {
	value = chat.Cut(value, maxValue)
	return &value
}

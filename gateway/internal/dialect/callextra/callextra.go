// Package callextra keeps with the id of a call what belongs to the call, in APIs whose calls
// have no room for it: clients give ids back as they are.
//
// An upstream may want members of a call back, such as a signature without which it refuses
// the history.
package callextra

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// extraMark stands in an id before what belongs to the call, and maxExtra bounds that.
const (
	extraMark = "_carousel_"
	maxExtra  = 16 << 10
)

// With is a call's id with what belongs to the call.
func With(id string, extra *chat.Opaque) string {
	if extra == nil || len(extra.JSON) == 0 || len(extra.JSON) > maxExtra {
		return id
	}
	return id + extraMark + extra.Dialect + "_" + base64.RawURLEncoding.EncodeToString(extra.JSON)
}

// Cut takes an id apart. What is not members of an object is part of the id.
func Cut(id string) (string, *chat.Opaque) {
	at := strings.LastIndex(id, extraMark)
	if at <= 0 {
		return id, nil
	}
	maker, packed, _ := strings.Cut(id[at+len(extraMark):], "_")
	members, err := base64.RawURLEncoding.DecodeString(packed)
	if err != nil || len(members) > maxExtra || !utf8.Valid(members) || !areMembers(members) {
		return id, nil
	}
	return id[:at], &chat.Opaque{Dialect: maker, JSON: members}
}

// areMembers tells whether an object can have them between its braces.
func areMembers(json []byte) bool {
	s := rawjson.Over([]byte("{" + string(json) + "}"))
	some := false
	for ok := s.Object(); ok; ok = s.Member() {
		s.Skip()
		some = true
	}
	return some && s.End() == nil
}

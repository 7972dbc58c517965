package anthropic

import (
	"net/http"
	"strings"

	"carousel.internal/gateway/internal/rawjson"
)

// sessionHeader is Claude Code's name for a conversation.
const sessionHeader = "X-Claude-Code-Session-Id"

// passed are the beginnings of the names of headers that an upstream of the dialect is to
// see: betas and fields of the body come in pairs, so none is left out.
var passed = []string{"Anthropic-", "X-Claude-Code-", "X-Stainless-", "X-App", "User-Agent"}

// withheld belong to the client's own account at the vendor, or to its browser. Keys are in
// headers of other names.
var withheld = map[string]bool{
	"Anthropic-Workspace-Id": true, "Anthropic-User-Profile-Id": true, "Anthropic-Organization-Id": true,
	"Anthropic-Dangerous-Direct-Browser-Access": true,
}

// passedOn returns the client's headers that an upstream of the dialect is to see.
func passedOn(header http.Header) map[string][]string {
	out := map[string][]string{}
	for name, values := range header {
		for _, prefix := range passed {
			if strings.HasPrefix(name, prefix) && !withheld[name] {
				out[name] = values
				break
			}
		}
	}
	return out
}

// sessionOf is the conversation in metadata.user_id, as Claude Code writes it: a member of
// a JSON object, or in older versions what follows `_session_`. Empty: there is none.
func sessionOf(userID string) string {
	if _, session, older := strings.Cut(userID, "_session_"); older {
		return session
	}
	s := rawjson.Over([]byte(userID))
	if s.Kind() != rawjson.Object {
		return ""
	}
	session := ""
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) == "session_id" && s.Kind() == rawjson.String {
			session = s.Text()
		} else {
			s.Skip()
		}
	}
	if s.End() != nil {
		return ""
	}
	return session
}

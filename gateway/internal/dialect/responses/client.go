package responses

import (
	"net/http"
	"strings"
)

// isCodex tells whether a request comes from Codex, whose reader has needs of its own.
func isCodex(header http.Header) bool {
	for _, name := range []string{"Originator", "User-Agent"} {
		if strings.HasPrefix(strings.ToLower(header.Get(name)), "codex") {
			return true
		}
	}
	return header.Get("X-Codex-Window-Id") != "" || header.Get("X-Codex-Turn-Metadata") != ""
}

// sessionHeaders are Codex's names for a conversation, in the order in which they are believed.
var sessionHeaders = []string{"Session-Id", "Thread-Id"}

// passed are the beginnings of the names of headers that an upstream of the dialect is to see.
var passed = []string{
	"X-Codex-", "X-Openai-Subagent", "X-Stainless-", "Openai-Beta", "Originator", "Session-Id", "Thread-Id",
	"X-Client-Request-Id", "Idempotency-Key", "Version", "User-Agent",
}

// passedOn returns the client's headers that an upstream of the dialect is to see. None of
// them is a key, or names the client's own account.
func passedOn(header http.Header) map[string][]string {
	out := map[string][]string{}
	for name, values := range header {
		for _, prefix := range passed {
			if strings.HasPrefix(name, prefix) {
				out[name] = values
				break
			}
		}
	}
	return out
}

// session is what the client says belongs together in its headers; empty: it says nothing.
func session(header http.Header) string {
	for _, name := range sessionHeaders {
		if value := header.Get(name); value != "" {
			return value
		}
	}
	return ""
}

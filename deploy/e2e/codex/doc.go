// Package codex is a client of the Responses API that reads and works as Codex does: a reader of
// streams that needs, drops and ignores what that one does, its retries, and sessions of whole
// turns whose tools work on files in memory. It shares nothing with the gateway, whose streams it
// judges.
package codex

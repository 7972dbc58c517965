package anthropic

import (
	"slices"

	"carousel.internal/gateway/internal/ondemand"
	"carousel.internal/gateway/internal/upstream"
)

// What the vendor says in words only.
var (
	sizeWords   = ondemand.Regexp(`(?i)prompt is too long|exceed(s|ed)? (the )?(context|maximum|model'?s?)|context (window|length|limit)|input length and .max_tokens. exceed`)
	creditWords = ofAccount(`credit balance|insufficient (credit|balance|funds)|(spend(ing)?|usage|monthly|workspace) limits?\b|out of credits|reached your specified`)
	sealWords   = ondemand.Regexp("(?i)invalid .?signature|signature.{0,80}(invalid|verif|not (valid|match))|thinking.{0,120}(cannot be modified|must remain|could not be (verified|decrypted))|encrypted.{0,60}could not be")
	closedWords = ofAccount(`\b(organi[sz]ation|account)\b.{0,60}\b(disabled|suspended|deactivated)`)
	keyWords    = ofAccount(`\bkey\b.{0,40}\b(disabled|deactivated|revoked)`)
	// Keys of one organisation may be of several workspaces, of which answers say nothing.
	workspaceWords = ofAccount(`workspace.{0,40}limits?\b`)
	modelWords     = ondemand.Regexp(`(?i)\bmodel\b`)
)

// ofAccount finds words that say something of the account: in a plain sentence. What is wrong
// with a request is told by a path and a colon, or quotes what the request had; either may
// have any words in it, those that the caller has chosen.
func ofAccount(words string) *ondemand.Pattern {
	return ondemand.Regexp("(?is)^(?:[^:'\"`]|:\\S|\\w'\\w)*(?:" + words + ")(?:[^:]|:\\S)*$")
}

// failures is what is at fault, whatever goes wrong. An error's name is its type.
var failures = slices.Concat(upstream.Table{
	{Name: "seal refused", From: 400, To: 422, Text: sealWords, Class: upstream.SealRefused},
	{Name: "workspace's limit", From: 400, To: 429, Text: workspaceWords, Class: upstream.Quota},
	{Name: "credit or spend limit", From: 400, To: 403, Text: creditWords, Class: upstream.Quota, GroupWide: true},
	{Name: "in a stream: credit or spend limit", From: 200, To: 200, Names: []string{"billing_error"}, Class: upstream.Quota, GroupWide: true},
	{Name: "organisation closed", From: 400, To: 403, Text: closedWords, Class: upstream.Auth, GroupWide: true},
	{Name: "key closed", From: 400, To: 403, Text: keyWords, Class: upstream.Auth},
	{Name: "overloaded", Names: []string{"overloaded_error"}, Class: upstream.Broken},
	{Name: "HTTP 529", From: 529, To: 529, Class: upstream.Broken},
	{Name: "HTTP 429: spend limit", From: 429, To: 429, Text: creditWords, Class: upstream.Quota, GroupWide: true},
	// Each model has its own.
	{Name: "limit", Names: []string{"rate_limit_error"}, Class: upstream.RateLimit, ModelOnly: true, GroupWide: true},
	{Name: "HTTP 429", From: 429, To: 429, Class: upstream.RateLimit, GroupWide: true},
	{Name: "token refused", Names: []string{"authentication_error"}, Class: upstream.Auth},
	{Name: "HTTP 401", From: 401, To: 401, Class: upstream.Auth},
	{Name: "billing", Names: []string{"billing_error"}, Class: upstream.Quota, GroupWide: true},
	{Name: "HTTP 402", From: 402, To: 402, Class: upstream.Quota, GroupWide: true},
	{Name: "region", Names: []string{"forbidden"}, Class: upstream.Region},
	{Name: "not permitted", Names: []string{"permission_error"}, Class: upstream.ModelNotAllowed},
	{Name: "HTTP 403", From: 403, To: 403, Class: upstream.Auth},
	{Name: "HTTP 404: model unknown", From: 404, To: 404, Text: modelWords, Class: upstream.ModelUnknown},
	{Name: "in a stream: model unknown", From: 200, To: 200, Names: []string{"not_found_error"}, Text: modelWords, Class: upstream.ModelUnknown},
	{Name: "too large", Names: []string{"request_too_large"}, Class: upstream.TooLarge},
	{Name: "HTTP 413", From: 413, To: 413, Class: upstream.TooLarge},
	{Name: "the window", From: 200, To: 499, Names: []string{"invalid_request_error"}, Text: sizeWords, Class: upstream.TooLarge},
	{Name: "wrong input", Names: []string{"invalid_request_error", "conflict_error", "not_found_error"}, Class: upstream.CallerFault},
	{Name: "timeout", Names: []string{"timeout_error"}, Class: upstream.Broken},
	{Name: "broken", Names: []string{"api_error"}, Class: upstream.Broken},
	{Name: "HTTP 408", From: 408, To: 408, Class: upstream.Broken},
	{Name: "HTTP 4xx", From: 400, To: 499, Class: upstream.CallerFault},

	{Name: "a page", Names: []string{upstream.SignPage}, Class: upstream.Broken},
}, upstream.SignRules, upstream.Table{
	// Also a redirect: keys are not sent elsewhere.
	{Name: "anything else", Class: upstream.Broken},
})

package fault

import (
	"slices"
	"strings"

	"connectrpc.com/connect"

	"carousel.internal/gateway/internal/ondemand"
	"carousel.internal/gateway/internal/upstream"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// What the upstream says in words only.
var (
	OutdatedWords = ondemand.Regexp(`(?i)update required|version .*no longer supported|(client|version) .*(outdated|too old)|please update to the latest`)
	RegionWords   = ondemand.Regexp(`(?i)(not available|not supported|unsupported|unavailable|n['’]t serve|not serve).*\b(region|country|territory)\b|\b(region|country|territory)\b.*(not available|not supported|unsupported)|UNSUPPORTED_REGION`)
	largeWords    = ondemand.Regexp(`(?i)too (long|large|big)|context (length|window)|larger than max`)
	quotaWords    = ondemand.Regexp(`(?i)usage limit|quota|billing|out of credits|upgrade to`)
	noModelWords  = ondemand.Regexp(`(?i)\bmodel\b.{0,250}\b(does not exist|not found|not exist|unknown)|(unknown|invalid|no such) model\b`)
	modelWords    = ondemand.Regexp(`(?i)(limit|requests|demand).* (for|of|to|on) (this|the) model`)
)

// limits are the errors that say something is exhausted, which may be any of four
// things: the words tell.
var limits = append(namesOf(
	aiserverv1.ErrorDetails_ERROR_FREE_USER_RATE_LIMIT_EXCEEDED,
	aiserverv1.ErrorDetails_ERROR_PRO_USER_RATE_LIMIT_EXCEEDED,
	aiserverv1.ErrorDetails_ERROR_OPENAI_RATE_LIMIT_EXCEEDED,
	aiserverv1.ErrorDetails_ERROR_GENERIC_RATE_LIMIT_EXCEEDED,
	aiserverv1.ErrorDetails_ERROR_GPT_4_VISION_PREVIEW_RATE_LIMIT,
	aiserverv1.ErrorDetails_ERROR_API_KEY_RATE_LIMIT,
	aiserverv1.ErrorDetails_ERROR_DEBOUNCED,
	aiserverv1.ErrorDetails_ERROR_RESOURCE_EXHAUSTED,
	aiserverv1.ErrorDetails_ERROR_RATE_LIMITED,
	aiserverv1.ErrorDetails_ERROR_RATE_LIMITED_CHANGEABLE,
), connect.CodeResourceExhausted.String())

// Table is what is at fault, whatever goes wrong. An error has one name here: that
// of its number, or its Connect code where the number says nothing (see
// Complaint.judged). Its status counts where the name is in no row.
var Table = slices.Concat(upstream.Table{
	// An outdated client comes in the dress of a rate limit, so the words go first.
	{Name: "outdated client, in words", Text: OutdatedWords, Class: upstream.OutdatedClient},
	{Name: "region, in words", Text: RegionWords, Class: upstream.Region},

	{Name: "limit: size", Names: limits, Text: largeWords, Class: upstream.TooLarge},
	{Name: "limit: quota", Names: limits, Text: quotaWords, Class: upstream.Quota},
	{Name: "limit: one model", Names: limits, Text: modelWords, Class: upstream.RateLimit, ModelOnly: true},
	{Name: "limit", Names: limits, Class: upstream.RateLimit},

	{Name: "token refused", Class: upstream.Auth, Names: append(namesOf(
		aiserverv1.ErrorDetails_ERROR_BAD_API_KEY,
		aiserverv1.ErrorDetails_ERROR_NOT_LOGGED_IN,
		aiserverv1.ErrorDetails_ERROR_INVALID_AUTH_ID,
		aiserverv1.ErrorDetails_ERROR_USER_NOT_FOUND,
		aiserverv1.ErrorDetails_ERROR_AUTH_TOKEN_NOT_FOUND,
		aiserverv1.ErrorDetails_ERROR_AUTH_TOKEN_EXPIRED,
		aiserverv1.ErrorDetails_ERROR_AGENT_REQUIRES_LOGIN,
		aiserverv1.ErrorDetails_ERROR_UNAUTHORIZED,
		aiserverv1.ErrorDetails_ERROR_BAD_USER_API_KEY,
	), connect.CodeUnauthenticated.String())},
	{Name: "not in the plan", Class: upstream.ModelNotAllowed, Names: append(namesOf(
		aiserverv1.ErrorDetails_ERROR_NOT_HIGH_ENOUGH_PERMISSIONS,
		aiserverv1.ErrorDetails_ERROR_TASK_NO_PERMISSIONS,
		aiserverv1.ErrorDetails_ERROR_PRO_USER_ONLY,
		aiserverv1.ErrorDetails_ERROR_API_KEY_NOT_SUPPORTED,
		aiserverv1.ErrorDetails_ERROR_GITHUB_NO_USER_CREDENTIALS,
		aiserverv1.ErrorDetails_ERROR_GITHUB_USER_NO_ACCESS,
		aiserverv1.ErrorDetails_ERROR_GITHUB_APP_NO_ACCESS,
	), connect.CodePermissionDenied.String())},
	{Name: "quota", Class: upstream.Quota, Names: namesOf(
		aiserverv1.ErrorDetails_ERROR_FREE_USER_USAGE_LIMIT,
		aiserverv1.ErrorDetails_ERROR_PRO_USER_USAGE_LIMIT,
		aiserverv1.ErrorDetails_ERROR_OPENAI_ACCOUNT_LIMIT_EXCEEDED,
		aiserverv1.ErrorDetails_ERROR_USAGE_PRICING_REQUIRED,
		aiserverv1.ErrorDetails_ERROR_USAGE_PRICING_REQUIRED_CHANGEABLE,
	)},
	{Name: "too large", Class: upstream.TooLarge, Names: namesOf(
		aiserverv1.ErrorDetails_ERROR_MAX_TOKENS,
		aiserverv1.ErrorDetails_ERROR_SLASH_EDIT_FILE_TOO_LONG,
		aiserverv1.ErrorDetails_ERROR_CONVERSATION_TOO_LONG,
	)},
	{Name: "outdated client", Class: upstream.OutdatedClient, Names: namesOf(
		aiserverv1.ErrorDetails_ERROR_OUTDATED_CLIENT,
		aiserverv1.ErrorDetails_ERROR_DEPRECATED,
	)},
	{Name: "model unknown", Class: upstream.ModelUnknown, Names: namesOf(aiserverv1.ErrorDetails_ERROR_BAD_MODEL_NAME)},
	{Name: "model unknown, in words", Class: upstream.ModelUnknown, Text: noModelWords, Names: []string{
		connect.CodeNotFound.String(), connect.CodeInvalidArgument.String(),
		strings.ToLower(aiserverv1.ErrorDetails_ERROR_NOT_FOUND.String()), strings.ToLower(aiserverv1.ErrorDetails_ERROR_BAD_REQUEST.String()),
	}},
	{Name: "bad request", Class: upstream.CallerFault, Names: append(namesOf(
		aiserverv1.ErrorDetails_ERROR_TASK_UUID_NOT_FOUND,
		aiserverv1.ErrorDetails_ERROR_AGENT_ENGINE_NOT_FOUND,
		aiserverv1.ErrorDetails_ERROR_FILE_UNSUPPORTED,
		aiserverv1.ErrorDetails_ERROR_CLAUDE_IMAGE_TOO_LARGE,
		aiserverv1.ErrorDetails_ERROR_GITGRAPH_NOT_FOUND,
		aiserverv1.ErrorDetails_ERROR_FILE_NOT_FOUND,
		aiserverv1.ErrorDetails_ERROR_BAD_REQUEST,
		aiserverv1.ErrorDetails_ERROR_REPOSITORY_SERVICE_REPOSITORY_IS_NOT_INITIALIZED,
		aiserverv1.ErrorDetails_ERROR_NOT_FOUND,
		aiserverv1.ErrorDetails_ERROR_GITHUB_MULTIPLE_OWNERS,
		aiserverv1.ErrorDetails_ERROR_HOOKS_BLOCKED,
	),
		connect.CodeInvalidArgument.String(), connect.CodeFailedPrecondition.String(), connect.CodeOutOfRange.String(),
		connect.CodeNotFound.String(), connect.CodeAlreadyExists.String(),
	)},
	{Name: "upstream failed", Class: upstream.Broken, Names: namesOf(
		aiserverv1.ErrorDetails_ERROR_OPENAI,
		aiserverv1.ErrorDetails_ERROR_TIMEOUT,
		aiserverv1.ErrorDetails_ERROR_USER_ABORTED_REQUEST, // we did not
	)},

	{Name: "a page", Names: []string{upstream.SignPage}, Class: upstream.Broken},

	{Name: "HTTP 400", From: 400, To: 400, Class: upstream.CallerFault},
	{Name: "HTTP 401", From: 401, To: 401, Class: upstream.Auth},
	{Name: "HTTP 402", From: 402, To: 402, Class: upstream.Quota},
	{Name: "HTTP 403", From: 403, To: 403, Class: upstream.Auth},
	{Name: "HTTP 410", From: 410, To: 410, Class: upstream.OutdatedClient},
	{Name: "HTTP 413", From: 413, To: 413, Class: upstream.TooLarge},
	{Name: "HTTP 422", From: 422, To: 422, Class: upstream.CallerFault},
	{Name: "HTTP 426", From: 426, To: 426, Class: upstream.OutdatedClient},
	{Name: "HTTP 429: size", From: 429, To: 429, Text: largeWords, Class: upstream.TooLarge},
	{Name: "HTTP 429: quota", From: 429, To: 429, Text: quotaWords, Class: upstream.Quota},
	{Name: "HTTP 429: one model", From: 429, To: 429, Text: modelWords, Class: upstream.RateLimit, ModelOnly: true},
	{Name: "HTTP 429", From: 429, To: 429, Class: upstream.RateLimit},
	{Name: "HTTP 451", From: 451, To: 451, Class: upstream.Region},
}, upstream.SignRules, upstream.Table{
	// Among others HTTP 464, by which a load balancer refuses a version of HTTP.
	{Name: "anything else", Class: upstream.Broken},
})

// mute are the numbers that say nothing of their own.
var mute = map[aiserverv1.ErrorDetails_Error]bool{
	aiserverv1.ErrorDetails_ERROR_UNSPECIFIED:    true,
	aiserverv1.ErrorDetails_ERROR_CUSTOM_MESSAGE: true,
	aiserverv1.ErrorDetails_ERROR_CUSTOM:         true,
}

func namesOf(numbers ...aiserverv1.ErrorDetails_Error) []string {
	names := make([]string, len(numbers))
	for i, number := range numbers {
		names[i] = strings.ToLower(number.String())
	}
	return names
}

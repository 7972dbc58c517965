package agent

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/ondemand"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/agent/prompt"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/proto/service/secret"
)

const (
	// signNativeTools: the model asks for tools that are not here, again and again.
	signNativeTools = "(native tools)"
	// signBare: something is exhausted, and the upstream has no word for what.
	signBare = "(bare resource_exhausted)"
	// signBareLarge is the same for a prompt that fills much of the model's window.
	signBareLarge = "(bare resource_exhausted, large)"
)

// What this protocol says in words only.
var (
	ourBugWords   = ondemand.Regexp(`(?i)no exec result|conversation state is required|illegal tag`)
	rateWords     = ondemand.Regexp(`(?i)too many requests|rate.?limit|quota|throttl`)
	accountCloser = ondemand.Regexp(`(?i)account.{0,40}(closed|blocked|suspended|disabled)|suspicious (usage|activity)`)
)

// failures are the rows that this protocol has beside, or instead of, those of the older one.
var failures = slices.Concat(upstream.Table{
	{Name: "agent: outdated client, in words", Text: fault.OutdatedWords, Class: upstream.OutdatedClient},
	{Name: "agent: HTTP version", From: 464, To: 464, Class: upstream.OutdatedClient},
	{Name: "agent: our bug, in words", Text: ourBugWords, Class: upstream.CallerFault},
	{Name: "agent: account blocked", Class: upstream.Auth, Names: []string{"error_suspicious_usage_blocked", "error_account_closed"}},
	{Name: "agent: account blocked, in words", Class: upstream.Auth, Text: accountCloser, Names: []string{"permission_denied", "failed_precondition", "unauthenticated"}},
	{Name: "agent: region", Class: upstream.Region, Names: []string{"error_unsupported_region"}},
	{Name: "agent: region, in words", Class: upstream.Region, Text: fault.RegionWords},
	{Name: "agent: model", Class: upstream.ModelUnknown, Names: []string{
		"error_bad_model_name", "error_model_blocked", "error_model_no_longer_supported", "not_found",
	}},
	{Name: "agent: too large", Class: upstream.TooLarge, Names: []string{
		"error_max_tokens", "error_conversation_too_long", "error_claude_image_too_large", signBareLarge,
	}},
	{Name: "agent: request refused", Class: upstream.CallerFault, Names: []string{
		"error_bad_request", "error_api_key_not_supported", "error_slash_edit_file_too_long", "error_file_unsupported", "error_max_mode_required",
	}},
	{Name: "agent: not in the plan", Class: upstream.ModelNotAllowed, Names: []string{
		"error_not_high_enough_permissions", "error_pro_user_only", "error_usage_pricing_required", "error_usage_pricing_required_changeable",
	}},
	{Name: "agent: provider refuses the request", Class: upstream.CallerFault, Names: []string{
		"error_provider_error" + fault.Final, "error_network_error" + fault.Final, "error_internal" + fault.Final, "error_slow_pool" + fault.Final,
		"internal" + fault.Final, "unavailable" + fault.Final, "unknown" + fault.Final, "aborted" + fault.Final,
	}},
	{Name: "agent: provider fails", Class: upstream.Broken, Names: []string{
		"error_provider_error", "error_network_error", "error_internal", "error_slow_pool", "error_extension_host_timeout", "error_pricing_warning",
	}},
	{Name: "agent: exhausted without a word", Class: upstream.Broken, Names: []string{signBare}},
	{Name: "agent: insists on native tools", Class: upstream.Broken, Names: []string{signNativeTools}},
	{Name: "agent: limit, in words", Class: upstream.RateLimit, Text: rateWords, Names: []string{"internal", "unavailable", "unknown", "aborted"}},
	{Name: "agent: connection", Class: upstream.Transport, Names: []string{"unavailable", "deadline_exceeded", "aborted"}},
}, fault.Table)

// isBare tells whether the upstream says only that something is exhausted.
func isBare(said *fault.Complaint) bool { return said.Code == "resource_exhausted" && said.Mute() }

// judge classifies what the upstream says. Of what is exhausted without a word the prompt's
// size tells most. window is the model's, in tokens; 0: not known.
func judge(said *fault.Complaint, p *prompt.Prompt, window int, known secret.Value) *upstream.Failure {
	if !isBare(said) {
		return said.Failure(failures, known)
	}
	bare := *said
	bare.Code = signBare
	if window > 0 && tokensOf(p) >= window/2 { //nolint:mnd // half of it
		bare.Code = signBareLarge
	}
	failure := bare.Failure(failures, known)
	failure.Code = said.Code
	failure.Message = "the upstream says that something is exhausted, and not what"
	return failure
}

const (
	// bytesPerToken is about what a token has.
	bytesPerToken = 4
	// maxCounted is what of a blob is counted, in bytes: what is larger is an image.
	maxCounted = 128 << 10
)

// tokensOf is about how large the text of a prompt is.
func tokensOf(p *prompt.Prompt) int {
	size := len(p.Run.GetAction().GetUserMessageAction().GetUserMessage().GetText()) + proto.Size(p.Context)
	for _, blob := range p.Blobs {
		size += min(len(blob), maxCounted)
	}
	return size / bytesPerToken
}

// hasHistory tells whether a prompt tells of earlier turns in blobs.
func hasHistory(p *prompt.Prompt) bool { return len(p.Run.GetConversationState().GetTurns()) > 0 }

package openai

import (
	"slices"

	"carousel.internal/gateway/internal/ondemand"
	"carousel.internal/gateway/internal/upstream"
)

// What upstreams say in words only.
var (
	// sizeWords are as OpenAI and vLLM have them, `maximum context length is`, as llama.cpp,
	// `exceeds the available context size`, as SGLang, `longer than the model's context
	// length`, as xAI, `maximum prompt length`, and as Gemini, `The input token count …
	// exceeds the maximum number of tokens allowed`.
	sizeWords = ondemand.Regexp(`(?i)maximum (context|prompt|model) length|context window|(prompt|input) is too long` +
		`|\bexceed(s|ed|ing)? .{0,40}\bcontext (length|size|limit)|\bmodel['’]?s context length|longer than .{0,40}\bmodel length|input token count .{0,40}\bexceeds`)
	// OpenAI counts for each model by itself: `Rate limit reached for gpt-4o in
	// organization org-… on tokens per min (TPM)`.
	modelWords = ondemand.Regexp(`(?i)rate limit (reached|exceeded) for (model )?\S+ (in|on) `)
)

// noModel are the names of an upstream's not having a model.
var noModel = []string{
	"model_not_found", "invalid_model", "unknown_model", "model_not_available", "deploymentnotfound",
	"model_not_supported", "unsupported_model", "model_decommissioned",
}

var (
	// accessWords say that others may use the model.
	accessWords = ondemand.Regexp(`(?i)not have access to (the )?model|not (allowed|permitted|authorized) to (use|access|sample from) (the |this )?model`)
	// noModelWords are as upstreams without a name for it have them: `The model x does
	// not exist`, `model "x" not found`, `Model Not Exist`, `x is not a valid model ID`,
	// `Invalid model name passed in model=x`, `No endpoints found for x.`, `model: x`.
	// What is not found behind a colon is something else.
	noModelWords = ondemand.Regexp(`(?i)\b(models?|deployment)\b:?([^:;]|[:;]\S){0,250}\b((does not|doesn['’]t|do not|not) exist|not found)` +
		`|not found the model|(unknown|no such|unable to access) model\b|invalid model( id| name)?( passed\b|[:.'"]|$)` +
		`|not a valid model|no endpoints found for|^model: \S+$|\bunsupported model:|\bmodels?( \S+)? (is|are) (not|no longer) supported(\.|$| by any)` +
		`|\bmodel identifier is (not valid|invalid)|\bmodel .{0,250}\bhas been (decommissioned|retired|shut down)|模型不存在|llm provider not provided`)
	// noChannelWords are those of gateways before providers that have none for the model.
	noChannelWords = ondemand.Regexp(`(?i)\bno available channels? for (the )?model\b|对于模型.{0,250}无可用渠道`)
)

// What upstreams say in words that have neither a name nor a status for it.
var (
	quotaWords = ondemand.Regexp(`(?i)\b(quota|balance|credits?|funds)\b.{0,40}\b(used up|exhausted|exceeded|insufficient|not enough|too low|depleted|empty)\b|\b(insufficient|not enough|out of|exceeded your( current)?) (quota|balance|credits?|funds)\b`)
	limitWords = ondemand.Regexp(`(?i)\b(rate limit|too many requests|throttled)`)
	keyWords   = ondemand.Regexp(`(?i)\b(invalid|incorrect|wrong|expired|unknown|missing|revoked|disabled)( or \w+)? (api[ _-]?)?(key|token)\b|\b(key|token) (is|was|has been) (not valid|invalid|incorrect|wrong|expired|unknown|missing|revoked|disabled)\b|\b(login|authentication|authorization) (failed|fail|error)\b|\bunauthori[sz]ed\b`)
)

// sealWords are as OpenAI has them: `The encrypted content gAAA… could not be verified. Reason:
// Encrypted content could not be decrypted or parsed.`
var sealWords = ondemand.Regexp(`(?is)\bencrypted.{0,200}\bcould not be (decrypted|verified|parsed)\b`)

// lostWords are of an item that is known by its id alone, such as a thought whose seal was another
// upstream's: `Item with id 'rs_…' not found. Items are not persisted when store is set to false.`
var lostWords = ondemand.Regexp(`(?i)\bitems are not persisted\b`)

// promptFaults are what the Responses API finds wrong with what it has been asked, also when it
// has begun to answer.
var promptFaults = []string{
	"invalid_prompt", "bio_policy", "cyber_policy", "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url", "image_too_large",
	"image_too_small", "image_parse_error", "image_content_policy_violation", "invalid_image_mode", "image_file_too_large", "unsupported_image_media_type",
	"empty_image_file", "failed_to_download_image", "image_file_not_found",
}

// aboutBaseResp is before the names of errors in a base_resp.
const aboutBaseResp = "base_resp="

// limits are the names of rate limits, in an answer of any status.
var limits = []string{"rate_limit_exceeded", "rate_limit_reached_error", "too_many_requests", "base_resp=1002", "base_resp=1039"}

// inStream are names of rate limits that decide only inside an answer that began
// well: elsewhere the status says more.
var inStream = []string{"rate_limit_error", "requests", "tokens"}

// aboutModel is the name of an error whose `param` is the model.
const aboutModel = "param=model"

// failures is what is at fault, whatever goes wrong. An error's names are its `code`
// and its `type`. A number as `code`, in an answer with status 200, counts as the status,
// unless the words say more.
var failures = slices.Concat(upstream.Table{
	{Name: "seal refused", Names: []string{"invalid_encrypted_content"}, Class: upstream.SealRefused},
	{Name: "seal refused, in words", From: 200, To: 422, Text: sealWords, Class: upstream.SealRefused},
	{Name: "item not kept, in words", From: 200, To: 422, Text: lostWords, Class: upstream.SealRefused},
	{Name: "earlier answer unknown", Names: []string{"previous_response_not_found"}, Class: upstream.CallerFault},
	{Name: "wrong input", Names: promptFaults, Class: upstream.CallerFault},
	{Name: "quota", Class: upstream.Quota, Names: []string{
		"insufficient_quota", "insufficient_balance", "insufficient_credits", "quota_exceeded",
		"exceeded_current_quota_error", "billing_hard_limit_reached", "billing_not_active", "usage_limit_reached", "usage_not_included", "base_resp=1008",
	}},
	{Name: "limit: one model", Names: limits, Text: modelWords, Class: upstream.RateLimit, ModelOnly: true},
	{Name: "limit", Names: limits, Class: upstream.RateLimit},
	{Name: "too large", Class: upstream.TooLarge, Names: []string{
		"context_length_exceeded", "exceed_context_size_error", "request_too_large",
	}},
	{Name: "token refused", Class: upstream.Auth, Names: []string{
		"invalid_api_key", "incorrect_api_key_error", "invalid_authentication_error", "account_deactivated", "token_expired",
		"base_resp=1004", "base_resp=2049",
	}},
	{Name: "model not allowed", Names: []string{"model_access_denied"}, Class: upstream.ModelNotAllowed},
	// `Project proj_… does not have access to model gpt-…`
	{Name: "HTTP 403: no access to the model", From: 403, To: 403, Names: noModel, Class: upstream.ModelNotAllowed},
	{Name: "no access to the model, in words", Names: noModel, Text: accessWords, Class: upstream.ModelNotAllowed},
	// Also `… does not exist or you do not have access to it`, which says neither.
	{Name: "model unknown", Names: noModel, Class: upstream.ModelUnknown},
	{Name: "region", Names: []string{"unsupported_country_region_territory"}, Class: upstream.Region},
	{Name: "overloaded", Class: upstream.Broken, Names: []string{
		"server_overloaded", "overloaded_error", "engine_overloaded", "engine_overloaded_error", "server_is_overloaded", "slow_down",
	}},

	{Name: "in a stream: limit of one model", From: 200, To: 200, Names: inStream, Text: modelWords, Class: upstream.RateLimit, ModelOnly: true},
	{Name: "in a stream: limit", From: 200, To: 200, Names: inStream, Class: upstream.RateLimit},
	{Name: "in a stream: token refused", From: 200, To: 200, Names: []string{"authentication_error", "permission_error"}, Class: upstream.Auth},
	{Name: "in a stream: size", From: 200, To: 200, Names: []string{"invalid_request_error"}, Text: sizeWords, Class: upstream.TooLarge},
	{Name: "in a stream: unknown model among wrong input", From: 200, To: 200, Names: []string{"base_resp=2013"}, Text: noModelWords, Class: upstream.ModelUnknown},
	{Name: "in a stream: wrong input", From: 200, To: 200, Names: []string{"base_resp=1026", "base_resp=2013"}, Class: upstream.CallerFault},
	{Name: "in a stream: bad request", From: 200, To: 200, Names: []string{"invalid_request_error"}, Class: upstream.CallerFault},
	{Name: "in words: quota", From: 200, To: 200, Text: quotaWords, Class: upstream.Quota},
	{Name: "in words: limit", From: 200, To: 200, Text: limitWords, Class: upstream.RateLimit},
	{Name: "in words: token refused", From: 200, To: 200, Text: keyWords, Class: upstream.Auth},
	{Name: "in words: size", From: 200, To: 200, Text: sizeWords, Class: upstream.TooLarge},
	{Name: "in words: model unknown", From: 200, To: 200, Text: noModelWords, Class: upstream.ModelUnknown},

	{Name: "HTTP 401", From: 401, To: 401, Class: upstream.Auth},
	{Name: "HTTP 402", From: 402, To: 402, Class: upstream.Quota},
	{Name: "HTTP 403: the model", From: 403, To: 403, Names: []string{aboutModel}, Class: upstream.ModelNotAllowed},
	{Name: "HTTP 403", From: 403, To: 403, Class: upstream.Auth},
	{Name: "HTTP 408", From: 408, To: 408, Class: upstream.Broken},
	{Name: "HTTP 409", From: 409, To: 409, Class: upstream.Broken},
	{Name: "HTTP 413", From: 413, To: 413, Class: upstream.TooLarge},
	{Name: "HTTP 425", From: 425, To: 425, Class: upstream.Broken},
	{Name: "HTTP 426", From: 426, To: 426, Class: upstream.OutdatedClient},
	{Name: "HTTP 429: one model", From: 429, To: 429, Text: modelWords, Class: upstream.RateLimit, ModelOnly: true},
	{Name: "HTTP 429", From: 429, To: 429, Class: upstream.RateLimit},
	{Name: "HTTP 451", From: 451, To: 451, Class: upstream.Region},
	{Name: "HTTP 404: the model", From: 404, To: 404, Names: []string{aboutModel}, Class: upstream.ModelUnknown},
	{Name: "HTTP 404: model unknown, in words", From: 404, To: 404, Text: noModelWords, Class: upstream.ModelUnknown},
	{Name: "HTTP 400: model unknown, in words", From: 400, To: 400, Text: noModelWords, Class: upstream.ModelUnknown},
	{Name: "HTTP 4xx: size", From: 400, To: 499, Text: sizeWords, Class: upstream.TooLarge},
	{Name: "HTTP 4xx", From: 400, To: 499, Class: upstream.CallerFault},
	{Name: "HTTP 5xx: no channel for the model", From: 500, To: 599, Text: noChannelWords, Class: upstream.ModelUnknown},

	{Name: "a page", Names: []string{upstream.SignPage}, Class: upstream.Broken},
}, upstream.SignRules, upstream.Table{
	// Also a redirect: keys are not sent elsewhere.
	{Name: "anything else", Class: upstream.Broken},
})

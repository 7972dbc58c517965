package e2e_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/deploy/e2e/stack"
)

// settingValuesShape are the settings; settingsShape says also when one was changed last.
var settingValuesShape = object{
	"affinity": "string", "check_usage_models": "string", "check_usage_models_type": "string", "cursor_client_version": "string", "cursor_timezone": "string",
	"default_instructions": "string", "enable_alias_pinning": "bool", "enable_all_claude": "bool", "enable_own_tokens": "bool",
	"enable_slow_pool": "bool", "enable_stream_check": "bool", "include_stop_stream": "bool", "list_all_models": "bool", "log_prompt_mb": "number", "log_prompts": "bool",
	"log_retention_count": "number", "log_retention_hours": "number", "max_attempts": "number", "queue_wait_ms": "number", "rotation_strategy": "string",
	"vision_ability": "string",
}

var settingsShape = with(settingValuesShape, object{"updated_at": "string?", "version": "number"})

var configShape = object{"status": text("success"), "message": "string", "data": object{
	"page_content": object{"type": text("default"), "content": text("")}, "enable_stream_check": "bool", "include_stop_stream": "bool", "vision_ability": "string",
	"enable_slow_pool": "bool", "enable_all_claude": "bool", "check_usage_models": object{"type": "string"}, "version": "number",
}}

var headersShape = list{object{"name": "string", "value": "string?"}}

var logEntryShape = object{
	"id": "string", "replica": "string", "started_at": "string", "total_ms": "number?", "first_byte_ms": "number?", "model": "string",
	"upstream": "string?", "token_id": "string?", "token_alias": "string?", "token_fingerprint": "string?", "token": "string?", "stream": "bool",
	"status": "string", "http_status": "number", "error": "string?", "error_kind": "string?", "end_reason": "string", "attempts": "number", "fallback_model": "string?",
	"dialect": "string?", "translated": "bool", "prompt_tokens": "number", "completion_tokens": "number",
	"cache_read_tokens": "number?", "cache_write_tokens": "number?", "cache_write_hour_tokens": "number?", "reasoning_tokens": "number?", "usage_source": "string", "prompt": "string?", "prompt_cut": "bool",
	"caller": "string?", "key_id": "string?", "key_name": "string?", "served_model": "string?", "trace_id": "string?", "cost_usd": "string?", "cost_quality": "string?",
	"attempt_log": list{object{
		"started_at": "string", "total_ms": "number", "upstream": "string", "model": "string", "token_id": "string?", "token_alias": "string?", "token": "string?",
		"token_fingerprint": "string?", "class": "string?", "rule": "string?", "effect": "string", "status": "number?", "code": "string?", "param": "string?", "message": "string?",
		"retry_after_ms": "number?", "consequence": "any", "sent_headers": headersShape, "received_headers": headersShape,
	}},
	"client_headers": headersShape,
	"pool":           "any", "retry_after_ms": "number?",
}

var priceShape = object{
	"match": "string", "upstream": "string", "source": "string", "input_per_million": "string?", "output_per_million": "string?", "cache_read_per_million": "string?",
	"cache_write_per_million": "string?", "cache_write_hour_per_million": "string?", "reasoning_per_million": "string?",
}

var keyShape = object{
	"id": "string", "name": "string", "tags": list{"string"}, "state": "string", "expires_at": "string?", "models": list{"string"}, "networks": list{"string"}, "scopes": list{"string"},
	"limits": mapOf{"number"}, "budgets": list{object{"unit": "string", "amount": "string", "period": "string", "time_zone": "string"}},
	"masked_secret": "string", "created_at": "string", "updated_at": "string", "old_secret_until": "string?", "deleted_at": "string?", "version": "number",
	"left": list{object{
		"limit": "string", "unit": "string", "period": "string", "amount": "string", "used": "string", "reserved": "string", "left": "string", "renews_at": "string?",
	}},
}

var changeShape = object{"kind": "string", "id": "string", "name": "string", "deed": "string", "field": "string", "before": "string?", "after": "string?"}

var secretShape = object{"key": keyShape, "secret": "string"}

var usageSumsShape = object{
	"requests": "number", "failures": "number", "prompt_tokens": "number", "completion_tokens": "number", "cache_read_tokens": "number",
	"cache_write_tokens": "number", "cache_write_hour_tokens": "number", "reasoning_tokens": "number", "cost_usd": "string",
	"cost_by_quality":   object{"reported": "string", "estimated": "string", "partial": "string"},
	"reported_requests": "number", "estimated_requests": "number", "partial_requests": "number", "unpriced_requests": "number",
}

var testCostShape = object{"requests": "number", "estimated_usd": "string?", "at_most_usd": "string?"}

var pricesShape = object{"prices": list{priceShape}, "built_in": list{priceShape}, "version": "number"}

var logBucketShape = object{
	"start": "string", "requests": "number", "failures": "number", "prompt_tokens": "number", "completion_tokens": "number",
	"cache_read_tokens": "number", "cache_write_tokens": "number", "cache_write_hour_tokens": "number", "reasoning_tokens": "number",
	"total_p50_ms": "number?", "total_p95_ms": "number?", "first_byte_p50_ms": "number?", "first_byte_p95_ms": "number?",
}

// with is a shape with more members.
func with(shape object, more object) object {
	all := maps.Clone(shape)
	maps.Copy(all, more)
	return all
}

var accountShape = object{
	"user_id": "string", "email": "string", "name": "string", "membership": "string", "subscription_status": "string", "trial_days_left": "number?",
	"quotas":      list{object{"name": "string", "requests": "number", "max_requests": "number?", "tokens": "number", "max_tokens": "number?"}},
	"quota_start": "string?", "quota_resets_at": "string?", "as_of": "string", "error": "string?",
}

var upstreamShape = object{
	"name": "string", "driver": "string", "base_url": "string", "models": list{"string"}, "settings": mapOf{"string"}, "version": "number",
}

var routeShape = object{
	"name": "string", "match": "string", "version": "number", "parameters": mapOf{"any"},
	"targets": list{object{"upstream": "string", "model": "string", "priority": "number", "weight": "number"}},
}

// choiceShape is what an upstream's tokens would do for a request.
var choiceShape = object{
	"chosen": "string?", "cause": "string?", "cause_until": "string?",
	"candidates": list{object{"token_id": "string", "alias": "string", "excluded_by": "string?", "until": "string?", "score": "number"}},
}

var explainedShape = with(choiceShape, object{
	"model": "string", "upstream": "string", "as_of": "string", "route": "any", "fallbacks": list{"string"}, "key": "any",
	"targets": list{with(choiceShape, object{
		"upstream": "string", "model": "string", "priority": "number", "weight": "number", "order": "number", "share": "number", "excluded": "string?",
	})},
})

// publicCalls are the routes of the public surface that are no admin API.
func publicCalls() []call {
	chat := chatBody("gpt-4o", "Hello", false)
	return []call{
		{method: "GET", path: "/", status: 307, location: "/health"},
		{method: "GET", path: "/api/hello", status: 204},
		{method: "GET", path: "/health", status: 200, shape: object{
			"status": text("healthy"), "version": "string", "uptime": "number", "models": list{"string"}, "endpoints": list{"string"},
			"stats": object{
				"started": "string", "total_requests": "number", "active_requests": "number",
				"system": object{"memory": object{"rss": "number"}, "cpu": object{"usage": "number"}},
			},
		}},
		{method: "GET", path: "/v1/models", status: 200, shape: object{
			"object": text("list"), "data": list{object{"id": "string", "object": text("model"), "created": "number", "owned_by": "string"}},
		}},
		{method: "GET", path: "/v1/models/gpt-4o", status: 200, shape: object{"id": text("gpt-4o"), "object": text("model"), "created": "number", "owned_by": text("openai")}},
		{method: "GET", path: "/v1/models/nope", status: 404},
		{method: "POST", path: "/v1/chat/completions", access: admin, body: chat, status: 200, shape: object{
			"id": "string", "object": text("chat.completion"), "created": "number", "model": text("gpt-4o"),
			"choices": list{object{"index": "number", "message": object{"role": text("assistant"), "content": "string", "refusal": "string?"}, "finish_reason": text("stop")}},
			"usage":   object{"prompt_tokens": "number", "completion_tokens": "number", "total_tokens": "number"},
		}},
		{method: "POST", path: "/v1/chat/completions", access: admin, body: `{"model":"nope","messages":[{"role":"user","content":"x"}]}`, status: 404, code: "model_not_supported"},
		{method: "POST", path: "/v1/chat/completions", access: admin, body: `{"model":"gpt-test","messages":[]}`, status: 400, code: "empty_messages"},

		{method: "GET", path: "/v1/key", access: admin, status: 400},
		{name: "a client key", method: "GET", path: "/v1/key", access: admin, header: map[string]string{"Authorization": "Bearer {secret}"}, status: 200, shape: keyShape},
		{
			method: "POST", path: "/mcp", access: admin, body: `{"jsonrpc":"2.0","id":1,"method":"ping"}`, header: map[string]string{"Accept": "application/json, text/event-stream"},
			status: 200, shape: object{"jsonrpc": text("2.0"), "id": "number", "result": "any"},
		},
		{
			name: "a key without a scope", method: "POST", path: "/mcp", access: admin, body: `{"jsonrpc":"2.0","id":1,"method":"ping"}`,
			header: map[string]string{"Authorization": "Bearer {secret}", "Accept": "application/json, text/event-stream"}, status: 403,
		},
		{method: "GET", path: "/key", status: 200, contentType: "text/html"},
		{
			name: "a key", method: "POST", path: "/key", body: "key={secret}&range=24h", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
			status: 200, contentType: "text/html",
		},

		{method: "GET", path: "/tokeninfo", access: page, status: 200, contentType: "text/html"},
		{method: "GET", path: "/config", access: page, status: 200, contentType: "text/html"},
		{method: "GET", path: "/logs", access: page, status: 200, contentType: "text/html"},

		{method: "GET", path: "/checksum", status: 200, shape: object{"checksum": "string"}},
		{method: "GET", path: "/get-checksum", status: 200, shape: object{"checksum": "string"}},
		{method: "GET", path: "/get-checksum?checksum=nonsense", status: 200, shape: object{"checksum": "string"}},
		{method: "GET", path: "/get-hash", status: 200, contentType: "text/plain"},
		{method: "GET", path: "/get-tsheader", status: 200, contentType: "text/plain"},
		{method: "GET", path: "/env-example", status: 200, contentType: "text/plain"},
		{method: "GET", path: "/about", status: 200, contentType: "text/html"},
		{method: "GET", path: "/readme", status: 307, location: "/about"},
		{method: "GET", path: "/static/shared-styles.css", status: 200, contentType: "text/css"},
		{method: "GET", path: "/static/shared.js", status: 200, contentType: "text/javascript"},
		{method: "GET", path: "/static/other.js", status: 404},
		{method: "GET", path: "/nope", status: 404},
	}
}

var fileReportShape = object{
	"accepted": "number", "updated": "number", "deleted": "number",
	"rejected": list{object{"file": "string", "line": "number", "reason": "string"}},
}

// referenceCalls are the admin routes of the reference system.
func referenceCalls() []call {
	updated := object{
		"status": text("success"), "message": "string", "token_file": "string", "token_list_file": "string",
		"token_count": "number", "tokens_count": "number", "report": fileReportShape,
	}
	return []call{
		{method: "GET", path: "/update-tokeninfo", access: admin, status: 200, shape: updated},
		{method: "POST", path: "/update-tokeninfo", access: admin, body: `{"tokens":"files::sk-surface-token-0001\n"}`, status: 200, shape: updated},
		{name: "no token is good", method: "POST", path: "/update-tokeninfo", access: admin, body: `{"tokens":"a::b::c\n"}`, status: 400},
		{name: "wrong type", method: "POST", path: "/update-tokeninfo", access: admin, body: `{"tokens":7}`, status: 400},
		{name: "tokens missing", method: "POST", path: "/update-tokeninfo", access: admin, body: `{}`, status: 400},
		{name: "no JSON", method: "POST", path: "/update-tokeninfo", access: admin, body: `tokens`, status: 400},
		{
			name: "stale", method: "POST", path: "/update-tokeninfo", access: admin, body: `{"tokens":"x::sk-surface-token-0002"}`,
			header: map[string]string{"If-Match": `"stale"`}, status: 409,
		},
		{method: "POST", path: "/get-tokeninfo", access: admin, status: 200, shape: object{
			"status": text("success"), "token_file": "string", "token_list_file": "string", "tokens": "string", "token_list": "string", "tokens_count": "number",
		}},

		{method: "POST", path: "/config", access: admin, body: `{"action":"get","path":"/logs"}`, status: 200, shape: configShape},
		{method: "POST", path: "/config", access: admin, body: `{"action":"update","enable_slow_pool":false}`, status: 200, shape: configShape},
		{method: "POST", path: "/config", access: admin, body: `{"action":"reset","enable_slow_pool":false}`, status: 200, shape: configShape},
		{name: "unknown action", method: "POST", path: "/config", access: admin, body: `{"action":"explode"}`, status: 400},
		{name: "no action", method: "POST", path: "/config", access: admin, body: `{}`, status: 400},
		{name: "unknown path", method: "POST", path: "/config", access: admin, body: `{"action":"update","path":"/etc/passwd","content":"x","content_type":"text"}`, status: 400},
		{name: "unknown content type", method: "POST", path: "/config", access: admin, body: `{"action":"update","path":"/logs","content":"x","content_type":"pdf"}`, status: 400},
		{name: "wrong type", method: "POST", path: "/config", access: admin, body: `{"action":"update","enable_slow_pool":"yes"}`, status: 400},
		{name: "wrong type of the content", method: "POST", path: "/config", access: admin, body: `{"action":"update","path":"/logs","content":7,"content_type":"text"}`, status: 400},
		{name: "oversized content", method: "POST", path: "/config", access: admin, body: `{"action":"update","path":"/logs","content":"` + strings.Repeat("x", 300<<10) + `","content_type":"text"}`, status: 413},
		{name: "invalid UTF-8", method: "POST", path: "/config", access: admin, body: "{\"action\":\"update\",\"path\":\"/logs\",\"content\":\"\xff\",\"content_type\":\"text\"}", status: 400},
		{name: "one good and one bad", method: "POST", path: "/config", access: admin, body: `{"action":"update","enable_slow_pool":true,"path":"/nowhere","content":"x","content_type":"text"}`, status: 400},
		{name: "unknown path to reset", method: "POST", path: "/config", access: admin, body: `{"action":"reset","path":"/nowhere"}`, status: 400},
		{name: "no JSON", method: "POST", path: "/config", access: admin, body: `action=get`, status: 400},
		{name: "wrong enum", method: "POST", path: "/config", access: admin, body: `{"action":"update","vision_ability":"everything"}`, status: 400},
		{name: "stale", method: "POST", path: "/config", access: admin, body: `{"action":"update","enable_slow_pool":true,"version":999999}`, status: 409},

		{method: "POST", path: "/logs", access: admin, status: 200, shape: object{
			"status": text("success"), "total": "number", "timestamp": "string", "next": "string", "logs": list{referenceLogShape},
		}},
		{name: "filtered", method: "POST", path: "/logs", access: admin, body: `{"model":"gpt-test","status":"success","limit":1}`, status: 200, shape: object{
			"status": text("success"), "total": "number", "timestamp": "string", "next": "string", "logs": list{referenceLogShape},
		}},
		{name: "wrong limit", method: "POST", path: "/logs", access: admin, body: `{"limit":-1}`, status: 400},
		{name: "wrong status", method: "POST", path: "/logs", access: admin, body: `{"status":"great"}`, status: 400},
		{method: "GET", path: "/get-user-info?alias=surface-1", access: admin, status: 200},
		{name: "no alias", method: "GET", path: "/get-user-info", access: admin, status: 400},
	}
}

// adminCalls are the routes of the admin API; {id} is a token's id.
func adminCalls() []call {
	return []call{
		{method: "GET", path: "/admin/api/tokens", access: admin, status: 200, shape: object{"tokens": list{tokenShape}, "next": "string", "total": "number?"}},
		{name: "unknown filter", method: "GET", path: "/admin/api/tokens?colour=red", access: admin, status: 400},
		{name: "unknown state", method: "GET", path: "/admin/api/tokens?state=happy", access: admin, status: 400},
		{name: "wrong limit", method: "GET", path: "/admin/api/tokens?limit=0", access: admin, status: 400},
		{method: "POST", path: "/admin/api/tokens", access: admin, body: `{"token":"sk-surface-token-0003","upstream":"openai"}`, status: 201, shape: with(tokenShape, object{"warning": "string?"})},
		{name: "known token", method: "POST", path: "/admin/api/tokens", access: admin, body: `{"token":"sk-surface-token-0003","upstream":"openai"}`, status: 409},
		{name: "no token", method: "POST", path: "/admin/api/tokens", access: admin, body: `{}`, status: 400},
		{name: "unknown field", method: "POST", path: "/admin/api/tokens", access: admin, body: `{"token":"sk-x-0123456789","colour":"red"}`, status: 400},
		{name: "unknown upstream", method: "POST", path: "/admin/api/tokens", access: admin, body: `{"token":"sk-x-0123456789","upstream":"nowhere"}`, status: 404},
		{method: "GET", path: "/admin/api/tokens/{id}", access: admin, status: 200, shape: tokenShape},
		{name: "unknown token", method: "GET", path: "/admin/api/tokens/nope", access: admin, status: 404},
		{method: "PATCH", path: "/admin/api/tokens/{id}", access: admin, body: `{"cap":3}`, status: 200, shape: tokenShape},
		{name: "wrong type", method: "PATCH", path: "/admin/api/tokens/{id}", access: admin, body: `{"cap":"many"}`, status: 400},
		{name: "stale", method: "PATCH", path: "/admin/api/tokens/{id}", access: admin, body: `{"cap":4}`, header: map[string]string{"If-Match": `"999"`}, status: 412},
		{method: "GET", path: "/admin/api/tokens/{cursor}/account", access: admin, status: 200, shape: accountShape},
		{name: "of an upstream without accounts", method: "GET", path: "/admin/api/tokens/{id}/account", access: admin, status: 404},
		{name: "unknown token", method: "GET", path: "/admin/api/tokens/nope/account", access: admin, status: 404},
		{name: "nothing to refresh", method: "POST", path: "/admin/api/tokens/{id}/refresh", access: admin, status: 400},
		{name: "unknown token", method: "POST", path: "/admin/api/tokens/nope/refresh", access: admin, status: 404},
		{name: "a dead proxy", method: "PATCH", path: "/admin/api/tokens/{id}", access: admin, body: `{"proxy":"http://127.0.0.1:1"}`, status: 400},
		{name: "no proxy", method: "PATCH", path: "/admin/api/tokens/{id}?check=false", access: admin, body: `{"proxy":"ftp://127.0.0.1:1"}`, status: 400},
		{method: "POST", path: "/admin/api/logins", access: admin, body: `{"upstream":"cursor"}`, status: 201, shape: loginShape},
		{name: "nobody can log in", method: "POST", path: "/admin/api/logins", access: admin, body: `{"upstream":"openai"}`, status: 400},
		{name: "unknown upstream", method: "POST", path: "/admin/api/logins", access: admin, body: `{"upstream":"nowhere"}`, status: 404},
		{name: "unknown token", method: "POST", path: "/admin/api/logins", access: admin, body: `{"token_id":"nope"}`, status: 404},
		{method: "GET", path: "/admin/api/logins", access: admin, status: 200, shape: object{"logins": list{loginShape}}},
		{name: "unknown login", method: "GET", path: "/admin/api/logins/nope", access: admin, status: 404},
		{name: "unknown login", method: "DELETE", path: "/admin/api/logins/nope", access: admin, status: 404},
		{method: "GET", path: "/admin/api/quotas", access: admin, status: 200, shape: object{"as_of": "string", "pools": list{object{
			"upstream": "string", "left": "number", "limit": "number", "unlimited": "number", "unknown": "number", "rate_per_hour": "number", "dry_at": "string?", "next_reset": "string?",
			"accounts": list{object{
				"token_id": "string", "alias": "string", "state": "string", "email": "string", "membership": "string", "resets_at": "string?", "as_of": "string?", "error": "string?",
				"quotas": list{object{"name": "string", "unit": "string", "used": "number", "limit": "number?", "left": "number?"}},
			}},
		}}}},
		{method: "DELETE", path: "/admin/api/tokens/{deleted}", access: admin, status: 204},
		{name: "again", method: "DELETE", path: "/admin/api/tokens/{deleted}", access: admin, status: 404},
		{method: "POST", path: "/admin/api/tokens/{deleted}/restore", access: admin, status: 200, shape: tokenShape},
		{name: "not deleted", method: "POST", path: "/admin/api/tokens/nope/restore", access: admin, status: 404},
		{
			method: "POST", path: "/admin/api/tokens/import", access: admin, body: `{"content":"good::sk-surface-token-0004\na::b::c","format":"token","upstream":"openai"}`,
			status: 200, shape: object{"accepted": "number", "updated": "number", "rejected": list{object{"line": "number", "reason": "string"}}, "upstreams": "number", "warnings": list{object{"line": "number", "reason": "string"}}},
		},
		{
			method: "POST", path: "/admin/api/move-in?dry_run=true&name=config.yaml", access: admin, body: "model_list:\n- {model_name: a, litellm_params: {model: openai/a, api_key: sk-surface-token-0005}}\n",
			status: 200, shape: object{"applied": "bool", "files": list{object{"name": "string", "format": "string"}}, "counts": mapOf{"number"}, "items": list{object{
				"file": "string", "at": "string", "kind": "string", "name": "string", "to": "string", "token": "string", "outcome": "string", "reason": "string",
			}}},
		},
		{method: "GET", path: "/admin/api/move-out?format=sub2api", access: admin, status: 200, contentType: "application/json"},
		{name: "unknown format", method: "GET", path: "/admin/api/move-out?format=one-api", access: admin, status: 400},
		{name: "of no other gateway", method: "POST", path: "/admin/api/move-in", access: admin, body: `{"a":1}`, status: 400},
		{name: "unknown format", method: "POST", path: "/admin/api/tokens/import", access: admin, body: `{"content":"x","format":"xml"}`, status: 400},
		{
			method: "POST", path: "/admin/api/tokens/bulk", access: admin, body: `{"action":"release","ids":["{id}"]}`, status: 200,
			shape: object{"change": "string", "count": "number", "failed": "number", "failures": list{object{"token_id": "string", "reason": "string"}}, "changes": list{changeShape}},
		},
		{
			name: "a dry run", method: "POST", path: "/admin/api/tokens/bulk", access: admin, body: `{"action":"disable","ids":["{id}"],"dry_run":true}`, status: 200,
			shape: object{"change": "any", "count": "number", "failed": "number", "failures": list{object{"token_id": "string", "reason": "string"}}, "changes": list{changeShape}},
		},
		{name: "unknown action", method: "POST", path: "/admin/api/tokens/bulk", access: admin, body: `{"action":"sell","ids":["{id}"]}`, status: 400},
		{name: "no ids", method: "POST", path: "/admin/api/tokens/bulk", access: admin, body: `{"action":"delete","ids":[]}`, status: 400},
		{
			method: "POST", path: "/admin/api/tokens/test", access: admin, body: `{"ids":["{id}"]}`, status: 200,
			shape: with(testCostShape, object{
				"unpriced_requests": "number", "upstreams": list{with(testCostShape, object{"upstream": "string", "model": "string?"})},
				"results": list{object{
					"token_id": "string", "upstream": "string", "model": "string?", "works": "bool", "class": "string?", "message": "string?", "advice": "string?",
					"request_id": "string?", "total_ms": "number?", "prompt_tokens": "number", "completion_tokens": "number", "cost_usd": "string?", "cost_quality": "string?",
				}},
			}),
		},
		{name: "no token", method: "POST", path: "/admin/api/tokens/test", access: admin, body: `{"ids":[]}`, status: 400},
		{name: "nothing to undo", method: "POST", path: "/admin/api/audit/nope/undo", access: admin, status: 404},
		{name: "no such change", method: "GET", path: "/admin/api/audit/nope", access: admin, status: 404},
		{method: "GET", path: "/admin/api/activity?source=people", access: admin, status: 200, shape: object{"activities": list{object{"entry": "any", "event": "any"}}, "next": "string"}},
		{name: "no such source", method: "GET", path: "/admin/api/activity?source=ghosts", access: admin, status: 400},
		{
			method: "GET", path: "/admin/api/models?q=gpt", access: admin, status: 200, shape: object{"complete": "bool", "models": list{object{
				"model": "string", "route": "string?", "upstreams": list{"string"}, "accounts": "number", "able": "number", "estimated": "bool",
				"reasons": "any", "excluded": "any", "back_at": "string?",
			}}},
		},
		{method: "GET", path: "/admin/api/notifications", access: admin, status: 200, shape: object{
			"destinations": "any", "alerts": "any", "silences": "any", "deliveries": "any", "alert_names": list{"string"},
		}},
		{name: "no URL", method: "POST", path: "/admin/api/notifications/destinations", access: admin, body: `{"name":"hook"}`, status: 400},
		{name: "no such destination", method: "PATCH", path: "/admin/api/notifications/destinations/nope", access: admin, body: `{"name":"hook"}`, status: 404},
		{name: "no such destination", method: "DELETE", path: "/admin/api/notifications/destinations/nope", access: admin, status: 404},
		{name: "no such destination", method: "POST", path: "/admin/api/notifications/destinations/nope/test", access: admin, status: 404},
		{name: "in the past", method: "POST", path: "/admin/api/notifications/silences", access: admin, body: `{"until":"2020-01-01T00:00:00Z"}`, status: 400},
		{name: "no such silence", method: "DELETE", path: "/admin/api/notifications/silences/nope", access: admin, status: 404},
		{name: "no alarm", method: "POST", path: "/admin/api/alarms/acknowledge", access: admin, body: `{"upstream":"openai","class":"auth","model":""}`, status: 404},
		{method: "GET", path: "/admin/api/tokens/export?format=token-list", access: admin, status: 200, contentType: "text/plain"},
		{method: "GET", path: "/admin/api/tokens/export?format=json", access: admin, status: 200, contentType: "application/json"},
		{name: "unknown format", method: "GET", path: "/admin/api/tokens/export?format=xml", access: admin, status: 400},

		{method: "GET", path: "/admin/api/upstreams", access: admin, status: 200, shape: object{"upstreams": list{upstreamShape}, "next": "string"}},
		{method: "PUT", path: "/admin/api/upstreams/other", access: admin, body: `{"driver":"openai","base_url":"http://127.0.0.1:9/v1","models":["other-1"]}`, status: 200, shape: with(upstreamShape, object{
			"check": object{"state": "string", "models": "number?", "detail": "string?"},
		})},
		{name: "unknown driver", method: "PUT", path: "/admin/api/upstreams/other", access: admin, body: `{"driver":"smoke","base_url":"http://127.0.0.1:9"}`, status: 400},
		{name: "in use", method: "DELETE", path: "/admin/api/upstreams/openai", access: admin, status: 409},
		{method: "DELETE", path: "/admin/api/upstreams/other", access: admin, status: 204},
		{name: "unknown", method: "DELETE", path: "/admin/api/upstreams/other", access: admin, status: 404},

		{
			method: "PUT", path: "/admin/api/routes/swift", access: admin,
			body:   `{"targets":[{"upstream":"openai","model":"gpt-test","weight":3},{"upstream":"gone","priority":1}],"parameters":{"temperature":{"default":0.2},"reasoning_effort":"low"}}`,
			status: 200, shape: with(routeShape, object{"warnings": list{"string"}}),
		},
		{name: "no target", method: "PUT", path: "/admin/api/routes/swift", access: admin, body: `{"targets":[]}`, status: 400},
		{name: "unknown parameter", method: "PUT", path: "/admin/api/routes/swift", access: admin, body: `{"targets":[{"upstream":"openai"}],"parameters":{"top_k":1}}`, status: 400},
		{name: "weight", method: "PUT", path: "/admin/api/routes/swift", access: admin, body: `{"targets":[{"upstream":"openai","weight":0}]}`, status: 400},
		{name: "stale", method: "PUT", path: "/admin/api/routes/swift", access: admin, body: `{"targets":[{"upstream":"openai"}]}`, header: map[string]string{"If-Match": `"999"`}, status: 412},
		{method: "GET", path: "/admin/api/routes", access: admin, status: 200, shape: object{"routes": list{routeShape}}},
		{method: "GET", path: "/admin/api/routes/swift", access: admin, status: 200, shape: routeShape},
		{method: "DELETE", path: "/admin/api/routes/swift", access: admin, status: 204},
		{name: "unknown", method: "GET", path: "/admin/api/routes/swift", access: admin, status: 404},
		{name: "unknown", method: "DELETE", path: "/admin/api/routes/swift", access: admin, status: 404},

		{
			method: "POST", path: "/admin/api/keys", access: admin, status: 201, shape: secretShape,
			body: `{"name":"made","tags":["ci"],"models":["gpt-*"],"networks":["127.0.0.0/8"],"limits":{"requests_per_minute":60},"budgets":[{"unit":"usd","amount":"1.50","period":"month","time_zone":"Europe/Berlin"}]}`,
		},
		{name: "no name", method: "POST", path: "/admin/api/keys", access: admin, body: `{"tags":["ci"]}`, status: 400},
		{name: "no amount", method: "POST", path: "/admin/api/keys", access: admin, body: `{"name":"x","limits":{"parallel":0}}`, status: 400},
		{method: "GET", path: "/admin/api/keys", access: admin, status: 200, shape: object{"keys": list{keyShape}, "next": "string", "total": "number"}},
		{name: "unknown state", method: "GET", path: "/admin/api/keys?state=lost", access: admin, status: 400},
		{method: "GET", path: "/admin/api/keys/{key}", access: admin, status: 200, shape: keyShape},
		{name: "unknown key", method: "GET", path: "/admin/api/keys/nope", access: admin, status: 404},
		{method: "PATCH", path: "/admin/api/keys/{key}", access: admin, body: `{"limits":{"parallel":3}}`, status: 200, shape: keyShape},
		{name: "unknown field", method: "PATCH", path: "/admin/api/keys/{key}", access: admin, body: `{"colour":"red"}`, status: 400},
		{name: "stale", method: "PATCH", path: "/admin/api/keys/{key}", access: admin, body: `{"name":"x"}`, header: map[string]string{"If-Match": `"999"`}, status: 412},
		{name: "unknown key", method: "PATCH", path: "/admin/api/keys/nope", access: admin, body: `{"name":"x"}`, status: 404},
		{method: "POST", path: "/admin/api/keys/{key}/rotate", access: admin, body: `{"keep_old_for":"1h"}`, status: 200, shape: secretShape},
		{name: "no time", method: "POST", path: "/admin/api/keys/{key}/rotate", access: admin, body: `{"keep_old_for":"long"}`, status: 400},
		{name: "unknown key", method: "POST", path: "/admin/api/keys/nope/rotate", access: admin, status: 404},
		{method: "GET", path: "/admin/api/explain?model=gpt-test&key={key}", access: admin, status: 200, shape: with(explainedShape, object{"key": keyShape})},
		{method: "DELETE", path: "/admin/api/keys/{key}", access: admin, status: 204},
		{name: "again", method: "DELETE", path: "/admin/api/keys/{key}", access: admin, status: 404},
		{method: "POST", path: "/admin/api/keys/{key}/restore", access: admin, status: 200, shape: keyShape},
		{name: "not deleted", method: "POST", path: "/admin/api/keys/{key}/restore", access: admin, status: 409},
		{name: "unknown key", method: "POST", path: "/admin/api/keys/nope/restore", access: admin, status: 404},
		{method: "GET", path: "/admin/api/usage?group=model,upstream", access: admin, status: 200, shape: object{
			"from": "string", "to": "string", "total": usageSumsShape, "rows": list{with(usageSumsShape, object{"model": "string", "upstream": "string"})},
		}},
		{name: "a table", method: "GET", path: "/admin/api/usage?group=key,day&format=csv", access: admin, status: 200, contentType: "text/csv"},
		{name: "unknown dimension", method: "GET", path: "/admin/api/usage?group=colour", access: admin, status: 400},
		{name: "wrong time", method: "GET", path: "/admin/api/usage?from=yesterday", access: admin, status: 400},

		{
			method: "PUT", path: "/admin/api/prices", access: admin, body: `{"prices":[{"match":"gpt-test","upstream":"openai","input_per_million":"0.15"}]}`,
			header: map[string]string{"If-Match": `"1"`}, status: 200, shape: pricesShape,
		},
		{name: "stale", method: "PUT", path: "/admin/api/prices", access: admin, body: `{"prices":[]}`, header: map[string]string{"If-Match": `"1"`}, status: 412},
		{name: "no price", method: "PUT", path: "/admin/api/prices", access: admin, body: `{"prices":[{"match":"m"}]}`, status: 400},
		{method: "GET", path: "/admin/api/prices", access: admin, status: 200, shape: pricesShape},
		{
			method: "POST", path: "/admin/api/prices/import?format=tsv", access: admin, body: "model\tinput\nm\t1\n", status: 200, shape: object{
				"dry_run": "bool", "added": "number", "changed": "number", "unchanged": "number", "removed": "number", "kept": "number", "rounded": list{"string"},
				"tiered": list{"string"}, "skipped_count": "number", "skipped": list{object{"name": "string", "reason": "string"}}, "version": "number",
			},
		},
		{name: "unknown format", method: "POST", path: "/admin/api/prices/import?format=csv", access: admin, body: "m", status: 400},

		{method: "GET", path: "/admin/api/settings", access: admin, status: 200, shape: settingsShape},
		{method: "PATCH", path: "/admin/api/settings", access: admin, body: `{"max_attempts":4}`, status: 200, shape: settingsShape},
		{name: "unknown setting", method: "PATCH", path: "/admin/api/settings", access: admin, body: `{"colour":"red"}`, status: 400},
		{name: "out of bounds", method: "PATCH", path: "/admin/api/settings", access: admin, body: `{"max_attempts":0}`, status: 400},
		{name: "stale", method: "PATCH", path: "/admin/api/settings", access: admin, body: `{"max_attempts":3}`, header: map[string]string{"If-Match": `"999"`}, status: 412},
		{
			method: "GET", path: "/admin/api/settings/changes", access: admin, status: 200, shape: object{
				"changes": list{object{"name": "string", "at": "string", "actor": "string", "previous": "string?", "previous_default": "bool"}}, "defaults": settingValuesShape,
			},
		},
		{method: "POST", path: "/admin/api/settings/reset", access: admin, body: `{"names":["max_attempts"]}`, status: 200, shape: settingsShape},
		{name: "unknown setting", method: "POST", path: "/admin/api/settings/reset", access: admin, body: `{"names":["colour"]}`, status: 400},
		{method: "PUT", path: "/admin/api/pages", access: admin, body: `{"path":"/about","type":"text","content":"about us"}`, status: 200},
		{method: "GET", path: "/admin/api/pages", access: admin, status: 200, shape: object{"pages": list{object{"path": "string", "type": "string", "content": "string"}}, "version": "number"}},
		{name: "unknown path", method: "PUT", path: "/admin/api/pages", access: admin, body: `{"path":"/etc","type":"text","content":"x"}`, status: 400},
		{method: "DELETE", path: "/admin/api/pages?path=/about", access: admin, status: 204},

		{method: "POST", path: "/admin/api/backup", access: admin, body: `{"passphrase":"correct horse battery"}`, status: 200, contentType: "application/octet-stream"},
		{name: "weak passphrase", method: "POST", path: "/admin/api/backup", access: admin, body: `{"passphrase":"short"}`, status: 400},
		{method: "POST", path: "/admin/api/restore", access: admin, header: backupForm, body: "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nno backup\r\n--b--\r\n", status: 400},
		{name: "no form", method: "POST", path: "/admin/api/restore", access: admin, body: `{}`, status: 400},

		{method: "GET", path: "/admin/api/logs", access: admin, status: 200, shape: object{"logs": list{logEntryShape}, "next": "string", "newest": "string"}},
		{name: "wrong time", method: "GET", path: "/admin/api/logs?from=yesterday", access: admin, status: 400},
		{name: "wrong cursor", method: "GET", path: "/admin/api/logs?cursor=x", access: admin, status: 400},
		{name: "unknown entry", method: "GET", path: "/admin/api/logs/nope", access: admin, status: 404},
		{method: "GET", path: "/admin/api/stats", access: admin, status: 200, shape: object{"buckets": list{logBucketShape}}},
		{name: "wrong step", method: "GET", path: "/admin/api/stats?step=fast", access: admin, status: 400},
		{method: "GET", path: "/admin/api/fleet", access: admin, status: 200},
		{method: "GET", path: "/admin/api/explain?model=gpt-test", access: admin, status: 200, shape: explainedShape},
		{name: "unknown model", method: "GET", path: "/admin/api/explain?model=nope", access: admin, status: 404},
		{name: "unknown key", method: "GET", path: "/admin/api/explain?model=gpt-test&key=k", access: admin, status: 404},
		{name: "no model", method: "GET", path: "/admin/api/explain", access: admin, status: 400},
	}
}

var backupForm = map[string]string{"Content-Type": "multipart/form-data; boundary=b"}

// Every route: what it answers, to whom, and what it says when it is used wrongly.
func TestEveryRoute(t *testing.T) {
	s := stack.Start(t, stack.Options{GatewayEnv: proxied})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "surface", 2, 0)
	cursor := s.AddTokens("cursor", "surface-cursor", 1, 0)
	var held struct {
		Key    struct{ ID string }
		Secret string
	}
	gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/keys", map[string]any{"name": "surface"}).JSON(t, &held)
	ids := strings.NewReplacer("{id}", tokens[0].ID, "{deleted}", tokens[1].ID, "{cursor}", cursor[0].ID, "{key}", held.Key.ID, "{secret}", held.Secret)
	calls := slices.Concat(publicCalls(), referenceCalls(), adminCalls())
	for _, c := range calls {
		c.path, c.body = ids.Replace(c.path), ids.Replace(c.body)
		for name, value := range c.header {
			c.header[name] = ids.Replace(value)
		}
		t.Run(strings.TrimSpace(c.method+" "+c.path+" "+c.name), func(t *testing.T) {
			key := stack.AdminToken
			if c.access == page {
				c.checkAccess(t, gateway)
				return // with a session: the browser's test
			}
			before := stored(t, gateway)
			c.check(t, send(t, gateway, c.method, c.path, key, c.body, c.header))
			if c.status < http.StatusBadRequest {
				return
			}
			if diff := cmp.Diff(strings.Split(before, ","), strings.Split(stored(t, gateway), ",")); diff != "" {
				t.Errorf("something has changed although the request was refused:\n%s", diff)
			}
			if c.access == admin && c.name == "" {
				c.checkAccess(t, gateway)
			}
			if c.method == http.MethodGet && c.status < 400 {
				c.checkHead(t, gateway, key)
			}
		})
	}
	checkWrongMethods(t, gateway, calls, ids)
}

// Wrong keys slow down the address that they come from, on every route alike. They keep out
// neither the right key nor anybody else.
func TestManyWrongKeysFromOneAddress(t *testing.T) {
	s := stack.Start(t, stack.Options{GatewayEnv: proxied})
	gateway := s.Gateways[0]
	guesser := stranger(nil)
	var last answered
	for range 5 {
		for _, path := range []string{"/v1/chat/completions", "/get-tokeninfo", "/admin/api/tokens"} {
			last = send(t, gateway, http.MethodPost, path, "sk-wrong", "{}", guesser)
		}
	}
	if last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") == "" {
		t.Errorf("after many: %d %v", last.status, last.header)
	}
	mustHave(t, last.body, errorShape)
	if got := send(t, gateway, http.MethodGet, "/admin/api/tokens", stack.AdminToken, "", guesser); got.status != http.StatusOK {
		t.Errorf("the right key from there: %d", got.status)
	}
	if got := send(t, gateway, http.MethodGet, "/admin/api/tokens", "sk-wrong", "", stranger(nil)); got.status != http.StatusUnauthorized {
		t.Errorf("a wrong key from elsewhere: %d", got.status)
	}
}

// stored is everything that an admin can write.
func stored(t *testing.T, gateway *stack.Gateway) string {
	t.Helper()
	var all strings.Builder
	for _, path := range []string{"/admin/api/settings", "/admin/api/pages", "/admin/api/upstreams", "/admin/api/prices", "/admin/api/keys", "/admin/api/tokens/export?format=json"} {
		all.Write(send(t, gateway, http.MethodGet, path, stack.AdminToken, "", nil).body)
	}
	all.Write(send(t, gateway, http.MethodPost, "/get-tokeninfo", stack.AdminToken, "", nil).body)
	return timedChecksum.ReplaceAllString(all.String(), "$1")
}

// timedChecksum is a Cursor token's: it begins with the time, in steps of some minutes.
var timedChecksum = regexp.MustCompile(`[\w-]{8}([0-9a-f]{64}/[0-9a-f]{64})`)

// sameRoute brings paths of one route to one spelling.
var sameRoute = strings.NewReplacer(
	"{deleted}", "{id}", "{cursor}", "{id}", "{key}", "{id}", "tokens/nope", "tokens/{id}", "keys/nope", "keys/{id}", "logs/nope", "logs/{id}", "upstreams/openai", "upstreams/other",
)

// checkWrongMethods tries each path with every method that it does not have.
func checkWrongMethods(t *testing.T, gateway *stack.Gateway, calls []call, ids *strings.Replacer) {
	t.Helper()
	methods := map[string]map[string]bool{}
	for _, c := range calls {
		if c.status == http.StatusNotFound && c.name == "" {
			continue // no route at all
		}
		path, _, _ := strings.Cut(sameRoute.Replace(c.path), "?")
		if methods[path] == nil {
			methods[path] = map[string]bool{}
		}
		methods[path][c.method] = true
	}
	// These could also be the ids of tokens.
	delete(methods, "/admin/api/tokens/import")
	delete(methods, "/admin/api/tokens/export")
	delete(methods, "/admin/api/tokens/bulk")
	delete(methods, "/admin/api/tokens/test")
	for _, path := range slices.Sorted(maps.Keys(methods)) {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if methods[path][method] {
				continue
			}
			t.Run(method+" "+path+" is a wrong method", func(t *testing.T) {
				got := send(t, gateway, method, ids.Replace(path), stack.AdminToken, "", nil)
				if got.status != http.StatusMethodNotAllowed {
					t.Errorf("status %d, want 405: %s", got.status, excerpt(got.body))
				}
				mustHave(t, got.body, errorShape)
			})
		}
	}
}

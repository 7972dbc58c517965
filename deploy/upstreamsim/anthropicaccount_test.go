package upstreamsim

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAnthropicCache is about what a prompt reads and writes, per organization.
func TestAnthropicCache(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	sim := New(Options{Now: func() time.Time { return now }})
	system := list{markedBlock(textOf(strings.Repeat("s", 400)))} // 104 tokens and 3 of the prompt
	first := entryOf("user", list{markedBlock(textOf("one"))})    // 5 tokens
	second := []any{entryOf("user", "one"), entryOf("assistant", "two"), entryOf("user", list{markedBlock(textOf("three"))})}
	steps := []struct {
		name                         string
		key                          string
		after                        time.Duration
		body                         object
		fresh, read, written, anHour int
	}{
		{"the first writes all", "sk-ant-org-a-1", 0, saying("m", "", object{"system": system}, talk(first)), 0, 0, 112, 0},
		{"the next turn reads it", "sk-ant-org-a-1", 0, saying("m", "", object{"system": system}, talk(second...)), 0, 112, 11, 0},
		{"another key of the organization too", "sk-ant-org-a-2", 0, saying("m", "", object{"system": system}, talk(second...)), 0, 123, 0, 0},
		{"another organization does not", "sk-ant-org-b-1", 0, saying("m", "", object{"system": system}, talk(second...)), 0, 0, 123, 0},
		{"another model does not", "sk-ant-org-a-1", 0, saying("n", "", object{"system": system}, talk(second...)), 0, 0, 123, 0},
		{"the system text alone", "sk-ant-org-a-1", 0, saying("m", "else", object{"system": system}), 5, 107, 0, 0},
		{"without a mark nothing is read", "sk-ant-org-a-1", 0, saying("m", "else", object{"system": strings.Repeat("s", 400)}), 112, 0, 0, 0},
		{"reading prolongs it", "sk-ant-org-a-1", 4 * time.Minute, saying("m", "else", object{"system": system}), 5, 107, 0, 0},
		{"and again", "sk-ant-org-a-1", 4 * time.Minute, saying("m", "else", object{"system": system}), 5, 107, 0, 0},
		{"five minutes end it", "sk-ant-org-a-1", 5 * time.Minute, saying("m", "else", object{"system": system}), 5, 0, 107, 0},
		{"an automatic mark", "sk-ant-org-c-1", 0, saying("m", "else", ephemeral), 0, 0, 8, 0},
		{"an hour", "sk-ant-org-d-1", 0, saying("m", "else", object{"system": list{marked1h(textOf("ssss"))}}, ephemeral), 0, 0, 5, 8},
		{"is read after half of it", "sk-ant-org-d-1", 30 * time.Minute, saying("m", "else", object{"system": list{marked1h(textOf("ssss"))}}, ephemeral), 0, 8, 5, 0},
	}
	for _, step := range steps {
		now = now.Add(step.after)
		got, r := sayTo(t, sim, step.body, "X-Api-Key: "+step.key)
		if got.Usage.Input != step.fresh || got.Usage.Read != step.read || got.Usage.Creation.Short != step.written || got.Usage.Creation.Long != step.anHour ||
			got.Usage.Written != step.written+step.anHour {
			t.Errorf("%s: %s", step.name, r.all())
		}
	}
	noViolations(t, sim)
}

func TestAnthropicCacheIsBounded(t *testing.T) {
	t.Parallel()
	var cache promptCache
	for n := range maxPrefixes + 10 {
		cache.write([sha256.Size]byte{byte(n), byte(n >> 8)}, shortLife, time.Unix(0, 0))
	}
	if len(cache.prefixes) != maxPrefixes {
		t.Errorf("%d prefixes", len(cache.prefixes))
	}
}

func TestAnthropicOrganizations(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	organization := func(key string) string {
		_, r := sayTo(t, sim, saying("m", "Hi"), "X-Api-Key: "+key)
		return r.header.Get("Anthropic-Organization-Id")
	}
	a1, a2, b, own1, own2 := organization("sk-ant-org-a-1"), organization("sk-ant-org-a-2"), organization("sk-ant-org-b-1"), organization("k1"), organization("k2")
	if a1 != a2 || a1 == b || own1 == own2 || len(a1) != len("00000000-0000-4000-8000-000000000000") {
		t.Errorf("got %q, %q, %q, %q, %q", a1, a2, b, own1, own2)
	}
	if err := sim.SetRule(Rule{Organization: "a", Scenario: "rate-limit", RetryAfter: 7 * time.Second}); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"sk-ant-org-a-1": "7", "sk-ant-org-a-2": "7", "sk-ant-org-b-1": "", "k1": ""} {
		got, r := sayTo(t, sim, saying("m", "Hi"), "X-Api-Key: "+key)
		if after := r.header.Get("Retry-After"); after != want || (got.Error.Type == "rate_limit_error") != (want != "") {
			t.Errorf("%s: %d, retry after %q", key, r.status, after)
		}
	}
}

func TestAnthropicEchoesHeaders(t *testing.T) {
	t.Parallel()
	request := messagesRequest(t.Context(), t, "http://sim", messagesPath+"?beta=true", saying("sim-echo-headers", "Hi"))
	request.Header["Anthropic-Beta"] = []string{"a-2026-01-01, b-2026-01-01", "c-2026-01-01"}
	r := record(New(Options{}), request)
	got := decodeReply(t, r.all())
	var head RequestHead
	if err := json.Unmarshal([]byte(got.text()), &head); err != nil {
		t.Fatal(err)
	}
	if head.Path != messagesPath || head.Query != "beta=true" || len(head.Header["Anthropic-Beta"]) != 2 ||
		head.Header.Get("X-Api-Key") != Fingerprint(anthropicKey) || strings.Contains(got.text(), anthropicKey) {
		t.Errorf("got %+v", head)
	}
}

func TestAnthropicRateLimitHeaders(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	for model, remaining := range map[string]string{"claude-x": "3999", "sim-limit-reached": "0", "sim-rate-limit-reset": "0"} {
		_, r := sayTo(t, New(Options{Now: func() time.Time { return now }}), saying(model, "Hi"))
		for name, want := range map[string]string{"Limit": "4000", "Remaining": remaining, "Reset": "2023-11-14T22:13:50Z"} {
			if got := r.header.Get("Anthropic-Ratelimit-Requests-" + name); got != want {
				t.Errorf("%s: %s is %q", model, name, got)
			}
		}
	}
}

func TestAnthropicCountsTokens(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	count := func(body object) (int, *recorder) {
		r := record(sim, messagesRequest(t.Context(), t, "http://sim", countPath+"?beta=true", body))
		var counted struct {
			InputTokens int `json:"input_tokens"`
		}
		if err := json.Unmarshal(r.all(), &counted); err != nil {
			t.Fatalf("%s: %v", r.all(), err)
		}
		return counted.InputTokens, r
	}
	plain := saying("m", hello, object{"max_tokens": nil})
	few, r := count(plain)
	full := saying("m", hello, object{
		"max_tokens": nil, "system": "Be brief.", "tools": list{toolOf("look")}, "tool_choice": object{"type": "auto"},
		"thinking": object{"type": "enabled", "budget_tokens": 4096}, "output_config": object{"effort": "low"},
	})
	more, _ := count(full)
	answered, _ := sayTo(t, sim, saying("m", hello))
	if few == 0 || more <= few || answered.Usage.Input != few || r.header.Get("Request-Id") == "" {
		t.Errorf("counted %d and %d, answered %+v", few, more, answered.Usage)
	}
	noViolations(t, sim)
	for field, value := range map[string]any{
		"max_tokens": 1, "stream": false, "temperature": 1, "stop_sequences": list{}, "metadata": object{"user_id": "u"}, "service_tier": "auto",
	} {
		body := saying("m", hello, object{"max_tokens": nil}, object{field: value})
		if _, r := count(body); !strings.Contains(string(r.all()), field+": Extra inputs are not permitted") || r.status != http.StatusBadRequest {
			t.Errorf("%s: %s", field, r.all())
		}
	}
	if _, r := count(saying("sim-overloaded", hello, object{"max_tokens": nil})); r.status != StatusOverloaded {
		t.Errorf("overloaded: %s", r.all())
	}
}

func TestAnthropicModels(t *testing.T) {
	t.Parallel()
	sim := New(Options{Tokens: []string{"k"}})
	get := func(path string, headers ...string) (page modelPage, status int, raw string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://sim"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Api-Key", "k")
		request.Header.Set("Anthropic-Version", oldVersion)
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			request.Header.Set(name, value)
		}
		r := record(sim, request)
		_ = json.Unmarshal(r.all(), &page) // an error has other members
		return page, r.status, string(r.all())
	}
	all, _, _ := get("/v1/models?limit=1000")
	ids := claudeModelIDs()
	if len(all.Data) != len(ids) || all.HasMore || *all.FirstID != ids[0] || *all.LastID != ids[len(ids)-1] || all.Data[0].Type != "model" {
		t.Errorf("got %+v", all)
	}
	var paged []string
	for after := ""; ; {
		page, _, raw := get("/v1/models?limit=7&after_id=" + after)
		if len(page.Data) == 0 {
			t.Fatal(raw)
		}
		for _, model := range page.Data {
			paged = append(paged, model.ID)
		}
		if after = *page.LastID; !page.HasMore {
			break
		}
	}
	if len(paged) != len(ids) {
		t.Errorf("the pages have %d models of %d", len(paged), len(ids))
	}
	if page, _, _ := get("/v1/models?limit=2&before_id=" + ids[3]); len(page.Data) != 2 || *page.FirstID != ids[1] || !page.HasMore {
		t.Errorf("before the fourth: %+v", page)
	}
	if page, _, _ := get("/v1/models"); len(page.Data) != defaultPage || !page.HasMore {
		t.Errorf("the usual page has %d", len(page.Data))
	}
	if _, _, raw := get("/v1/models/claude-sim-overloaded"); !strings.Contains(raw, `"id":"claude-sim-overloaded"`) {
		t.Error(raw)
	}
	for path, want := range map[string]string{
		"/v1/models/nobody": "model: nobody", "/v1/models?limit=0": "limit:", "/v1/models?limit=1001": "limit:", "/v1/models?after_id=nobody": "after_id:",
	} {
		if _, status, raw := get(path); status < 400 || !strings.Contains(raw, want) {
			t.Errorf("%s: %d %s", path, status, raw)
		}
	}
	if _, status, raw := get("/v1/models", "Anthropic-Version: "); status != http.StatusBadRequest {
		t.Errorf("without a version: %d %s", status, raw)
	}
	if _, status, raw := get("/v1/models", "X-Api-Key: other"); status != http.StatusUnauthorized {
		t.Errorf("another key: %d %s", status, raw)
	}
	if _, _, raw := get("/v1/models", "X-Api-Key: ", "Anthropic-Version: ", "Authorization: Bearer k"); !strings.Contains(raw, `"object":"list"`) {
		t.Errorf("OpenAI's list: %s", raw)
	}
}

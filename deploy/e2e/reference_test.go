package e2e_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// referenceLogShape is an entry of POST /logs: the reference's keys, and ours.
var referenceLogShape = object{
	"timestamp": "string", "model": "string", "prompt": "string?", "stream": "bool", "status": "string", "error": "string?",
	"token_info": object{"token": "string?", "checksum": "string?", "alias": "string?", "id": "string?", "fingerprint": "string?"},
	"upstream":   "string?", "error_kind": "string?", "prompt_cut": "bool",
	"id": "string", "timing": object{"total": "number?", "first": "number?"},
	"usage": object{
		"prompt_tokens": "number", "completion_tokens": "number", "total_tokens": "number", "source": "string",
		"cache_read_tokens": "number?", "cache_write_tokens": "number?", "reasoning_tokens": "number?",
	},
	"dialect": text("openai"), "attempts": "number", "replica": "string", "end_reason": "string", "http_status": "number",
}

// The examples of the reference's README, one after the other, as somebody would
// send them who has its scripts: same paths, same bodies, same keys in the answers.
func TestReferenceReadme(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{})
	g := s.Gateways[0]
	post := func(path, body string, status int, shape any) answered {
		t.Helper()
		got := send(t, g, "POST", path, stack.AdminToken, body, nil)
		call{status: status, shape: shape}.check(t, got)
		return got
	}
	demo := upstreamsim.DemoTokens().Cursor
	tokenFile := "# 这是注释\n" + demo[0] + "\n# alias与标签的作用差不多\nalias::" + demo[1] + "\n"

	t.Run("POST /update-tokeninfo", func(t *testing.T) {
		body, _ := json.Marshal(map[string]string{"tokens": tokenFile, "token_list": ""})
		got := post("/update-tokeninfo", string(body), 200, object{
			"status": text("success"), "message": text("Token files have been updated and reloaded"), "token_file": "string",
			"token_list_file": "string", "token_count": "number", "tokens_count": "number", "report": fileReportShape,
		})
		var answer struct {
			TokenCount  int `json:"token_count"`
			TokensCount int `json:"tokens_count"`
		}
		_ = json.Unmarshal(got.body, &answer)
		if answer.TokenCount != 2 || answer.TokensCount != 2 {
			t.Errorf("counts %+v, want 2", answer)
		}
	})
	t.Run("POST /get-tokeninfo", func(t *testing.T) {
		got := post("/get-tokeninfo", "", 200, object{
			"status": text("success"), "token_file": "string", "token_list_file": "string", "tokens": text(tokenFile),
			"token_list": "string", "tokens_count": "number",
		})
		var answer struct {
			TokenList   string `json:"token_list"`
			TokensCount int    `json:"tokens_count"`
		}
		_ = json.Unmarshal(got.body, &answer)
		lines := strings.Split(strings.TrimSpace(answer.TokenList), "\n")
		if len(lines) != 2 || answer.TokensCount != 2 || !strings.HasPrefix(lines[1], "alias::") || strings.Count(answer.TokenList, ",") != 2 {
			t.Errorf("the list is %q of %d", lines, answer.TokensCount)
		}
	})
	t.Run("GET /update-tokeninfo", func(t *testing.T) {
		call{status: 200, shape: object{
			"status": text("success"), "message": text("Token list has been reloaded"), "token_file": "string", "token_list_file": "string",
			"token_count": "number", "tokens_count": "number", "report": fileReportShape,
		}}.check(t, send(t, g, "GET", "/update-tokeninfo", stack.AdminToken, "", nil))
	})
	t.Run("POST /v1/chat/completions", func(t *testing.T) {
		post("/v1/chat/completions", `{"model":"gpt-4o","messages":[
			{"role":"developer","content":"Be brief."},
			{"role":"human","content":[{"type":"text","text":"What is it?"},{"type":"image_url","image_url":{"url":"`+pixel+`"}}]},
			{"role":"ai","content":"A pixel."},
			{"role":"user","content":"Thanks."}],"stream":false}`, 200, object{
			"id": "string", "object": text("chat.completion"), "created": "number", "model": text("gpt-4o"),
			"choices": list{object{"index": "number", "message": object{"role": text("assistant"), "content": "string", "refusal": "string?"}, "finish_reason": text("stop")}},
			"usage":   object{"prompt_tokens": "number", "completion_tokens": "number", "total_tokens": "number"},
		})
	})
	t.Run("POST /v1/chat/completions, stream", func(t *testing.T) { checkReferenceStream(t, g) })
	t.Run("POST /config", func(t *testing.T) { checkReferenceConfig(t, post, g) })
	t.Run("POST /logs", func(t *testing.T) {
		s.Eventually("the requests are logged", 10*time.Second, func() bool {
			return strings.Count(string(send(t, g, "POST", "/logs", stack.AdminToken, "", nil).body), `"timestamp"`) >= 3
		})
		entry := maps.Clone(referenceLogShape)
		entry["prompt"] = "string"
		entry["token_info"] = object{"token": "string", "checksum": "string", "alias": "string?", "id": "string", "fingerprint": "string"}
		post("/logs", "", 200, object{"status": text("success"), "total": "number", "timestamp": "string", "next": "string", "logs": list{entry}})
	})
	t.Run("GET /v1/models", func(t *testing.T) { checkReferenceModels(t, g) })
}

// eventuallyBody waits until a path answers with the text: changes of pages travel.
func eventuallyBody(t *testing.T, g *stack.Gateway, path, want string) {
	t.Helper()
	stack.Eventually(t, path+" answers "+want, time.Second, func() bool {
		return string(send(t, g, "GET", path, "", "", nil).body) == want
	})
}

// pixel is a PNG of one pixel.
const pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

func checkReferenceStream(t *testing.T, g *stack.Gateway) {
	t.Helper()
	got := send(t, g, "POST", "/v1/chat/completions", stack.AdminToken, chatBody("gpt-4o", "Hello", true), nil)
	events := strings.Split(strings.TrimSpace(string(got.body)), "\n\n")
	if len(events) < 3 || events[len(events)-1] != "data: [DONE]" {
		t.Fatalf("the stream is %q", got.body)
	}
	for i, event := range events[:len(events)-1] {
		delta := object{"content": "string"}
		var finish any = "string?"
		switch i {
		case 0:
			delta = object{"role": text("assistant"), "content": "string"}
		case len(events) - 2:
			delta, finish = object{}, text("stop")
		}
		mustHave(t, []byte(strings.TrimPrefix(event, "data: ")), object{
			"id": "string", "object": text("chat.completion.chunk"), "created": "number", "model": text("gpt-4o"),
			"choices": list{object{"index": "number", "delta": delta, "finish_reason": finish}},
		})
	}
}

func checkReferenceConfig(t *testing.T, post func(path, body string, status int, shape any) answered, g *stack.Gateway) {
	t.Helper()
	data := object{
		"page_content": object{"type": text("html"), "content": text("<h1>Ours</h1>")}, "enable_stream_check": "bool", "include_stop_stream": "bool",
		"vision_ability": text("base64"), "enable_slow_pool": "bool", "enable_all_claude": "bool", "check_usage_models": object{"type": text("default")},
		"version": "number",
	}
	shape := object{"status": text("success"), "message": "string", "data": data}
	// The README's example names two keys twice; JSON lets the last one win.
	post("/config", `{"action":"update","path":"/about","content":"<h1>Ours</h1>","content_type":"html","enable_stream_check":true,
		"enable_stream_check":true,"vision_ability":"base64","enable_slow_pool":false,"enable_slow_pool":true}`, 200, shape)
	post("/config", `{"action":"get","path":"/about"}`, 200, shape)
	for spelling, answered := range map[string]string{
		"disabled": "none", "none": "none", "base64-only": "base64", "base64": "base64", "base64-http": "url", "all": "url", "url": "url",
	} {
		data["vision_ability"] = text(answered)
		post("/config", `{"action":"update","path":"/about","vision_ability":"`+spelling+`"}`, 200, shape)
		post("/config", `{"action":"get","path":"/about"}`, 200, shape)
	}
	eventuallyBody(t, g, "/about", "<h1>Ours</h1>")
	data["page_content"] = object{"type": text("text"), "content": text("plain")}
	data["vision_ability"] = "string"
	post("/config", `{"action":"update","path":"/about","content":{"type":"text","content":"plain"}}`, 200, shape)
	eventuallyBody(t, g, "/about", "plain")
	data["page_content"], data["vision_ability"] = object{"type": text("default"), "content": text("")}, text("base64")
	post("/config", `{"action":"reset","path":"/about","vision_ability":"base64"}`, 200, shape)
	post("/config", `{"action":"get","path":"/about"}`, 200, shape)
}

// referenceModels are the ids of the reference, in its order, with their owners.
var referenceModels = []struct{ id, owner string }{
	{"claude-3.5-sonnet", "anthropic"},
	{"gpt-4", "openai"},
	{"gpt-4o", "openai"},
	{"claude-3-opus", "anthropic"},
	{"cursor-fast", "cursor"},
	{"cursor-small", "cursor"},
	{"gpt-3.5-turbo", "openai"},
	{"gpt-4-turbo-2024-04-09", "openai"},
	{"gpt-4o-128k", "openai"},
	{"gemini-1.5-flash-500k", "google"},
	{"claude-3-haiku-200k", "anthropic"},
	{"claude-3-5-sonnet-200k", "anthropic"},
	{"claude-3-5-sonnet-20241022", "anthropic"},
	{"gpt-4o-mini", "openai"},
	{"o1-mini", "openai"},
	{"o1-preview", "openai"},
	{"o1", "openai"},
	{"claude-3.5-haiku", "anthropic"},
	{"gemini-exp-1206", "google"},
	{"gemini-2.0-flash-thinking-exp", "google"},
	{"gemini-2.0-flash-exp", "google"},
}

func checkReferenceModels(t *testing.T, g *stack.Gateway) {
	t.Helper()
	var list struct {
		Data []struct {
			ID      string `json:"id"`
			OwnedBy string `json:"owned_by"`
			Created int64  `json:"created"`
		} `json:"data"`
	}
	got := send(t, g, "GET", "/v1/models", "", "", nil)
	if err := json.Unmarshal(got.body, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Data) < len(referenceModels) {
		t.Fatalf("%d models", len(list.Data))
	}
	for i, model := range referenceModels {
		if got := list.Data[i]; got.ID != model.id || got.OwnedBy != model.owner || got.Created != 1706659200 {
			t.Errorf("model %d is %+v, want %+v", i, got, model)
		}
	}
}

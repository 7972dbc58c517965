package anthropic

import (
	"net/http"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// stream is an answer in all kinds of events, some of them of nobody's knowledge.
const stream = "event: message_start\ndata: {\"type\": \"message_start\", \"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":70,\"cache_creation_input_tokens\":20,\"cache_creation\":{\"ephemeral_1h_input_tokens\":5},\"output_tokens\":1}}}\n\n" +
	"event: ping\ndata: {\"type\":\"ping\"}\n\n" +
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n" +
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Hm.\"}}\n\n" +
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}\n\n" +
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" +
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" +
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grüße 😀\"}}\n\n" +
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n" +
	"event: invented\ndata: {\"type\":\"invented\",\"x\":[1, 2]}\n\n" +
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}}}\n\n" +
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}}\n\n" +
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n" +
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":3,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"read\",\"input\":{}}}\n\n" +
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}}\n\n" +
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1}\"}}\n\n" +
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":3}\n\n" +
	"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":42,\"output_tokens_details\":{\"thinking_tokens\":7}}}\n\n" +
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

const spoken = `1(Hm.~c2ln@anthropic)0(Grüße 😀)4()2read({"a":1}) tool_calls`

var counted = chat.Usage{Prompt: 100, CacheRead: 70, CacheWrite: 20, CacheWriteHour: 5, Completion: 42, Reasoning: 7, Source: chat.UsageReported}

// A client of the same dialect gets each event as it came; beside it stands what it says.
func TestNativeStream(t *testing.T) {
	t.Parallel()
	driver, got := serve(t, 200, "text/event-stream", stream, http.Header{
		"Request-Id": {"req_1"}, "Anthropic-Organization-Id": {"org"}, "Anthropic-Ratelimit-Requests-Remaining": {"3"}, "X-Other": {"x"},
	})
	call := nativeCall(`{"model":"up/claude","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true,"invented":{"b":1,"a":2.50}}`, true)
	call.Request.Source.Query = "beta=true"
	call.Request.Source.Header = map[string][]string{"Anthropic-Version": {"2026-10-21"}, "Anthropic-Beta": {"a-1,b-2", "c-3"}, "X-App": {"cli"}}
	events, failure := gather(t.Context(), t, driver, call)
	if failure != nil {
		t.Fatal(failure)
	}
	passed := ""
	for _, event := range events {
		if len(event.Raw.JSON) > 0 {
			passed += "event: " + event.Raw.Name + "\ndata: " + string(event.Raw.JSON) + "\n\n"
		}
	}
	if passed != stream {
		t.Errorf("got  %s\nwant %s", passed, stream)
	}
	if said := outline(events); said != spoken {
		t.Errorf("got %s, want %s", said, spoken)
	}
	if begin := events[0].Begin; begin == nil || begin.Input == nil || begin.Input.Prompt != 100 || len(begin.Header) != 1 || begin.Header["Request-Id"][0] != "req_1" {
		t.Errorf("begins with %+v", begin)
	}
	if usage := events[len(events)-2].Usage; usage == nil || *usage != counted {
		t.Errorf("usage %+v", usage)
	}
	if want := `{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true,"invented":{"b":1,"a":2.50}}`; got.body != want {
		t.Errorf("sent %s", got.body)
	}
	if got.path != "/v1/messages?beta=true" || got.header.Get("X-Api-Key") != testKey || got.header.Get("Authorization") != "" ||
		got.header.Get("Anthropic-Version") != "2026-10-21" || strings.Join(got.header["Anthropic-Beta"], "|") != "a-1,b-2|c-3" || got.header.Get("X-App") != "cli" {
		t.Errorf("sent to %s with %v", got.path, got.header)
	}
}

const whole = `{"id":"msg_1", "type":"message","role":"assistant","model":"claude","content":[{"type":"redacted_thinking","data":"ZGF0YQ"},{"type":"text","text":"Hi"},{"type":"tool_use","id":"t","name":"read","input":{"a":1}}],"stop_reason":"stop_sequence","stop_sequence":"END","usage":{"input_tokens":3,"output_tokens":4}}`

func TestNativeWhole(t *testing.T) {
	t.Parallel()
	driver, _ := serve(t, 200, "application/json", whole, nil)
	events, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, false))
	if failure != nil || len(events) == 0 {
		t.Fatal(failure)
	}
	last := events[len(events)-1]
	if raw := events[0].Raw; !raw.Whole || string(raw.JSON) != whole {
		t.Errorf("raw %s", raw.JSON)
	}
	if said := outline(events); said != `1(~ZGF0YQ@anthropic)0(Hi)2read({"a":1}) stop_text` || last.StopText != "END" || last.Usage.Prompt != 3 || last.Usage.Completion != 4 {
		t.Errorf("got %s, %+v", said, last)
	}
}

// An answer in the other form than the one that was asked for says the same, in no bytes of
// the upstream's.
func TestAnswersInTheOtherForm(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		contentType, body string
		stream            bool
		want              string
	}{
		"events for whom wants none": {"text/event-stream", stream, false, spoken},
		"an object for a stream":     {"application/json", whole, true, `1(~ZGF0YQ@anthropic)0(Hi)2read({"a":1}) stop_text`},
	} {
		driver, _ := serve(t, 200, test.contentType, test.body, nil)
		events, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, test.stream))
		if failure != nil || outline(events) != test.want {
			t.Errorf("%s: got %s, %v", name, outline(events), failure)
		}
		for _, event := range events {
			if event.Raw.Dialect != "" {
				t.Errorf("%s: raw %s", name, event.Raw.JSON)
			}
		}
	}
}

func TestWhatIsNoAnswer(t *testing.T) {
	t.Parallel()
	const begin = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1}}}\n\n"
	for name, test := range map[string]struct {
		body  string
		class upstream.Class
		words string
	}{
		"an error first":      {"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n", upstream.Broken, "Overloaded"},
		"an error later":      {begin + "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow\"}}\n\n", upstream.RateLimit, "slow"},
		"no end":              {begin, upstream.Truncated, "ended early"},
		"garbage":             {begin + "data: {\"type\"\n\n", upstream.Truncated, "not valid JSON"},
		"nothing":             {"", upstream.Truncated, "ended early"},
		"nothing said":        {begin + "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\ndata: {\"type\":\"message_stop\"}\n\n", upstream.Truncated, "empty"},
		"a page":              {"<html>", upstream.Broken, "page"},
		"an object of errors": {`{"type":"error","error":{"type":"api_error","message":"broke"}}`, upstream.Broken, "broke"},
		"another object":      {`{"object":"chat.completion"}`, upstream.Truncated, ""},
	} {
		driver, _ := serve(t, 200, "text/event-stream", test.body, nil)
		_, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, true))
		if failure == nil || failure.Class != test.class || !strings.Contains(failure.Message, test.words) {
			t.Errorf("%s: %v", name, failure)
		}
	}
}

// An answer that speaks of calls and has none reaches a client of the dialect as it came.
// Trap 13.
func TestNativeEndOfNoCall(t *testing.T) {
	t.Parallel()
	const body = `{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":4}}`
	driver, _ := serve(t, 200, "application/json", body, nil)
	events, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, false))
	if failure != nil || len(events) == 0 || string(events[0].Raw.JSON) != body || outline(events) != "0(Hi) tool_calls" {
		t.Errorf("%s, %v", outline(events), failure)
	}
}

// Traps 32 and 33: the question is the client's, with the model's name and the key changed
// and nothing added.
func TestCountTokens(t *testing.T) {
	t.Parallel()
	driver, got := serve(t, 200, "application/json", `{"input_tokens":77}`, nil)
	call := nativeCall(`{"model":"up/claude","messages":[],"tools":[{"name":"f"}]}`, false)
	call.Request.Source.Query = "beta=true"
	tokens, err := driver.CountTokens(t.Context(), call)
	if got.header.Get("X-Api-Key") != testKey || got.header.Get("Authorization") != "" {
		t.Errorf("sent with %v", got.header)
	}
	if err != nil || tokens != 77 || got.path != "/v1/messages/count_tokens?beta=true" || got.body != `{"model":"claude","messages":[],"tools":[{"name":"f"}]}` {
		t.Errorf("%d, %v, sent %s to %s", tokens, err, got.body, got.path)
	}
	for _, answer := range []string{`{}`, `{"input_tokens":"many"}`, `no`} {
		driver, _ := serve(t, 200, "application/json", answer, nil)
		if tokens, err := driver.CountTokens(t.Context(), call); err == nil {
			t.Errorf("%s: %d", answer, tokens)
		}
	}
}

func TestModels(t *testing.T) {
	t.Parallel()
	driver, got := serve(t, 200, "application/json",
		`{"data":[{"type":"model","id":"claude-a","display_name":"A","created_at":"2025-02-19T00:00:00Z"},{"id":""}],"has_more":false,"first_id":"claude-a","last_id":"claude-a"}`, nil)
	models, err := driver.Models(t.Context(), nativeCall(`{}`, false).Credential)
	if err != nil || len(models) != 1 || models[0] != (chat.Model{ID: "claude-a", OwnedBy: dialect, Created: 1739923200}) || got.path != "/v1/models?limit=1000" {
		t.Errorf("%+v, %v from %s", models, err, got.path)
	}
}

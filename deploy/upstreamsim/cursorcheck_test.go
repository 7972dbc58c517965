package upstreamsim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

func TestCursorAssertions(t *testing.T) {
	t.Parallel()
	header := func(name, value string) func(*testing.T, *http.Request) {
		return func(_ *testing.T, r *http.Request) {
			if value == "" {
				r.Header.Del(name)
			} else {
				r.Header.Set(name, value)
			}
		}
	}
	body := func(raw []byte) func(*testing.T, *http.Request) {
		return func(_ *testing.T, r *http.Request) { r.Body = io.NopCloser(bytes.NewReader(raw)) }
	}
	message := func(change func(*aiserverv1.GetChatRequest)) func(*testing.T, *http.Request) {
		return func(t *testing.T, r *http.Request) {
			t.Helper()
			request := chatRequest("gpt-4o", human("Hi"))
			change(request)
			r.Body = io.NopCloser(bytes.NewReader(envelope(t, request)))
		}
	}
	stamp := stampOf(time.Now())
	good := envelope(t, chatRequest("gpt-4o", human("Hi")))
	flagged := bytes.Clone(good)
	flagged[0] = 1
	for name, test := range map[string]struct {
		change func(*testing.T, *http.Request)
		want   string
	}{
		"method":             {func(_ *testing.T, r *http.Request) { r.Method = http.MethodPut }, "the method is PUT"},
		"no bearer":          {header("authorization", ""), "no bearer"},
		"basic":              {header("authorization", "Basic abc"), "no bearer"},
		"content-type":       {header("content-type", "application/proto"), "content-type"},
		"protocol version":   {header("connect-protocol-version", ""), "connect-protocol-version"},
		"no gzip":            {header("connect-accept-encoding", "br"), "connect-accept-encoding"},
		"user-agent":         {header("user-agent", "connect-go/1.21.1 (go1.26)"), "user-agent"},
		"request id":         {header("x-request-id", "1"), "x-request-id"},
		"request id version": {header("x-request-id", strings.Replace(uuid1, "-4", "-1", 1)), "version 4"},
		"trace id":           {header("x-amzn-trace-id", "Root="+uuid2), "x-amzn-trace-id"},
		"version":            {header("x-cursor-client-version", "new"), "x-cursor-client-version"},
		"ghost mode":         {header("x-ghost-mode", "yes"), "x-ghost-mode"},
		"timezone":           {header("x-cursor-timezone", ""), "x-cursor-timezone"},
		"client key":         {header("x-client-key", "short"), "x-client-key"},
		"no checksum":        {header("x-cursor-checksum", ""), "0 long"},
		"garbled checksum":   {header("x-cursor-checksum", "AAAAAAAA"+device1), "garbled"},
		"stale checksum":     {header("x-cursor-checksum", stampOf(time.Now().Add(-2*checksumUnit))+device1), "not fresh"},
		// A unit may go by before it is looked at, and the one before it is fresh, too.
		"future checksum":    {header("x-cursor-checksum", stampOf(time.Now().Add(3*checksumUnit))+device1), "not fresh"},
		"other device":       {header("x-cursor-checksum", stamp+mac1+"/"+device1), "device id changed"},
		"no envelope":        {body(good[:4]), "no envelope"},
		"flags":              {body(flagged), "flags 1"},
		"length":             {body(good[:len(good)-1]), "claims"},
		"two envelopes":      {body(append(bytes.Clone(good), good...)), "claims"},
		"no protobuf":        {body([]byte("\x00\x00\x00\x00\x02\x0a\x7f")), "not a GetChatRequest"},
		"no model":           {message(func(r *aiserverv1.GetChatRequest) { r.ModelDetails = nil }), "model name"},
		"no messages":        {message(func(r *aiserverv1.GetChatRequest) { r.Conversation = nil }), "0 messages"},
		"ends with AI":       {message(func(r *aiserverv1.GetChatRequest) { r.Conversation = append(r.Conversation, assistant("x")) }), "2 messages"},
		"begins with AI":     {message(func(r *aiserverv1.GetChatRequest) { r.Conversation[0] = assistant("x") }), "message 0 is MESSAGE_TYPE_AI"},
		"no alternation":     {message(func(r *aiserverv1.GetChatRequest) { r.Conversation = append(r.Conversation, human("x"), human("y")) }), "message 1 is MESSAGE_TYPE_HUMAN"},
		"bubble id":          {message(func(r *aiserverv1.GetChatRequest) { r.Conversation[0].BubbleId = "x" }), "bubble_id"},
		"message request id": {message(func(r *aiserverv1.GetChatRequest) { r.RequestId = "" }), "request_id"},
		"conversation id":    {message(func(r *aiserverv1.GetChatRequest) { r.ConversationId = "" }), "conversation_id"},
		"empty image":        {message(func(r *aiserverv1.GetChatRequest) { r.Conversation[0].Images = []*aiserverv1.ImageProto{{}} }), "image"},
		"long context":       {message(func(r *aiserverv1.GetChatRequest) { r.LongContextMode = proto.Bool(true) }), "long_context_mode is true"},
		"no long context":    {message(func(r *aiserverv1.GetChatRequest) { r.ModelDetails.ModelName = proto.String("gpt-4o-128k") }), "long_context_mode is false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{})
			const token = "secret-token-1"
			record(sim, cursorRequest(t.Context(), t, "http://sim", token, chatRequest("gpt-4o", human("Hi"))))
			noViolations(t, sim)
			request := cursorRequest(t.Context(), t, "http://sim", token, chatRequest("gpt-4o", human("Hi")))
			test.change(t, request)
			r := record(sim, request)
			var failure connectError
			if err := json.Unmarshal(r.all(), &failure); err != nil {
				t.Fatalf("%s: %v", r.all(), err)
			}
			if r.status != http.StatusBadRequest || failure.Code != "invalid_argument" || !strings.Contains(failure.Message, test.want) {
				t.Errorf("got %d %+v, want %q", r.status, failure, test.want)
			}
			ledger := sim.Ledger()
			if len(ledger.Violations) != 1 || strings.Join(ledger.Violations[0].Problems, "; ") != failure.Message || ledger.Total.Violations != 1 {
				t.Errorf("the ledger has %+v", ledger.Violations)
			}
			if strings.Contains(string(r.all()), token) || strings.Contains(string(r.all()), device1) {
				t.Error("the answer quotes a secret")
			}
		})
	}
}

func TestCursorLongContext(t *testing.T) {
	t.Parallel()
	request := chatRequest("gpt-4o-128k", human("Hi"))
	request.LongContextMode = proto.Bool(true)
	sim := New(Options{})
	record(sim, cursorRequest(t.Context(), t, "http://sim", "token-1", request))
	noViolations(t, sim)
}

func TestUnknownPathsAreNoted(t *testing.T) {
	t.Parallel()
	for path, api := range map[string]API{"/aiserver.v1.AiService/Other": Cursor, "/v1/assistants": unknown, "/": unknown} {
		sim := New(Options{})
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://sim"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := record(sim, request)
		if violations := sim.Ledger().Violations; r.status != http.StatusNotFound || len(violations) != 1 || violations[0].API != api {
			t.Errorf("%s: %d, %+v", path, r.status, violations)
		}
	}
}

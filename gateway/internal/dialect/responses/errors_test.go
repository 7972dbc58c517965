package responses_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
)

var errSecret = errors.New("a secret")

// What a client decides by: the status, the type and the code.
func TestErrors(t *testing.T) {
	t.Parallel()
	rejected := func(status int, code, dialect, json string) *chat.UpstreamError {
		return &chat.UpstreamError{Status: status, Code: code, Dialect: dialect, JSON: []byte(json)}
	}
	const own = `{"error":{"message":"theirs","type":"x","param":"y","code":"z"}}`
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a fault of the request":        {&chat.Error{Kind: chat.InvalidRequest}, "400 invalid_request_error invalid_request"},
		"too long, in no stream":        {&chat.Error{Kind: chat.ContextTooLong}, "400 invalid_request_error context_length_exceeded"},
		"too large":                     {&chat.Error{Kind: chat.PayloadTooLarge}, "413 invalid_request_error request_too_large"},
		"a wrong key":                   {&chat.Error{Kind: chat.Unauthenticated}, "401 invalid_request_error unauthorized"},
		"a name nobody serves":          {&chat.Error{Kind: chat.ModelNotSupported}, "404 invalid_request_error model_not_found"},
		"a model that is not there":     {&chat.Error{Kind: chat.ModelNotFound}, "404 invalid_request_error model_not_found"},
		"a method":                      {&chat.Error{Kind: chat.MethodNotAllowed}, "405 invalid_request_error method_not_allowed"},
		"what can't be carried":         {&chat.Error{Kind: chat.Unsupported}, "400 invalid_request_error unsupported_parameter"},
		"nobody can serve":              {&chat.Error{Kind: chat.NoTokens}, "503 server_error server_is_overloaded"},
		"all busy":                      {&chat.Error{Kind: chat.NoTokenAvailable}, "429 rate_limit_error rate_limit_exceeded"},
		"limited":                       {&chat.Error{Kind: chat.RateLimited}, "429 rate_limit_error rate_limit_exceeded"},
		"the key is at its limit":       {&chat.Error{Kind: chat.KeyLimited}, "429 rate_limit_error rate_limit_exceeded"},
		"the key's budget is used up":   {&chat.Error{Kind: chat.KeySpent}, "429 insufficient_quota insufficient_quota"},
		"not for this key":              {&chat.Error{Kind: chat.Forbidden}, "403 invalid_request_error forbidden"},
		"a pooled token is refused":     {&chat.Error{Kind: chat.UpstreamAuth, Upstream: rejected(401, "invalid_api_key", "responses", own)}, "503 server_error upstream_auth"},
		"out of reach":                  {&chat.Error{Kind: chat.UpstreamUnavailable}, "503 server_error request_failed"},
		"garbled":                       {&chat.Error{Kind: chat.UpstreamProtocol}, "502 server_error request_failed"},
		"too slow":                      {&chat.Error{Kind: chat.Timeout}, "504 server_error timeout"},
		"refused by its upstream":       {&chat.Error{Kind: chat.UpstreamRejected, Upstream: rejected(422, "bad_schema", "another", own)}, "400 invalid_request_error bad_schema"},
		"refused, and a number as code": {&chat.Error{Kind: chat.UpstreamRejected, Upstream: rejected(400, "400", "another", own)}, "400 invalid_request_error upstream_rejected"},
		"the upstream's own":            {&chat.Error{Kind: chat.UpstreamRejected, Upstream: rejected(422, "z", "responses", own)}, "422 x z"},
		"its own about its token":       {&chat.Error{Kind: chat.UpstreamRejected, Upstream: rejected(403, "z", "responses", own)}, "400 invalid_request_error z"},
		"its own that is too long":      {&chat.Error{Kind: chat.ContextTooLong, Upstream: rejected(400, "context_length_exceeded", "responses", own)}, "400 x z"},
		"whatever":                      {errSecret, "500 server_error server_error"},
		"a kind that is not a table's":  {&chat.Error{Kind: "unheard of"}, "500 server_error server_error"},
	} {
		answer := api.Error(test.err, requestID)
		var body struct {
			Error struct {
				Message, Type, Code string
				Param               json.RawMessage
			}
		}
		if err := json.Unmarshal(answer.JSON, &body); err != nil {
			t.Fatal(err)
		}
		if got := strconv.Itoa(answer.Status) + " " + body.Error.Type + " " + body.Error.Code; got != test.want || body.Error.Param == nil || answer.Event != "error" {
			t.Errorf("%s: %s, want %s: %s", name, got, test.want, answer.JSON)
		}
		if strings.Contains(string(answer.JSON), "secret") {
			t.Errorf("%s: %s", name, answer.JSON)
		}
	}
}

// Headers tell when to ask again, and when not to.
func TestHeadersOfErrors(t *testing.T) {
	t.Parallel()
	answer := api.Error(&chat.Error{Kind: chat.RateLimited, RetryAfter: 1500 * time.Millisecond}, "")
	if got := answer.Header.Get("Retry-After"); got != "2" || answer.Header.Get("X-Should-Retry") != "" {
		t.Errorf("%v", answer.Header)
	}
	later := api.Error(&chat.Error{Kind: chat.KeyLimited, RetryAfter: time.Second}, "")
	if later.Header.Get("X-Should-Retry") != "" {
		t.Errorf("what may fit later: %v", later.Header)
	}
	for _, kind := range []chat.Kind{chat.NoTokens, chat.Conflict, chat.TooManyAttempts, chat.KeySpent, chat.KeyLimited} {
		if got := api.Error(&chat.Error{Kind: kind}, "").Header.Get("X-Should-Retry"); got != "false" {
			t.Errorf("%s: %q", kind, got)
		}
	}
	theirs := &chat.UpstreamError{Status: 400, Dialect: "responses", JSON: []byte(`{"error":{"message":"m"}}`), Header: http.Header{"X-Codex-A": {"b"}}}
	if got := api.Error(&chat.Error{Kind: chat.UpstreamRejected, Upstream: theirs}, "").Header.Get("X-Codex-A"); got != "b" {
		t.Errorf("%q", got)
	}
}

// Why no token could serve, and what the upstream calls an error, stand beside the members that
// clients know, as they do on the other routes of the vendor's.
func TestErrorsTellThePoolAndTheUpstream(t *testing.T) {
	t.Parallel()
	got := api.Error(&chat.Error{
		Kind: chat.NoTokens, Message: "none", Pool: &chat.Pool{Total: 2, Parked: 1, Disabled: 1}, Upstream: &chat.UpstreamError{Status: 401, Code: "gone"},
	}, "")
	const want = `{"error":{"message":"none","type":"server_error","param":null,"code":"server_is_overloaded",` +
		`"pool":{"total":2,"busy":0,"cooling":0,"probing":0,"quarantined":0,"tried":0,"parked":1,"disabled":1,"expired":0},` +
		`"upstream":{"status":401,"code":"gone","type":null,"param":null}}}`
	if string(got.JSON) != want {
		t.Errorf("%s", got.JSON)
	}
}

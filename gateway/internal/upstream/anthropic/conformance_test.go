package anthropic

import (
	"encoding/json"
	"net/http"
	"testing"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/upstreamtest"
	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	asJSON := http.Header{"Content-Type": {"application/json"}}
	harness := upstreamtest.Harness{
		New: func(baseURL string, settings map[string]string) (upstream.Driver, error) {
			return New(upstream.Config{Name: "test", Driver: dialect, BaseURL: baseURL, Settings: settings})
		},
		Wire: upstreamtest.Wire{
			Header: http.Header{"Content-Type": {"text/event-stream"}},
			Text: func(text string) []byte {
				return frameOf("content_block_delta", `"index":0,"delta":{"type":"text_delta","text":`+quoted(text)+`}`)
			},
			End: []byte(string(frameOf("message_delta", `"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":1,"output_tokens":0}`)) +
				string(frameOf("message_stop", ""))),
			Silent: []byte(": keep-alive\n\n"),
			Fail: func(class upstream.Class, message string) upstreamtest.Answer {
				status, kind := refusalOf(class)
				if status == 0 {
					return upstreamtest.Answer{}
				}
				return upstreamtest.Answer{Status: status, Header: asJSON, Body: errorBody(kind, message)}
			},
			FailLate: func(class upstream.Class, message string) []byte {
				status, kind := refusalOf(class)
				if status == 0 {
					return nil
				}
				return []byte("event: error\ndata: " + string(errorBody(kind, message)) + "\n\n")
			},
			Whole: func(text string) upstreamtest.Answer {
				return upstreamtest.Answer{
					Status: http.StatusOK, Header: asJSON,
					Body: []byte(`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":` + quoted(text) +
						`}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":0}}`),
				}
			},
		},
	}
	upstreamtest.Run(t, harness)
	upstreamtest.RunProxies(t, harness)
}

func quoted(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

// frameOf is a server-sent event; members follow its type.
func frameOf(kind, members string) []byte {
	if members != "" {
		members = "," + members
	}
	return []byte("event: " + kind + "\ndata: {\"type\":" + quoted(kind) + members + "}\n\n")
}

func errorBody(kind, message string) []byte {
	return []byte(`{"type":"error","error":{"type":` + quoted(kind) + `,"message":` + quoted(message) + `},"request_id":"req_1"}`)
}

// refusalOf is how the upstream says a class; 0 where it has no words for it.
func refusalOf(class upstream.Class) (status int, kind string) {
	switch class {
	case upstream.CallerFault:
		return 400, "invalid_request_error"
	case upstream.Auth:
		return 401, "authentication_error"
	case upstream.ModelNotAllowed:
		return 403, "permission_error"
	case upstream.Quota:
		return 402, "billing_error"
	case upstream.RateLimit:
		return 429, "rate_limit_error"
	case upstream.TooLarge:
		return 413, "request_too_large"
	case upstream.Broken:
		return 529, "overloaded_error"
	default:
		return 0, ""
	}
}

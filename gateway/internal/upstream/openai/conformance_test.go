package openai

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
	stream := http.Header{"Content-Type": {"text/event-stream"}}
	harness := upstreamtest.Harness{
		New: func(baseURL string, settings map[string]string) (upstream.Driver, error) {
			return New(upstream.Config{Name: "test", Driver: Name, BaseURL: baseURL + "/v1", Settings: settings})
		},
		Wire: upstreamtest.Wire{
			Header: stream,
			Text:   textChunk,
			// Counts would tell that something was produced, also where nothing is said.
			End: []byte(`data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" +
				`data: {"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":0}}` + "\n\ndata: [DONE]\n\n"),
			Silent: []byte(": keep-alive\n\n"),
			Fail: func(class upstream.Class, message string) upstreamtest.Answer {
				status, code := refusalOf(class)
				if status == 0 {
					return upstreamtest.Answer{}
				}
				return upstreamtest.Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: errorBody(code, message)}
			},
			FailLate: func(class upstream.Class, message string) []byte {
				status, code := refusalOf(class)
				if status == 0 {
					return nil
				}
				if code == "" {
					code = map[upstream.Class]string{upstream.CallerFault: "invalid_request_error"}[class]
				}
				return append(append([]byte("data: "), errorBody(code, message)...), "\n\n"...)
			},
			Whole: func(text string) upstreamtest.Answer {
				return upstreamtest.Answer{
					Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
					Body: []byte(`{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":` + quoted(text) +
						`},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":0}}`),
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

func textChunk(text string) []byte {
	return []byte(`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":` +
		quoted(text) + `},"finish_reason":null}]}` + "\n\n")
}

func errorBody(code, message string) []byte {
	return []byte(`{"error":{"message":` + quoted(message) + `,"type":"some_error","param":null,"code":` + quoted(code) + `}}`)
}

// refusalOf is how the upstream says a class; 0 where it has no words for it.
func refusalOf(class upstream.Class) (status int, code string) {
	switch class {
	case upstream.CallerFault:
		return 400, ""
	case upstream.Auth:
		return 401, "invalid_api_key"
	case upstream.ModelNotAllowed:
		return 403, "model_access_denied"
	case upstream.ModelUnknown:
		return 404, "model_not_found"
	case upstream.Quota:
		return 429, "insufficient_quota"
	case upstream.RateLimit:
		return 429, "rate_limit_exceeded"
	case upstream.TooLarge:
		return 400, "context_length_exceeded"
	case upstream.Broken:
		return 500, "server_error"
	case upstream.Region:
		return 403, "unsupported_country_region_territory"
	default:
		return 0, ""
	}
}

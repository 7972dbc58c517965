package terminal

import (
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// requestMessage is what a gateway's log says of each request, with the attributes that requestOf
// reads.
const requestMessage = "request done"

// request is what the log says of one. Its texts are clean.
type request struct {
	method, route, dialect         string
	model, upstream                string
	caller, keyName                string
	err                            string
	status, attempts               int64
	promptTokens, completionTokens int64
	// estimated: the upstream has not told how many tokens there were.
	estimated bool
	// streamed: the answer came as events, the first of which took first.
	streamed    bool
	took, first time.Duration
}

func requestOf(record slog.Record) request {
	fields := map[string]slog.Value{}
	record.Attrs(func(attr slog.Attr) bool {
		fields[attr.Key] = attr.Value
		return true
	})
	text := func(key string) string { return textOf(fields[key]) }
	number := func(key string) int64 { return numberOf(fields[key]) }
	return request{
		method: text("method"), route: text("route"), dialect: text("dialect"), model: text("model"), upstream: text("upstream"),
		caller: text("caller"), keyName: text("key_name"), err: strings.TrimPrefix(text("error"), text("error_kind")+": "),
		status: number("status"), attempts: number("attempts"),
		promptTokens: number("prompt_tokens"), completionTokens: number("completion_tokens"), estimated: text("usage_source") == "estimated",
		streamed: truthOf(fields["stream"]), took: timeOf(fields["dur_ms"]), first: timeOf(fields["ttft_ms"]),
	}
}

// textOf is a text that may be missing, clean.
func textOf(value slog.Value) string {
	if value.Kind() != slog.KindString {
		return ""
	}
	return clean(value.String())
}

func numberOf(value slog.Value) int64 {
	if value.Kind() != slog.KindInt64 {
		return 0
	}
	return value.Int64()
}

func truthOf(value slog.Value) bool { return value.Kind() == slog.KindBool && value.Bool() }

// timeOf reads milliseconds.
func timeOf(value slog.Value) time.Duration {
	if value.Kind() != slog.KindFloat64 {
		return 0
	}
	return time.Duration(value.Float64() * float64(time.Millisecond))
}

// isNews tells whether whoever looks on wants to know of a request: of chats and their like, and of
// what goes wrong at the API. Polls, probes and pages are none.
func (r request) isNews(level slog.Level) bool {
	changes := r.method != http.MethodGet && r.method != http.MethodHead
	switch {
	case r.dialect != "" && r.method == http.MethodPost:
		return true
	case r.err == "":
		return false
	case r.route == unmatched:
		return changes // browsers ask for much that there is not
	default:
		return level >= slog.LevelWarn || strings.Contains(r.route, "/v1/")
	}
}

// unmatched is the route of requests that there is no route for.
const unmatched = "unmatched"

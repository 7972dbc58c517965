package streamchat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/egress"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// fixture is one way in which an attempt fails, and the row that decides it.
type fixture struct {
	row, title string
	upstream   *Client
	// ctx is the caller's, where it is not the test's.
	ctx context.Context
}

func fixtures() []fixture {
	const htmlType = "text/html; charset=utf-8"
	var all []fixture
	// numbered are errors that have a number; the Connect code says something else.
	numbered := func(row string, numbers ...int) {
		for _, number := range numbers {
			end := endFrame(trailer("aborted", aiserverv1.ErrorDetails_Error(number), "Title", "Detail."))
			all = append(all, fixture{row: row, title: fmt.Sprint("number ", number), upstream: replay(end)})
		}
	}
	coded := func(row, message string, codes ...string) {
		for _, code := range codes {
			end := endFrame(fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, code, message))
			all = append(all, fixture{row: row, title: code + " " + message, upstream: replay(end)})
		}
	}
	refused := func(row string, status int, media, body string) {
		all = append(all, fixture{row: row, title: fmt.Sprint("HTTP ", status, " ", body), upstream: fixed(transportFunc(func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: status, Request: r, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{"Content-Type": {media}},
			}, nil
		}))})
	}
	connection := func(row, title string, transport transportFunc) {
		all = append(all, fixture{row: row, title: title, upstream: fixed(transport)})
	}

	all = append(all, fixture{row: "outdated client, in words", title: "as a rate limit", upstream: replay(endFrame(
		`{"error":{"code":"resource_exhausted","message":"Error","details":[{"type":"aiserver.v1.ErrorDetails","value":"` + updateRequired + `"}]}}`))})
	coded("outdated client, in words", "Your client version 0.42.3 is too old", "failed_precondition")
	coded("region, in words", "This model provider doesn't serve your region", "permission_denied")
	coded("region, in words", "ERROR_UNSUPPORTED_REGION", "unknown")

	numbered("limit", 7, 8, 14, 22, 28, 34, 35, 41, 50, 51)
	coded("limit", "Error", "resource_exhausted")
	coded("limit: size", "message is too large", "resource_exhausted")
	coded("limit: quota", "You've hit your usage limit", "resource_exhausted")
	coded("limit: one model", "Too many requests for this model", "resource_exhausted")

	numbered("token refused", 1, 2, 3, 6, 11, 12, 18, 38, 42)
	coded("token refused", "Error", "unauthenticated")
	numbered("not in the plan", 4, 17, 23, 24, 46, 47, 48)
	coded("not in the plan", "Pro only", "permission_denied")
	numbered("quota", 9, 10, 15, 44, 45)
	numbered("too large", 20, 26, 43)
	numbered("outdated client", 30, 40)
	numbered("model unknown", 5)
	coded("model unknown, in words", "The model gpt-99 does not exist", "not_found", "invalid_argument")
	coded("model unknown, in words", "Unknown model", "invalid_argument")
	numbered("bad request", 16, 19, 27, 31, 32, 33, 36, 37, 39, 49, 53)
	coded("bad request", "Error", "invalid_argument", "failed_precondition", "out_of_range", "not_found", "already_exists")
	numbered("upstream failed", 13, 21, 25)
	numbered("anything else", 0, 29, 52, 99, 1000)
	coded("anything else", "Error", "aborted", "unimplemented", "deadline_exceeded", "unavailable", "canceled", "internal", "unknown", "data_loss", "new_code")

	for _, status := range []int{200, 400, 403} {
		refused("a page", status, htmlType, "<html>Cloudflare</html>")
	}
	for _, status := range []int{400, 401, 402, 403, 410, 413, 422, 426, 429, 451} {
		refused(fmt.Sprint("HTTP ", status), status, "", "")
	}
	refused("HTTP 429: size", 429, "application/json", `{"error":"prompt is too long"}`)
	refused("HTTP 429: quota", 429, "application/json", `{"error":"quota used up"}`)
	refused("HTTP 429: one model", 429, "application/json", `{"error":"high demand, too many requests to this model"}`)
	refused("HTTP 429", 429, htmlType, "<html>slow down</html>")
	for _, status := range []int{307, 404, 464, 500, 502, 503} {
		refused("anything else", status, "", "")
	}

	connection("unreachable", "refused", func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED })
	connection("proxy", "refused", func(*http.Request) (*http.Response, error) { return nil, &egress.Error{Text: "the proxy is away"} })
	connection("connection lost", "reset", func(*http.Request) (*http.Response, error) {
		return responseOf(&body{chunks: [][]byte{textFrame("Hi")}, err: syscall.ECONNRESET}), nil
	})
	connection("cut short", "end of file", func(*http.Request) (*http.Response, error) {
		return responseOf(&body{chunks: [][]byte{textFrame("Hi")}, err: io.ErrUnexpectedEOF}), nil
	})
	all = append(all, fixture{row: "empty", title: "an end", upstream: replay(endFrame("{}"))},
		fixture{row: "garbled", title: "flags", upstream: replay(frame(64, []byte("x")))})
	refused("garbled", 200, "application/json", `{"ok":true}`)

	all = append(all, endedFixtures()...)
	return all
}

// endedFixtures are those that a context's end is the cause of.
func endedFixtures() []fixture {
	quiet := transportFunc(func(r *http.Request) (*http.Response, error) {
		return responseOf(&body{ctx: r.Context()}), nil
	})
	impatient := fixed(quiet)
	impatient.firstByte = time.Millisecond
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithTimeoutCause(context.Background(), 0, errors.New("the request's time is over"))
	cancel()
	return []fixture{
		{row: "silent", title: "nothing comes", upstream: impatient},
		{row: "hung up", title: "cancelled", upstream: fixed(quiet), ctx: gone},
		{row: "late", title: "deadline", upstream: fixed(quiet), ctx: late},
	}
}

// Each row of the table, and each name in it, has a fixture that it decides; and
// whatever an upstream answers is decided by the row that is meant.
func TestFailures(t *testing.T) {
	t.Parallel()
	classes, decided := map[string]upstream.Class{}, map[string]bool{}
	for _, row := range fault.Table {
		if _, twice := classes[row.Name]; twice {
			t.Errorf("two rows are named %q", row.Name)
		}
		classes[row.Name] = row.Class
	}
	for _, f := range fixtures() {
		ctx := f.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		failure := failureOf(ctx, t, f.upstream)
		if failure.Rule != f.row || failure.Class != classes[f.row] || failure.Message == "" {
			t.Errorf("%s: decided by %q, not %q: %v", f.title, failure.Rule, f.row, failure)
		}
		decided[f.row], decided[f.row+" "+strings.ToLower(failure.Code)] = true, true
	}
	for _, row := range fault.Table {
		if !decided[row.Name] {
			t.Errorf("row %q has no fixture", row.Name)
		}
		for _, name := range row.Names {
			if row.Text == nil && !strings.HasPrefix(name, "(") && !decided[row.Name+" "+name] {
				t.Errorf("row %q has no fixture for %s", row.Name, name)
			}
		}
	}
}

func failureOf(ctx context.Context, t *testing.T, d *Client) *upstream.Failure {
	t.Helper()
	for _, err := range d.Chat(ctx, callOf(said(chat.User, "Hi"))) {
		if failure, ok := errors.AsType[*upstream.Failure](err); ok {
			return failure
		}
	}
	t.Fatal("the answer is complete")
	return nil
}

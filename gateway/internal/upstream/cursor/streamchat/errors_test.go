package streamchat

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
	"carousel.internal/proto/service/secret"
)

// Two errors that the real upstream sent.
const (
	notLoggedIn    = "CAISVQoOTm90IGxvZ2dlZCBpbi4SQU5vdCBsb2dnZWQgaW4uIElmIHlvdSBhcmUgbG9nZ2VkIGluLCB0cnkgbG9nZ2luZyBvdXQgYW5kIGJhY2sgaW4uIAAYAQ"
	updateRequired = "CBwSlQEKD1VwZGF0ZSBSZXF1aXJlZBJ3WW91ciB2ZXJzaW9uIG9mIEN1cnNvciBpcyBubyBsb25nZXIgc3VwcG9ydGVkLiBQbGVhc2UgdXBkYXRlIHRvIHRoZSBsYXRlc3QgdmVyc2lvbiBhdCBjdXJzb3IuY29tL2Rvd25sb2FkcyB0byBjb250aW51ZS5SCQoHcGF5bWVudBgB"
)

func TestErrorVectors(t *testing.T) {
	t.Parallel()
	const updateText = "Update Required: Your version of Cursor is no longer supported. Please update to the latest version at cursor.com/downloads to continue."
	for name, test := range map[string]struct {
		trailer string
		class   upstream.Class
		code    string
		message string
	}{
		"not logged in": {
			`{"error":{"code":"unauthenticated","message":"Error","details":[{"type":"aiserver.v1.ErrorDetails","debug":{"error":"ERROR_NOT_LOGGED_IN","details":{"title":"Not logged in.","detail":"x","isRetryable":false},"isExpected":true},"value":"` + notLoggedIn + `"}]}}`,
			upstream.Auth, "ERROR_NOT_LOGGED_IN", "Not logged in. If you are logged in, try logging out and back in.",
		},
		"without debug": {
			`{"error":{"code":"unauthenticated","message":"Error","details":[{"type":"aiserver.v1.ErrorDetails","value":"` + notLoggedIn + `"}]}}`,
			upstream.Auth, "ERROR_NOT_LOGGED_IN", "Not logged in. If you are logged in, try logging out and back in.",
		},
		"outdated, dressed as a rate limit": {
			`{"error":{"details":[{"value":"` + updateRequired + `","debug":{"isExpected":true,"error":"ERROR_GPT_4_VISION_PREVIEW_RATE_LIMIT","details":{"title":"Update Required"}},"type":"aiserver.v1.ErrorDetails"}],"message":"Error","code":"resource_exhausted"}}`,
			upstream.OutdatedClient, "ERROR_GPT_4_VISION_PREVIEW_RATE_LIMIT", updateText,
		},
		"empty details": {
			`{"error":{"code":"resource_exhausted","message":"Error","details":[]}}`,
			upstream.RateLimit, "resource_exhausted", "the upstream answered with the error resource_exhausted",
		},
		"null details":  {`{"error":{"code":"unauthenticated","message":"Bad token","details":null}}`, upstream.Auth, "unauthenticated", "Bad token"},
		"no details":    {`{"error":{"code":"permission_denied","message":"Pro only"}}`, upstream.ModelNotAllowed, "permission_denied", "Pro only"},
		"no message":    {`{"error":{"code":"unavailable"}}`, upstream.Broken, "unavailable", "the upstream answered with the error unavailable"},
		"no code":       {`{"error":{"message":"oops"}}`, upstream.Broken, "unknown", "oops"},
		"nothing":       {`{"error":{}}`, upstream.Broken, "unknown", "the upstream answered with the error unknown"},
		"foreign value": {`{"error":{"code":"not_found","message":"gone","details":[{"type":"x.Y","value":"/////w"}]}}`, upstream.CallerFault, "not_found", "gone"},
		"no value":      {`{"error":{"code":"invalid_argument","message":"bad","details":[{"type":"aiserver.v1.ErrorDetails"}]}}`, upstream.CallerFault, "invalid_argument", "bad"},
		"words: size":   {`{"error":{"code":"resource_exhausted","message":"message is too large"}}`, upstream.TooLarge, "resource_exhausted", "message is too large"},
		"words: quota":  {`{"error":{"code":"resource_exhausted","message":"You've hit your usage limit"}}`, upstream.Quota, "resource_exhausted", "You've hit your usage limit"},
		"words: region": {
			`{"error":{"code":"permission_denied","message":"This model provider doesn't serve your region"}}`,
			upstream.Region, "permission_denied", "This model provider doesn't serve your region",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for shape, end := range map[string][]byte{"plain": endFrame(test.trailer), "gzip": gzipFrame(endFrame(test.trailer))} {
				_, failure := ask(t, replay(debugFrame(), frame(0, nil), end), callOf())
				if failure == nil || failure.Class != test.class || failure.Code != test.code || failure.Message != test.message {
					t.Errorf("%s: %v", shape, failure)
				}
				text, failure := ask(t, replay(textFrame("Hi"), end), callOf())
				if failure == nil || failure.Class != test.class || text != "Hi" {
					t.Errorf("%s after text: %q, %v", shape, text, failure)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const jsonType, htmlType = "application/json", "text/html; charset=utf-8"
	unary := func(code string) string { return `{"code":"` + code + `","message":"Said so"}` }
	for name, test := range map[string]struct {
		status      int
		media, body string
		class       upstream.Class
		message     string
	}{
		"400":                {400, "", "", upstream.CallerFault, "HTTP 400"},
		"401":                {401, "", "", upstream.Auth, "HTTP 401"},
		"401 page":           {401, htmlType, "<html>no</html>", upstream.Auth, "HTTP 401"},
		"402":                {402, "", "", upstream.Quota, "HTTP 402"},
		"403":                {403, "", "", upstream.Auth, "HTTP 403"},
		"403 page":           {403, htmlType, "<html>Cloudflare</html>", upstream.Broken, "a web page (HTTP 403)"},
		"403 bare page":      {403, "", " <!DOCTYPE html>", upstream.Broken, "a web page (HTTP 403)"},
		"403 plan":           {403, jsonType, unary("permission_denied"), upstream.ModelNotAllowed, "Said so"},
		"404":                {404, htmlType, "<html>", upstream.Broken, "HTTP 404"},
		"410":                {410, jsonType, `{"error":"deprecated"}`, upstream.OutdatedClient, "deprecated"},
		"413 page":           {413, htmlType, "<html>", upstream.TooLarge, "HTTP 413"},
		"426":                {426, "", "", upstream.OutdatedClient, "HTTP 426"},
		"429":                {429, "", "", upstream.RateLimit, "HTTP 429"},
		"429 page":           {429, htmlType, "<html>slow down</html>", upstream.RateLimit, "HTTP 429"},
		"429 JSON":           {429, jsonType, unary("resource_exhausted"), upstream.RateLimit, "Said so"},
		"429 outdated":       {429, jsonType, `{"code":"resource_exhausted","message":"Update Required"}`, upstream.OutdatedClient, "Update Required"},
		"429 nested":         {429, jsonType, `{"error":{"code":"resource_exhausted","message":"quota used up"}}`, upstream.Quota, "quota used up"},
		"451":                {451, "", "", upstream.Region, "HTTP 451"},
		"464":                {464, "", "", upstream.Broken, "HTTP/2"},
		"500":                {500, "", "", upstream.Broken, "HTTP 500"},
		"500 JSON":           {500, jsonType, unary("internal"), upstream.Broken, "Said so"},
		"503 page":           {503, htmlType, "<html>", upstream.Broken, "HTTP 503"},
		"redirect":           {307, "", "", upstream.Broken, "HTTP 307"},
		"status in disguise": {500, jsonType, unary("unauthenticated"), upstream.Auth, "Said so"},
		"details":            {401, jsonType, `{"code":"unknown","details":[{"value":"` + notLoggedIn + `"}]}`, upstream.Auth, "Not logged in"},
		"only debug": {
			400, jsonType, `{"code":"unknown","message":"Error","details":[{"debug":{"error":"ERROR_CONVERSATION_TOO_LONG","details":{"title":"Long","detail":"Shorten it"}}}]}`,
			upstream.TooLarge, "Long: Shorten it",
		},
		"200 page":         {200, htmlType, "<html>hello</html>", upstream.Broken, "a web page (HTTP 200)"},
		"200 JSON":         {200, jsonType, `{"ok":true}`, upstream.Truncated, "no stream"},
		"200 JSON error":   {200, jsonType, unary("unauthenticated"), upstream.Auth, "Said so"},
		"200 nothing":      {200, "", "", upstream.Truncated, "no stream"},
		"endless body":     {500, "", strings.Repeat("x", 128<<10), upstream.Broken, "HTTP 500"},
		"deep JSON":        {500, jsonType, strings.Repeat(`{"error":`, 1000), upstream.Broken, "HTTP 500"},
		"JSON of no shape": {500, jsonType, `[1,2]`, upstream.Broken, "HTTP 500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := fixed(transportFunc(func(r *http.Request) (*http.Response, error) {
				return &http.Response{
					StatusCode: test.status, Request: r, Body: io.NopCloser(strings.NewReader(test.body)),
					Header: http.Header{"Content-Type": {test.media}, "Retry-After": {"7"}, "Location": {"https://elsewhere.test"}},
				}, nil
			}))
			_, failure := ask(t, d, callOf(said(chat.User, "Hi")))
			if failure == nil || failure.Class != test.class || failure.Status != test.status || !strings.Contains(failure.Message, test.message) {
				t.Fatalf("%v, want %s", failure, test.class)
			}
			if failure.RetryAfter != 7*time.Second {
				t.Errorf("retry after %s", failure.RetryAfter)
			}
		})
	}
}

func TestConnectionErrors(t *testing.T) {
	t.Parallel()
	reset := &os.SyscallError{Syscall: "read", Err: syscall.ECONNRESET}
	for name, test := range map[string]struct {
		transport transportFunc
		class     upstream.Class
	}{
		"refused": {func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }, upstream.Transport},
		"EOF":     {func(*http.Request) (*http.Response, error) { return nil, io.EOF }, upstream.Transport},
		"reset": {func(*http.Request) (*http.Response, error) {
			return responseOf(&body{chunks: [][]byte{textFrame("Hi")}, err: reset}), nil
		}, upstream.Transport},
		"reset within a frame": {func(*http.Request) (*http.Response, error) {
			return responseOf(&body{chunks: [][]byte{textFrame("Hi"), {0, 0, 0, 0, 9, 1}}, err: reset}), nil
		}, upstream.Transport},
		"cut": {func(*http.Request) (*http.Response, error) {
			return responseOf(&body{chunks: [][]byte{textFrame("Hi")}, err: io.ErrUnexpectedEOF}), nil
		}, upstream.Truncated},
		"other": {func(*http.Request) (*http.Response, error) {
			return responseOf(&body{chunks: [][]byte{textFrame("Hi")}, err: errors.New("stream error")}), nil
		}, upstream.Transport},
	} {
		if _, failure := ask(t, fixed(test.transport), callOf(said(chat.User, "Hi"))); failure == nil || failure.Class != test.class {
			t.Errorf("%s: %v", name, failure)
		}
	}
	// After the end frame, nothing that happens to the connection matters.
	text, failure := ask(t, fixed(transportFunc(func(*http.Request) (*http.Response, error) {
		return responseOf(&body{chunks: [][]byte{textFrame("Hi"), endFrame("{}")}, err: reset}), nil
	})), callOf(said(chat.User, "Hi")))
	if failure != nil || text != "Hi" {
		t.Errorf("reset after the end: %q, %v", text, failure)
	}
}

func TestNoSecretInFailures(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"
	echo := `bad token ` + token + ` of user_01JH0000000000000000000000, checksum ` + device
	for name, d := range map[string]*Client{
		"trailer": replay(endFrame(`{"error":{"code":"unauthenticated","message":"` + echo + `"}}`)),
		"details": replay(endFrame(trailer("internal", aiserverv1.ErrorDetails_ERROR_NOT_LOGGED_IN, echo, echo))),
		"broken":  replay([]byte(echo)),
		"refusal": fixed(transportFunc(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 401, Request: r, Body: io.NopCloser(strings.NewReader(`{"error":"` + echo + `"}`))}, nil
		})),
	} {
		call := callOf(said(chat.User, "Hi"))
		call.Credential.Secret = secret.New(token)
		_, failure := ask(t, d, call)
		if failure == nil {
			t.Fatal("ended well")
		}
		for _, hidden := range []string{token, "c2ln", "user_01JH", device} {
			if strings.Contains(failure.Error(), hidden) || strings.Contains(failure.Message, hidden) {
				t.Errorf("%s: shows %q: %v", name, hidden, failure)
			}
		}
	}
}

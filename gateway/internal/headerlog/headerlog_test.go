package headerlog_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/headerlog"
)

func TestValuesThatAreKept(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-value"
	cases := []struct {
		name, value string
		want        headerlog.Header
	}{
		{"Content-Type", "application/json", headerlog.Header{Name: "Content-Type", Value: "application/json"}},
		{"x-ratelimit-remaining-requests", "0", headerlog.Header{Name: "X-Ratelimit-Remaining-Requests", Value: "0"}},
		{"Retry-After", "20", headerlog.Header{Name: "Retry-After", Value: "20"}},
		{"User-Agent", "OpenAI/Python 2.1.0", headerlog.Header{Name: "User-Agent", Value: "OpenAI/Python 2.1.0"}},
		{"X-Request-Id", "0b7c4f0a6d1e4a5c9d3f0b7c4f0a6d1e", headerlog.Header{Name: "X-Request-Id", Value: "0b7c4f0a6d1e4a5c9d3f0b7c4f0a6d1e"}},

		{"Authorization", "Bearer " + secret, headerlog.Header{Name: "Authorization", Hidden: true}},
		{"authorization", "Bearer " + secret, headerlog.Header{Name: "Authorization", Hidden: true}},
		{"X-Api-Key", secret, headerlog.Header{Name: "X-Api-Key", Hidden: true}},
		{"Cookie", "session=" + secret, headerlog.Header{Name: "Cookie", Hidden: true}},
		{"Set-Cookie", "session=" + secret, headerlog.Header{Name: "Set-Cookie", Hidden: true}},
		{"Proxy-Authorization", secret, headerlog.Header{Name: "Proxy-Authorization", Hidden: true}},
		{"X-Cursor-Checksum", secret, headerlog.Header{Name: "X-Cursor-Checksum", Hidden: true}},
		{"X-Nobody-Knows", secret, headerlog.Header{Name: "X-Nobody-Knows", Hidden: true}},

		{"User-Agent", "mine sk-" + secret, headerlog.Header{Name: "User-Agent", Hidden: true}},
		{"User-Agent", "mine eyJ" + secret, headerlog.Header{Name: "User-Agent", Hidden: true}},
		{"Accept", "a/" + strings.Repeat("x", 49), headerlog.Header{Name: "Accept", Hidden: true}},
		{"Accept", strings.Repeat("text/html, ", 20), headerlog.Header{Name: "Accept", Value: strings.Repeat("text/html, ", 20)[:128]}},
	}
	for _, c := range cases {
		if diff := cmp.Diff([]headerlog.Header{c.want}, headerlog.Of(http.Header{c.name: {c.value}})); diff != "" {
			t.Errorf("%s: %s: %s", c.name, c.value, diff)
		}
	}
}

// What stands where no secret belongs is one all the same, if a client puts it there.
func TestSecretsInHarmlessHeaders(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{
		"0123456789abcdef0123456789abcdef",          // hexadecimal
		"AIzaSyA-b1C2d3E4f5G6h7-I8j9K0l1M2n3O4p5Q6", // with dashes in it
		"hf_abcdefghijklmnopqrst",
		"gsk_short1",
		"xai-short1",
		"AKIAIOSFODNN7EXAMPLE",
		"abcDEF123/ghiJKL456mnoPQR789stu/vwx", // base64
		"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY0",
	} {
		for _, name := range []string{"User-Agent", "X-Stainless-Mine", "X-Ratelimit-Mine", "Accept-Language"} {
			if kept := headerlog.Of(http.Header{name: {"mine/1.0 " + secret}}); !kept[0].Hidden || kept[0].Value != "" {
				t.Errorf("%s: %q is kept as %+v", name, secret, kept[0])
			}
		}
	}
}

func TestWhatClientsAndUpstreamsWriteIsKept(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"User-Agent": {
			"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
			"claude-cli/2.0.14 (external, cli)", "codex_cli_rs/0.50.0 (Mac OS 15.1.0; arm64) Apple_Terminal/455", "AsyncOpenAI/Python 1.99.9",
		},
		"Anthropic-Beta":                         {"fine-grained-tool-streaming-2025-05-14,interleaved-thinking-2025-05-14,context-1m-2025-08-07"},
		"Anthropic-Ratelimit-Requests-Reset":     {"2026-01-31T12:00:00Z"},
		"X-Ratelimit-Reset-Tokens":               {"6m0.123s"},
		"Alt-Svc":                                {`h3=":443"; ma=86400`},
		"Cf-Ray":                                 {"8f1c9d2e3a4b5c6d7e8f-FRA"},
		"Request-Id":                             {"req_011CSHoEeqs5C35K2UUqR7Fy"},
		"Content-Type":                           {"application/connect+proto", "text/event-stream; charset=utf-8"},
		"X-Stainless-Runtime-Version":            {"v22.11.0"},
		"Anthropic-Ratelimit-Input-Tokens-Limit": {"2000000"},
		"X-Stainless-Async":                      {"async:asyncio"},
		"X-Cursor-Client-Version":                {"cli-2026.01.28-f1c9d2e"},
		"Accept-Language":                        {"zh-CN,zh;q=0.9,en;q=0.8"},
		"Anthropic-Ratelimit-Unified-5h-Status":  {"allowed_warning"},
	} {
		for _, value := range values {
			want := value[:min(len(value), 128)]
			if kept := headerlog.Of(http.Header{name: {value}}); kept[0].Value != want {
				t.Errorf("%s: %q is kept as %+v", name, value, kept[0])
			}
		}
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	t.Parallel()
	many, long := http.Header{}, http.Header{}
	for i := range 500 {
		many.Set(fmt.Sprintf("X-%03d", i), "v")
		long.Set(fmt.Sprintf("X-Stainless-%03d", i), strings.Repeat("é ", 500))
	}
	if kept := headerlog.Of(many); len(kept) != 32 || kept[0].Name != "X-000" {
		t.Errorf("%d headers: %v", len(kept), kept)
	}
	size := 0
	for _, each := range headerlog.Of(long) {
		size += len(each.Name) + len(each.Value)
		if each.Value != strings.ToValidUTF8(each.Value, "") {
			t.Errorf("cut within a character: %q", each.Value)
		}
	}
	if size == 0 || size > 1536 {
		t.Errorf("%d bytes", size)
	}
	if kept := headerlog.Of(http.Header{"X-" + strings.Repeat("n", 500): {"v"}}); len(kept[0].Name) != 64 {
		t.Errorf("a name of %d bytes", len(kept[0].Name))
	}
	if kept := headerlog.Of(nil); kept != nil {
		t.Errorf("of nothing: %v", kept)
	}
}

// An attempt may send several requests: its own is the first. What comes late belongs to no other.
func TestTheFirstExchangeOfAnAttempt(t *testing.T) {
	t.Parallel()
	record := headerlog.Record{Client: kind("client")}
	ctx := headerlog.Following(t.Context(), &record)
	send := func(name string) headerlog.Exchange {
		request, _ := http.NewRequestWithContext(ctx, http.MethodPost, "http://upstream.example", http.NoBody)
		request.Header = kind(name)
		return headerlog.Sending(request)
	}
	headerlog.Begin(ctx)
	send("first").Answered(&http.Response{Header: kind("answer to first")})
	send("aside").Answered(&http.Response{Header: kind("answer to aside")})
	kept(ctx, t, "first", "answer to first")

	headerlog.Begin(ctx)
	kept(ctx, t, "", "")
	late := send("second")
	late.Answered(nil)
	kept(ctx, t, "second", "")

	headerlog.Begin(ctx)
	send("third")
	late.Answered(&http.Response{Header: kind("late")})
	kept(ctx, t, "third", "")
	if diff := cmp.Diff(headerlog.Of(kind("client")), headerlog.OfClient(ctx)); diff != "" {
		t.Error(diff)
	}
}

func kind(name string) http.Header {
	if name == "" {
		return nil
	}
	return http.Header{"Content-Type": {name}}
}

func kept(ctx context.Context, t *testing.T, wantSent, wantReceived string) {
	t.Helper()
	sent, received := headerlog.OfAttempt(ctx)
	want := [][]headerlog.Header{headerlog.Of(kind(wantSent)), headerlog.Of(kind(wantReceived))}
	if diff := cmp.Diff(want, [][]headerlog.Header{sent, received}); diff != "" {
		t.Error(diff)
	}
}

func TestRequestsThatNobodyFollows(t *testing.T) {
	t.Parallel()
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://upstream.example", http.NoBody)
	headerlog.Begin(t.Context())
	headerlog.Sending(request).Answered(&http.Response{})
	sent, received := headerlog.OfAttempt(t.Context())
	if sent != nil || received != nil || headerlog.OfClient(t.Context()) != nil {
		t.Errorf("%v, %v", sent, received)
	}
}

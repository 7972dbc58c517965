package openai

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

func newTestDriver(t testing.TB, baseURL string, settings map[string]string) *Driver {
	t.Helper()
	driver, err := New(upstream.Config{BaseURL: baseURL, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	return driver.(*Driver)
}

func TestEdit(t *testing.T) {
	t.Parallel()
	off := map[string]string{"include_usage": "false"}
	tests := map[string]struct {
		settings     map[string]string
		stream       bool
		source, want string
	}{
		"only the model": {
			nil, false,
			`{ "temperature" : 1e0, "model": "up/m", "messages":[ {"model":"x"} ], "x":{"stream":true} }`,
			`{ "temperature" : 1e0, "model": "m", "messages":[ {"model":"x"} ], "x":{"stream":true} }`,
		},
		"nothing at all": {nil, false, `{"model":"m","stream":false,"stream_options":null}`, `{"model":"m","stream":false,"stream_options":null}`},
		"counts are asked for": {
			nil, true,
			`{"model":"up/m","stream":true,"new":1}`,
			`{"model":"m","stream":true,"new":1,"stream_options":{"include_usage":true}}`,
		},
		"beside another option": {
			nil, true,
			`{"stream_options":{"include_obfuscation":false},"model":"m","stream":true}`,
			`{"stream_options":{"include_obfuscation":false,"include_usage":true},"model":"m","stream":true}`,
		},
		"instead of none": {nil, true, `{"stream_options":{ },"model":"m","stream":true}`, `{"stream_options":{ "include_usage":true},"model":"m","stream":true}`},
		"instead of no":   {nil, true, `{"stream_options":{"include_usage":false},"model":"m","stream":true}`, `{"stream_options":{"include_usage":true},"model":"m","stream":true}`},
		"instead of null": {nil, true, `{"stream_options":null,"model":"m","stream":true}`, `{"stream_options":{"include_usage":true},"model":"m","stream":true}`},
		"as they are":     {nil, true, `{"stream_options":{"include_usage":true},"model":"m","stream":true}`, `{"stream_options":{"include_usage":true},"model":"m","stream":true}`},
		"never":           {off, true, `{"model":"m","stream":true}`, `{"model":"m","stream":true}`},
		"never, first":    {off, true, `{"stream_options":{"include_usage":true,"x":{}},"model":"m","stream":true}`, `{"model":"m","stream":true}`},
		"never, last":     {off, true, `{"model":"m","stream":true , "stream_options":{"include_usage":true} }`, `{"model":"m","stream":true  }`},
		"the answer's form": {
			nil, true, `{"model":"m","stream":null}`, `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`,
		},
		"the answer's form, unnamed": {
			nil, true, `{"model":"m"}`, `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`,
		},
		"not in pieces":   {nil, false, `{"model":"m","stream":true}`, `{"model":"m","stream":false}`},
		"keys twice":      {nil, false, `{"model":"a","model":"b","\u006dodel":"c"}`, `{"model":"m","model":"m","\u006dodel":"m"}`},
		"large numbers":   {nil, false, `{"model":"x","seed":12345678901234567890123}`, `{"model":"m","seed":12345678901234567890123}`},
		"no JSON":         {nil, false, `{"model":"x"`, ``},
		"not an object":   {nil, false, `[]`, ``},
		"without a model": {nil, false, `{}`, ``},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := strings.Clone(test.source)
			got, ok := newTestDriver(t, "http://x/v1", test.settings).edit([]byte(test.source), "m", test.stream)
			if string(got) != test.want || ok != (test.want != "") {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if source != test.source {
				t.Error("the source was changed")
			}
		})
	}
}

// What is sent differs from what the client sent in nothing but the three
// members that the driver sets.
func FuzzEdit(f *testing.F) {
	f.Add([]byte(`{"model":"a","messages":[],"stream":true}`), true, true)
	f.Add([]byte(`{"stream_options":{"x":{"a":1}},"model":"a","stream_options":null}`), true, false)
	f.Add([]byte(`{"stream_options":1,"stream_options":{},"model":[]}`), true, true)
	f.Fuzz(func(t *testing.T, source []byte, stream, usage bool) {
		driver := &Driver{settings: settings{includeUsage: usage}}
		got, ok := driver.edit(source, "new", stream)
		var want, result map[string]json.RawMessage
		err := json.Unmarshal(source, &want)
		if !ok {
			return
		}
		if err != nil {
			t.Fatalf("accepted %q", source)
		}
		if err := json.Unmarshal(got, &result); err != nil {
			t.Fatalf("%q became %q: %v", source, got, err)
		}
		if string(result["model"]) != `"new"` || stream && string(result["stream"]) != "true" {
			t.Fatalf("%q became %q", source, got)
		}
		var options struct {
			IncludeUsage bool `json:"include_usage"`
		}
		if raw, has := result["stream_options"]; stream && has && json.Unmarshal(raw, &options) != nil {
			t.Fatalf("%q became %q", source, got)
		}
		if stream && options.IncludeUsage != usage {
			t.Fatalf("%q became %q", source, got)
		}
		for _, key := range []string{"model", "stream", "stream_options"} {
			delete(want, key)
			delete(result, key)
		}
		if !reflect.DeepEqual(result, want) {
			t.Fatalf("%q became %q", source, got)
		}
	})
}

func TestRequest(t *testing.T) {
	t.Parallel()
	driver := newTestDriver(t, "https://host:8443/api/v1/?v=2", nil)
	call := &upstream.Call{
		Request:    &chat.Request{Source: chat.Source{Dialect: dialect, JSON: []byte(`{"model":"x"}`)}},
		Model:      "m",
		Credential: upstream.Credential{Secret: secret.New("sk-1")},
	}
	request, _ := driver.newRequest(t.Context(), call)
	if request.Method != http.MethodPost || request.URL.String() != "https://host:8443/api/v1/chat/completions?v=2" || request.Host != "host:8443" {
		t.Errorf("%s %s at %s", request.Method, request.URL, request.Host)
	}
	if request.Header.Get("Authorization") != "Bearer sk-1" || request.Header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", request.Header)
	}
	for range 2 { // it can be sent again
		body, err := request.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(body); err != nil || string(text) != `{"model":"m"}` || request.ContentLength != int64(len(text)) {
			t.Errorf("body %s, %v, length %d", text, err, request.ContentLength)
		}
	}
	call.Credential = upstream.Credential{}
	if request, _ := driver.newRequest(t.Context(), call); request.Header["Authorization"] != nil {
		t.Error("a key without a key")
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"http://localhost:11434/v1":  "http://localhost:11434/v1/chat/completions",
		"http://localhost:11434/v1/": "http://localhost:11434/v1/chat/completions",
		"https://host":               "https://host/chat/completions",
		"https://host/a/b//":         "https://host/a/b/chat/completions",
	} {
		got := newTestDriver(t, base, nil).chatURL
		if got.String() != want || !strings.HasPrefix(got.RequestURI(), "/") {
			t.Errorf("%s: got %s, asking for %s", base, got, got.RequestURI())
		}
	}
	for name, test := range map[string]struct {
		base     string
		settings map[string]string
		want     []string
	}{
		"missing":      {"", nil, []string{"base_url: missing"}},
		"no scheme":    {"host/v1", nil, []string{"base_url: must begin with http"}},
		"no host":      {"http:///v1", nil, []string{"base_url: has no host"}},
		"a password":   {"http://user:hidden@host/v1", nil, []string{"base_url: must not hold a password"}},
		"unreadable":   {"http://host:hidden/v1", nil, []string{"base_url: not a URL"}},
		"fragment":     {"http://host/v1#x", nil, []string{"fragment"}},
		"too long":     {"http://host/v1/chat/completions", nil, []string{"must end before /chat/completions"}},
		"all settings": {"http://host", map[string]string{"idle_timeout": "5", "first_byte_timeout": "-1s", "include_usage": "maybe", "colour": "red", "lacks": "sleep", "reasoning_efforts": "low,vast", "output_limit_max": "0", "sampling": "much"}, []string{`settings.idle_timeout: "5"`, "settings.first_byte_timeout", `settings.include_usage: "maybe"`, "settings.colour: unknown; there are answer_timeout, custom_tools, developer_role", `settings.lacks: "sleep"`, `settings.reasoning_efforts: "low,vast"`, "settings.output_limit_max", `settings.sampling: "much" is not one of usual, always, never`}},
	} {
		_, err := New(upstream.Config{BaseURL: test.base, Settings: test.settings})
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// notedIn are the members of a body as the client's dialect notes them.
func notedIn(source []byte) chat.Members {
	var members chat.Members
	s := rawjson.Over(source)
	for ok := s.Object(); ok; ok = s.Member() {
		name, from := string(s.Key()), s.Pos()
		s.Skip()
		switch name {
		case "model", "stream", "stream_options":
			members.Note(name, from, s.Pos())
		}
	}
	if s.End() == nil {
		members.End()
	}
	return members
}

// A body of which the members are known becomes what it becomes when it is read again.
func FuzzFitted(f *testing.F) {
	f.Add(`{"model":"up/m","stream":true,"new":1}`, true, true)
	f.Add(`{"stream_options":{"include_obfuscation":false},"model":"m","stream":true}`, true, true)
	f.Add(`{"stream_options":null,"model":"m","stream":null} `, true, true)
	f.Add(` { "model" : "m", "model":"n", "stream_options":{"include_usage":false}}`, true, false)
	f.Add(`{"stream_options":{},"x":{"model":1},"mod\u0065l":"m"}`, false, true)
	f.Add(`{"model":"up/m","stream":null,"messages":["}"]}`, false, true)
	f.Fuzz(func(t *testing.T, source string, stream, counted bool) {
		driver := &Driver{settings: defaults}
		driver.settings.includeUsage = counted
		want, isObject := driver.edit([]byte(source), "m", stream)
		got, ok := driver.fitted(&chat.Source{JSON: []byte(source), Members: notedIn([]byte(source))}, "m", stream)
		if ok != isObject || string(got) != string(want) {
			t.Errorf("%s became\n%s, want\n%s", source, got, want)
		}
	})
}

func BenchmarkEdit(b *testing.B) {
	driver := &Driver{settings: defaults}
	source := []byte(`{"model":"gpt-4o","stream":true,"temperature":0.7,"messages":[{"role":"system","content":"You are a helpful assistant."},` +
		`{"role":"user","content":"` + strings.Repeat("What is the answer? ", 20) + `"}]}`)
	b.SetBytes(int64(len(source)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := driver.edit(source, "gpt-4o", true); !ok {
			b.Fatal("refused")
		}
	}
}

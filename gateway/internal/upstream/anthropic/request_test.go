package anthropic

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/upstream"
)

func TestEdit(t *testing.T) {
	t.Parallel()
	const thought, own = `{"type":"thinking","thinking":"a","signature":"s"}`, `{"type":"thinking","thinking":"b","signature":"carousel:openai:"}`
	const redacted, said = `{"type":"redacted_thinking","data":"d"}`, `{"type":"text" , "text":"x"}`
	message := func(blocks ...string) string {
		return `{"model": "claude","messages":[{"role":"user","content":"thinking"},{"role":"assistant","content":[` + strings.Join(blocks, ",") + `]}],"thinking":{"type":"adaptive"},"x":1.0}`
	}
	const clears, keeps = `{"type":"clear_thinking_20251015","keep":"all"},{"type":"clear_tool_uses_20250919"}`, `{"type":"clear_tool_uses_20250919"}`
	using := func(thinking, edits, thoughts string) string {
		return `{"thinking":{"type":"` + thinking + `"},"context_management":{"edits":[` + edits + `]},"model":"claude","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[` +
			thoughts + `{"type":"tool_use","id":"a"}]},{"role":"user","content":[{"type":"tool_result","is_error":true}]}]}`
	}
	for name, test := range map[string]struct {
		source       string
		withoutSeals bool
		want         string
	}{
		"nothing":                         {message(thought, said), false, message(thought, said)},
		"the model":                       {`{"messages":[{"model":"y"}],"model":"up/claude" }`, false, `{"messages":[{"model":"y"}],"model":"claude" }`},
		"trap 20: thoughts of another":    {message(own, thought, said), false, message(thought, said)},
		"nothing but thoughts of another": {message(own), false, message(`{"type":"text","text":"(thoughts left out)"}`)},
		"traps 20 and 21: a refused seal": {message(thought, redacted, said), true, message(said)},
		"a use of tools goes on":          {using("enabled", clears, thought+","), true, using("disabled", keeps, "")},
		"and its thoughts were another's": {using("enabled", clears, own+","), false, using("disabled", keeps, "")},
		"the model decides when to think": {using("adaptive", clears, thought+","), true, using("adaptive", clears, "")},
		"the use of tools is over": {
			strings.Replace(using("enabled", clears, thought+","), `"is_error":true}]}`, `"is_error":true}]},{"role":"user","content":"Hi"}`, 1), true,
			strings.Replace(using("enabled", clears, ""), `"is_error":true}]}`, `"is_error":true}]},{"role":"user","content":"Hi"}`, 1),
		},
	} {
		got, ok := edit([]byte(test.source), "claude", test.withoutSeals)
		if !ok || string(got) != test.want {
			t.Errorf("%s: got  %s\nwant %s", name, got, test.want)
		}
	}
	for _, source := range []string{``, `[]`, `{"messages":[]}`, `{"model":"m"`} {
		if got, ok := edit([]byte(source), "m", false); ok {
			t.Errorf("%s became %s", source, got)
		}
	}
}

// But for the model a body stays byte for byte. Trap 44: unknown fields too.
func FuzzEdit(f *testing.F) {
	f.Add([]byte(`{"model":"a","messages":[{"role":"assistant","content":[{"type":"thinking","signature":"carousel::"}]}],"new":[1.50,"é"]}`))
	f.Add([]byte(`{ "model" : "m" }`))
	f.Fuzz(func(t *testing.T, source []byte) {
		got, ok := edit(source, "other", false)
		if !ok {
			return
		}
		if !json.Valid(got) && json.Valid(source) {
			t.Fatalf("%q became %q", source, got)
		}
		if bytes.Contains(source, []byte("carousel:")) || bytes.Contains(source, []byte(`\`)) {
			return
		}
		var was, is map[string]json.RawMessage
		if json.Unmarshal(source, &was) != nil || json.Unmarshal(got, &is) != nil {
			return
		}
		for name, value := range was {
			if name != "model" && !bytes.Equal(value, is[name]) {
				t.Fatalf("%q: %s became %s", source, value, is[name])
			}
		}
		if string(is["model"]) != `"other"` {
			t.Fatalf("%q became %q", source, got)
		}
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"": "missing", "ftp://x": "http", "https://": "host", "https://u:p@x": "password", "https://x/v1/messages": "must end before", "https://x?y=1": "query", "https://x y": "not a URL",
	} {
		if _, err := New(upstream.Config{BaseURL: base}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "base_url") {
			t.Errorf("%q: %v", base, err)
		}
	}
	for _, base := range []string{"https://api.example.com", "https://api.example.com/", "https://api.example.com/v1", "https://api.example.com/v1/"} {
		driver, err := New(upstream.Config{BaseURL: base})
		if err != nil || driver.(*Driver).messagesURL.String() != "https://api.example.com/v1/messages" {
			t.Errorf("%s: %v", base, err)
		}
	}
	_, err := New(upstream.Config{BaseURL: "https://x", Settings: map[string]string{"idle_timeout": "soon", "sampling": "maybe", "default_max_tokens": "0", "colour": "red"}})
	for _, name := range []string{"idle_timeout", "sampling", "default_max_tokens", "colour"} {
		if err == nil || !strings.Contains(err.Error(), "settings."+name) {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
}

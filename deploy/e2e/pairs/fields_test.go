package pairs_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/pairs"
	"carousel.internal/deploy/e2e/stack"
)

// reply is an answer as it came.
type reply struct {
	status int
	header http.Header
	body   string
}

// fields sends every field alone, and looks at what the upstream gets.
func (w *world) fields(t *testing.T) {
	t.Parallel()
	for pair, fields := range map[pairs.Pair][]pairs.Field{
		pairs.ChatAnthropic: pairs.ChatFields, pairs.MessagesOpenAI: pairs.MessagesFields, pairs.ResponsesByChat: pairs.ResponsesFields,
	} {
		plain := w.name("", "echo")
		w.field(t, pair, upstream(pair), plain, "{}")
		without := members(t, w.tap.got(plain)[0].body)
		delete(without, "model")
		for _, field := range fields {
			t.Run(pair.String()+"/"+field.Name, func(t *testing.T) {
				t.Parallel()
				w.play(t, pair, field, without)
			})
		}
	}
}

func (w *world) play(t *testing.T, pair pairs.Pair, field pairs.Field, without map[string]any) {
	model := w.name("", "echo")
	got := w.field(t, pair, upstream(pair), model, field.Send)
	arrived := w.tap.got(model)
	if field.Outcome == pairs.Refused {
		name, _, _ := strings.Cut(strings.TrimPrefix(field.Note, "`"), "`")
		if got.status != http.StatusBadRequest || !strings.Contains(got.body, name) || len(arrived) > 0 {
			t.Errorf("%d %s; %d requests arrived", got.status, got.body, len(arrived))
		}
		return
	}
	if got.status != http.StatusOK || len(arrived) != 1 {
		t.Fatalf("%d %s; %d requests arrived", got.status, got.body, len(arrived))
	}
	body := members(t, arrived[0].body)
	delete(body, "model")
	if field.Outcome == pairs.Ignored {
		if field.Arrives != "" || !maps.EqualFunc(body, without, equal) {
			t.Errorf("arrived: %s", arrived[0].body)
		}
		return
	}
	if field.Arrives == "" || !within(any(members(t, []byte(field.Arrives))), any(body)) {
		t.Errorf("arrived: %s\nwant in it: %s", arrived[0].body, field.Arrives)
	}
}

// field sends the smallest request of a client's API, and more.
func (w *world) field(t *testing.T, pair pairs.Pair, upstream, model, more string) reply {
	t.Helper()
	body := map[string]any{"model": upstream + "/" + model, "messages": []any{map[string]any{"role": "user", "content": "Hi"}}}
	switch pair.Client {
	case pairs.Messages:
		body["max_tokens"] = 50
	case pairs.Responses:
		body["input"] = body["messages"]
		delete(body, "messages")
	}
	maps.Copy(body, members(t, []byte(more)))
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Authorization": {"Bearer " + stack.AdminToken}}
	return w.post(t, clientPath(pair.Client), string(encoded), header)
}

func clientPath(api pairs.API) string {
	return map[pairs.API]string{pairs.Chat: "/v1/chat/completions", pairs.Messages: "/v1/messages", pairs.Responses: "/v1/responses"}[api]
}

func members(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return all
}

func equal(a, b any) bool {
	left, _ := json.Marshal(a) // both have been decoded
	right, _ := json.Marshal(b)
	return bytes.Equal(left, right)
}

// within tells whether all of a value is in another; lists have to be of equal length.
func within(value, in any) bool {
	switch value := value.(type) {
	case map[string]any:
		object, ok := in.(map[string]any)
		for key, inner := range value {
			ok = ok && within(inner, object[key])
		}
		return ok
	case []any:
		list, ok := in.([]any)
		ok = ok && len(list) == len(value)
		for i := range value {
			ok = ok && within(value[i], list[i])
		}
		return ok
	}
	return equal(value, in)
}

package responses_test

import (
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// What an operator says of a name is in the body as if the client had said it, and every
// other byte is as it was.
func TestTune(t *testing.T) {
	t.Parallel()
	set := func(name chat.ParameterName, value string) chat.Parameter {
		return chat.Parameter{Name: name, Value: value}
	}
	unless := func(name chat.ParameterName, value string) chat.Parameter {
		return chat.Parameter{Name: name, Value: value, OnlyDefault: true}
	}
	for name, test := range map[string]struct {
		body       string
		parameters []chat.Parameter
		want       string
	}{
		"nothing":      {`{"model":"m","input":"Hi"}`, nil, `{"model":"m","input":"Hi"}`},
		"all":          {`{"model":"m","input":"Hi"}`, []chat.Parameter{set(chat.SetEffort, `"low"`), set(chat.SetVerbosity, `"high"`), set(chat.SetServiceTier, `"flex"`), set(chat.SetTemperature, `0.5`), set(chat.SetTopP, `0.9`), set(chat.SetOutputLimit, `50`)}, `{"model":"m","input":"Hi","reasoning":{"effort":"low"},"text":{"verbosity":"high"},"service_tier":"flex","temperature":0.5,"top_p":0.9,"max_output_tokens":50}`},
		"over it":      {`{"reasoning" : {"summary":"auto", "effort":"high"},"temperature":1,"model":"m","input":"Hi"}`, []chat.Parameter{set(chat.SetEffort, `"low"`), set(chat.SetTemperature, `0.5`)}, `{"reasoning" : {"summary":"auto", "effort":"low"},"temperature":0.5,"model":"m","input":"Hi"}`},
		"beside it":    {`{"model":"m","input":"Hi","text":{"format":{"type":"text"}}}`, []chat.Parameter{set(chat.SetVerbosity, `"low"`)}, `{"model":"m","input":"Hi","text":{"format":{"type":"text"},"verbosity":"low"}}`},
		"over null":    {`{"model":"m","input":"Hi","reasoning":null,"top_p":null}`, []chat.Parameter{set(chat.SetEffort, `"low"`), unless(chat.SetTopP, `1`)}, `{"model":"m","input":"Hi","reasoning":{"effort":"low"},"top_p":1}`},
		"unless said":  {`{"model":"m","input":"Hi","reasoning":{"effort":"high"},"temperature":0}`, []chat.Parameter{unless(chat.SetEffort, `"low"`), unless(chat.SetTemperature, `0.5`)}, `{"model":"m","input":"Hi","reasoning":{"effort":"high"},"temperature":0}`},
		"not said":     {`{"model":"m","input":"Hi","reasoning":{"effort":null}}`, []chat.Parameter{unless(chat.SetEffort, `"low"`)}, `{"model":"m","input":"Hi","reasoning":{"effort":"low"}}`},
		"an empty one": {`{"model":"m","input":"Hi","reasoning":{ }}`, []chat.Parameter{set(chat.SetEffort, `"low"`)}, `{"model":"m","input":"Hi","reasoning":{ "effort":"low"}}`},
	} {
		before, err := api.Decode(dialect.Incoming{Body: []byte(test.body), Header: codexHeader, RequestID: requestID, Received: received})
		if err != nil {
			t.Fatal(err)
		}
		before.Session = "from a header"
		tuned, err := api.Tune(before, test.parameters)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if string(tuned.Source.JSON) != test.want || string(before.Source.JSON) != test.body {
			t.Errorf("%s: %s\nwant %s", name, tuned.Source.JSON, test.want)
		}
		if tuned.ID != before.ID || tuned.Session != "from a header" || !tuned.Created.Equal(received) || len(tuned.Source.Header) != len(before.Source.Header) || shown(tuned.Messages) != "user: Hi" {
			t.Errorf("%s: %+v", name, tuned)
		}
	}
	request := decoded(t, nil, `"input":"Hi"`)
	tuned, err := api.Tune(request, []chat.Parameter{set(chat.SetEffort, `"low"`), set(chat.SetOutputLimit, `50`), set(chat.SetVerbosity, `"low"`)})
	if err != nil || tuned.Thinking.Effort != chat.EffortLow || tuned.MaxTokens != 50 || tuned.Verbosity != "low" || request.Thinking.Effort != "" {
		t.Errorf("%+v, %v", tuned, err)
	}
	for _, wrong := range []chat.Parameter{set(chat.SetTemperature, `"hot"`), set("of tomorrow", `1`)} {
		if _, err := api.Tune(request, []chat.Parameter{wrong}); err == nil {
			t.Errorf("%+v: no error", wrong)
		}
	}
}

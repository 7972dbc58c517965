package openai_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/openai"
)

// tuning is what a route may say, as it is stored.
func tuning(name chat.ParameterName, value string) chat.Parameter {
	return chat.Parameter{Name: name, Value: value}
}

// fallBackOn is the same where the request says nothing.
func fallBackOn(name chat.ParameterName, value string) chat.Parameter {
	return chat.Parameter{Name: name, Value: value, OnlyDefault: true}
}

func TestTune(t *testing.T) {
	t.Parallel()
	const head = `{"model":"m","messages":[{"role":"user","content":"hi"}]`
	effort := func(e chat.Effort) chat.Request { return chat.Request{Thinking: chat.Thinking{Effort: e}} }
	for name, c := range map[string]struct {
		members    string
		parameters []chat.Parameter
		want       string
		is         chat.Request // as far as parameters tell of it
	}{
		"an effort": {``, []chat.Parameter{tuning(chat.SetEffort, `"low"`)}, `,"reasoning_effort":"low"`, effort("low")},
		"another effort": {
			`,"reasoning_effort":"high","top_k":1`, []chat.Parameter{tuning(chat.SetEffort, `"low"`)}, `,"reasoning_effort":"low","top_k":1`, effort("low"),
		},
		"an effort by default": {``, []chat.Parameter{fallBackOn(chat.SetEffort, `"low"`)}, `,"reasoning_effort":"low"`, effort("low")},
		"no default where there is an effort": {
			`,"reasoning_effort":"high"`, []chat.Parameter{fallBackOn(chat.SetEffort, `"low"`)}, `,"reasoning_effort":"high"`, effort("high"),
		},
		"nor where there is one that is unknown": {
			`,"reasoning_effort":"huge"`, []chat.Parameter{fallBackOn(chat.SetEffort, `"low"`)}, `,"reasoning_effort":"huge"`, effort(""),
		},
		"nor where it is in another place": {
			`,"reasoning":{"effort":"high"}`, []chat.Parameter{fallBackOn(chat.SetEffort, `"low"`)}, `,"reasoning":{"effort":"high"}`, effort("high"),
		},
		"an effort in another place": {
			`,"reasoning":{"max_tokens":5,"exclude":false,"effort":"high","enabled":false}`,
			[]chat.Parameter{tuning(chat.SetEffort, `"low"`)},
			`,"reasoning":{"exclude":false,"effort":"low"}`, effort("low"),
		},
		"an effort where thinking is off": {
			`,"thinking":{"type":"disabled"},"enable_thinking":false,"thinking_budget":5,"chat_template_kwargs":{"enable_thinking":false,"x":1}`,
			[]chat.Parameter{tuning(chat.SetEffort, `"high"`)},
			`,"enable_thinking":true,"chat_template_kwargs":{"enable_thinking":true,"x":1},"reasoning_effort":"high"`,
			chat.Request{Thinking: chat.Thinking{Effort: "high", Mode: chat.ThinkingOn}},
		},
		"none where thinking is on": {
			`,"thinking":{"type":"enabled","budget_tokens":5},"enable_thinking":true,"chat_template_kwargs":{"thinking":true}`,
			[]chat.Parameter{tuning(chat.SetEffort, `"none"`)},
			`,"thinking":{"type":"disabled"},"enable_thinking":false,"chat_template_kwargs":{"thinking":false},"reasoning_effort":"none"`,
			chat.Request{Thinking: chat.Thinking{Effort: "none", Mode: chat.ThinkingOff}},
		},
		"a limit":         {``, []chat.Parameter{tuning(chat.SetOutputLimit, `7`)}, `,"max_completion_tokens":7`, chat.Request{MaxTokens: 7}},
		"the older limit": {`,"max_tokens":9`, []chat.Parameter{tuning(chat.SetOutputLimit, `7`)}, `,"max_tokens":7`, chat.Request{MaxTokens: 7}},
		"both limits": {
			`,"max_tokens":9,"max_completion_tokens":9`, []chat.Parameter{tuning(chat.SetOutputLimit, `7`)}, `,"max_tokens":7,"max_completion_tokens":7`, chat.Request{MaxTokens: 7},
		},
		"the older limit of upstreams that know it alone": {``, []chat.Parameter{tuning(chat.SetOlderLimit, `7`)}, `,"max_tokens":7`, chat.Request{MaxTokens: 7}},
		"the client's name of it comes first": {
			`,"max_completion_tokens":9`, []chat.Parameter{tuning(chat.SetOlderLimit, `7`)}, `,"max_completion_tokens":7`, chat.Request{MaxTokens: 7},
		},
		"a limit where there is said to be none": {`,"max_tokens":-1`, []chat.Parameter{fallBackOn(chat.SetOutputLimit, `7`)}, `,"max_tokens":7`, chat.Request{MaxTokens: 7}},
		"no default of a limit":                  {`,"max_tokens":9`, []chat.Parameter{fallBackOn(chat.SetOutputLimit, `7`)}, `,"max_tokens":9`, chat.Request{MaxTokens: 9}},
		"all of the others": {
			`,"temperature":null,"top_p":0.5`,
			[]chat.Parameter{
				tuning(chat.SetTemperature, `0.2`), fallBackOn(chat.SetTopP, `0.9`), tuning(chat.SetVerbosity, `"low"`), tuning(chat.SetServiceTier, `"flex"`),
			},
			`,"temperature":0.2,"top_p":0.5,"verbosity":"low","service_tier":"flex"`,
			chat.Request{Sampling: chat.Sampling{Temperature: new(0.2), TopP: new(0.5)}, Verbosity: "low", ServiceTier: "flex"},
		},
		"defaults of the others": {
			`,"temperature":null,"verbosity":"high"`,
			[]chat.Parameter{fallBackOn(chat.SetTemperature, `0`), fallBackOn(chat.SetVerbosity, `"low"`)},
			`,"temperature":0,"verbosity":"high"`,
			chat.Request{Sampling: chat.Sampling{Temperature: new(0.0)}, Verbosity: "high"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, err := openai.Decode([]byte(head+c.members+`}`), "id", time.Unix(1, 0))
			if err != nil {
				t.Fatal(err)
			}
			request.Source.Query = "q=1"
			was := *request
			tuned, err := openai.API{}.Tune(request, c.parameters)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(tuned.Source.JSON); got != head+c.want+`}` {
				t.Errorf("the body is\n%s, want\n%s", got, head+c.want+`}`)
			}
			is := chat.Request{
				Thinking: tuned.Thinking, MaxTokens: tuned.MaxTokens, Verbosity: tuned.Verbosity, ServiceTier: tuned.ServiceTier,
				Sampling: chat.Sampling{Temperature: tuned.Sampling.Temperature, TopP: tuned.Sampling.TopP},
			}
			if diff := cmp.Diff(c.is, is, membersToo); diff != "" {
				t.Error(diff)
			}
			if tuned.ID != "id" || !tuned.Created.Equal(time.Unix(1, 0)) || tuned.Source.Query != "q=1" || tuned.Model != "m" || len(tuned.Messages) != 1 {
				t.Errorf("%+v", tuned)
			}
			if diff := cmp.Diff(was, *request, membersToo); diff != "" {
				t.Errorf("the request itself has changed: %s", diff)
			}
		})
	}
}

// tunable are the members that parameters may change.
var tunable = []string{
	"reasoning_effort", "reasoning", "thinking", "thinking_budget", "enable_thinking", "chat_template_kwargs", "verbosity", "service_tier",
	"temperature", "top_p", "max_tokens", "max_completion_tokens",
}

// A tuned body is JSON that is decoded again, and differs in what is tuned alone.
func FuzzTune(f *testing.F) {
	f.Add([]byte(harness.Good(true)), "low", false)
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":"hi"}],"reasoning":{"effort":"high"},"thinking":{"type":"enabled"},"max_tokens":5,"max_tokens":6}`), "none", true)
	f.Add([]byte(`{"model":"m","chat_template_kwargs":{"thinking":true},"input":"hi","temperature":1,"verbosity":"x"}`), "high", false)
	f.Fuzz(func(t *testing.T, body []byte, effort string, onlyDefault bool) {
		request, err := openai.Decode(body, "id", time.Time{})
		if err != nil {
			return
		}
		value, _ := json.Marshal(effort)
		parameters := []chat.Parameter{
			tuning(chat.SetEffort, string(value)), tuning(chat.SetVerbosity, `"low"`), tuning(chat.SetServiceTier, `"auto"`),
			tuning(chat.SetTemperature, `0.5`), tuning(chat.SetTopP, `0.5`), tuning(chat.SetOutputLimit, `100`),
		}
		for i := range parameters {
			parameters[i].OnlyDefault = onlyDefault
		}
		tuned, err := openai.API{}.Tune(request, parameters)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if !onlyDefault && (tuned.MaxTokens != 100 || *tuned.Sampling.Temperature != 0.5 || tuned.Verbosity != "low") {
			t.Fatalf("%s: %+v", tuned.Source.JSON, tuned)
		}
		before, after := map[string]any{}, map[string]any{}
		if json.Unmarshal(request.Source.JSON, &before) != nil {
			return
		}
		if err := json.Unmarshal(tuned.Source.JSON, &after); err != nil {
			t.Fatalf("%s: %v", tuned.Source.JSON, err)
		}
		for _, name := range tunable {
			delete(before, name)
			delete(after, name)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("%s: %s", strings.ToValidUTF8(string(body), ""), diff)
		}
		if !slices.EqualFunc(request.Messages, tuned.Messages, func(a, b chat.Message) bool { return cmp.Equal(a, b) }) {
			t.Fatal("the messages differ")
		}
	})
}

// membersToo has requests compared with the members of their bodies.
var membersToo = cmp.AllowUnexported(chat.Members{})

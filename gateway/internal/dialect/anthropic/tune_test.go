package anthropic_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
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
	const head = `{"model":"fable","messages":[{"role":"user","content":"hi"}],"max_tokens":`
	effort := func(e chat.Effort) chat.Request { return chat.Request{Thinking: chat.Thinking{Effort: e}} }
	for name, c := range map[string]struct {
		members    string // from the output limit on
		parameters []chat.Parameter
		want       string
		is         chat.Request // as far as parameters tell of it, without an output limit of 9
		ignored    []string     // what stands in the canonical request alone
		version    string
	}{
		"an effort": {members: `9`, parameters: []chat.Parameter{tuning(chat.SetEffort, `"low"`)}, want: `9,"output_config":{"effort":"low"}`, is: effort("low")},
		"another effort": {
			members: `9,"output_config":{"effort":"high","x":1},"top_k":1`, parameters: []chat.Parameter{tuning(chat.SetEffort, `"max"`)},
			want: `9,"output_config":{"effort":"max","x":1},"top_k":1`, is: effort("max"),
		},
		"the least effort": {members: `9`, parameters: []chat.Parameter{tuning(chat.SetEffort, `"minimal"`)}, want: `9,"output_config":{"effort":"low"}`, is: effort("low")},
		"an effort where thinking is off": {
			members: `9,"thinking":{"type":"disabled"}`, parameters: []chat.Parameter{tuning(chat.SetEffort, `"high"`)},
			want: `9,"output_config":{"effort":"high"}`, is: effort("high"),
		},
		"an effort where thinking is on": {
			members: `9,"thinking":{"type":"adaptive"}`, parameters: []chat.Parameter{tuning(chat.SetEffort, `"high"`)},
			want: `9,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}`,
			is:   chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingAdaptive, Effort: "high"}},
		},
		"no effort": {
			members:    `9,"thinking":{"type":"enabled","budget_tokens":5},"output_config":{"effort":"high","format":{"type":"x"}}`,
			parameters: []chat.Parameter{tuning(chat.SetEffort, `"none"`)},
			want:       `9,"thinking":{"type":"disabled"},"output_config":{"format":{"type":"x"}}`,
			is:         chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingOff}},
		},
		"an effort by default": {
			members: `9,"thinking":{"type":"adaptive"}`, parameters: []chat.Parameter{fallBackOn(chat.SetEffort, `"low"`)},
			want: `9,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}`,
			is:   chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingAdaptive, Effort: "low"}},
		},
		"no default where thinking is off": {
			members: `9,"thinking":{"type":"disabled"}`, parameters: []chat.Parameter{fallBackOn(chat.SetEffort, `"low"`)},
			want: `9,"thinking":{"type":"disabled"}`, is: chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingOff}},
		},
		"nor where there is a budget": {
			members: `9,"thinking":{"type":"enabled","budget_tokens":5}`, parameters: []chat.Parameter{fallBackOn(chat.SetEffort, `"low"`)},
			want: `9,"thinking":{"type":"enabled","budget_tokens":5}`, is: chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingOn, Budget: 5}},
		},
		"a limit":               {members: `9`, parameters: []chat.Parameter{tuning(chat.SetOutputLimit, `7`)}, want: `7`, is: chat.Request{MaxTokens: 7}},
		"no default of a limit": {members: `9`, parameters: []chat.Parameter{fallBackOn(chat.SetOutputLimit, `7`)}, want: `9`},
		"a limit above a budget": {
			members: `9000,"thinking":{"type":"enabled","budget_tokens":2000}`, parameters: []chat.Parameter{tuning(chat.SetOutputLimit, `4000`)},
			want: `4000,"thinking":{"type":"enabled","budget_tokens":2000}`,
			is:   chat.Request{MaxTokens: 4000, Thinking: chat.Thinking{Mode: chat.ThinkingOn, Budget: 2000}},
		},
		"a limit below a budget": {
			members: `9000,"thinking":{"type":"enabled","budget_tokens":8000}`, parameters: []chat.Parameter{tuning(chat.SetOutputLimit, `4000`)},
			want: `4000,"thinking":{"type":"enabled","budget_tokens":3999}`,
			is:   chat.Request{MaxTokens: 4000, Thinking: chat.Thinking{Mode: chat.ThinkingOn, Budget: 3999}},
		},
		"a limit below all budgets": {
			members: `9000,"thinking":{"type":"enabled","budget_tokens":8000}`, parameters: []chat.Parameter{tuning(chat.SetOutputLimit, `1024`)},
			want: `1024,"thinking":{"type":"disabled"}`, is: chat.Request{MaxTokens: 1024, Thinking: chat.Thinking{Mode: chat.ThinkingOff}},
		},
		"sampling": {
			members: `9,"temperature":null,"top_p":0.5`, parameters: []chat.Parameter{tuning(chat.SetTemperature, `0.2`), fallBackOn(chat.SetTopP, `0.9`)},
			want: `9,"temperature":0.2,"top_p":0.5`, is: chat.Request{Sampling: chat.Sampling{Temperature: new(0.2), TopP: new(0.5)}},
		},
		"a temperature that is too high": {
			members: `9`, parameters: []chat.Parameter{tuning(chat.SetTemperature, `1.5`)}, want: `9,"temperature":1`, is: chat.Request{Sampling: chat.Sampling{Temperature: new(1.0)}},
		},
		"sampling where nobody sets it": {
			version: "2026-10-21", members: `9`, parameters: []chat.Parameter{tuning(chat.SetTemperature, `1.5`), tuning(chat.SetTopP, `0.9`)}, want: `9`,
			is: chat.Request{Sampling: chat.Sampling{Temperature: new(1.5), TopP: new(0.9)}}, ignored: []string{"temperature", "top_p"},
		},
		"sampling of a model that thinks": {
			members: `9,"thinking":{"type":"adaptive"}`, parameters: []chat.Parameter{fallBackOn(chat.SetTemperature, `0.2`), tuning(chat.SetTopP, `0.5`)},
			want: `9,"thinking":{"type":"adaptive"}`, ignored: []string{"temperature", "top_p"},
			is: chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingAdaptive}, Sampling: chat.Sampling{Temperature: new(0.2), TopP: new(0.5)}},
		},
		"sampling of one that is not to think any more": {
			members:    `9,"thinking":{"type":"adaptive"}`,
			parameters: []chat.Parameter{tuning(chat.SetTemperature, `0.2`), tuning(chat.SetEffort, `"none"`)},
			want:       `9,"thinking":{"type":"disabled"},"temperature":0.2`,
			is:         chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingOff}, Sampling: chat.Sampling{Temperature: new(0.2)}},
		},
		"a budget": {
			members: `9000,"output_config":{"effort":"high","x":1}`, parameters: []chat.Parameter{tuning(chat.SetThinkingBudget, `4096`)},
			want: `9000,"output_config":{"x":1},"thinking":{"type":"enabled","budget_tokens":4096}`,
			is:   chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingOn, Budget: 4096}},
		},
		"a budget within the limit": {
			members: `3000`, parameters: []chat.Parameter{tuning(chat.SetThinkingBudget, `4096`)},
			want: `3000,"thinking":{"type":"enabled","budget_tokens":2999}`, is: chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingOn, Budget: 2999}},
		},
		"no room for a budget": {members: `1024`, parameters: []chat.Parameter{tuning(chat.SetThinkingBudget, `4096`)}, want: `1024`},
		"no default of a budget": {
			members: `9000,"thinking":{"type":"enabled","budget_tokens":2000}`, parameters: []chat.Parameter{fallBackOn(chat.SetThinkingBudget, `4096`)},
			want: `9000,"thinking":{"type":"enabled","budget_tokens":2000}`, is: chat.Request{Thinking: chat.Thinking{Mode: chat.ThinkingOn, Budget: 2000}},
		},
		"no budget where the client samples": {
			members: `9000,"temperature":0.5`, parameters: []chat.Parameter{tuning(chat.SetThinkingBudget, `4096`)}, want: `9000,"temperature":0.5`,
			is: chat.Request{Sampling: chat.Sampling{Temperature: new(0.5)}},
		},
		"no budget with a call that must be made": {
			members:    `9000,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}`,
			parameters: []chat.Parameter{tuning(chat.SetThinkingBudget, `4096`)},
			want:       `9000,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}`,
		},
		"tiers": {
			members: `9,"service_tier":"auto"`, parameters: []chat.Parameter{tuning(chat.SetServiceTier, `"standard_only"`)}, want: `9,"service_tier":"standard_only"`,
			is: chat.Request{ServiceTier: "standard_only"},
		},
		"a tier of others": {
			members: `9,"service_tier":"auto"`, parameters: []chat.Parameter{tuning(chat.SetServiceTier, `"flex"`)}, want: `9,"service_tier":"auto"`,
			is: chat.Request{ServiceTier: "flex"}, ignored: []string{"service_tier"},
		},
		"no default of a tier": {
			members: `9,"service_tier":"auto"`, parameters: []chat.Parameter{fallBackOn(chat.SetServiceTier, `"flex"`)}, want: `9,"service_tier":"auto"`,
			is: chat.Request{ServiceTier: "auto"},
		},
		"verbosity": {
			members: `9`, parameters: []chat.Parameter{fallBackOn(chat.SetVerbosity, `"low"`)}, want: `9`, is: chat.Request{Verbosity: "low"}, ignored: []string{"verbosity"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := decoded(t, head+c.members+`}`, "Anthropic-Version", c.version, "Anthropic-Beta", "b")
			asks := len(request.Asks)
			tuned, err := anthropic.API{}.Tune(request, c.parameters)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(tuned.Source.JSON); got != head+c.want+`}` {
				t.Errorf("the body is\n%s, want\n%s", got, head+c.want+`}`)
			}
			if c.is.MaxTokens == 0 {
				c.is.MaxTokens = request.MaxTokens
			}
			is := chat.Request{
				Thinking: tuned.Thinking, MaxTokens: tuned.MaxTokens, Verbosity: tuned.Verbosity, ServiceTier: tuned.ServiceTier,
				Sampling: chat.Sampling{Temperature: tuned.Sampling.Temperature, TopP: tuned.Sampling.TopP},
			}
			if diff := cmp.Diff(c.is, is, cmp.AllowUnexported(chat.Members{})); diff != "" {
				t.Error(diff)
			}
			for _, field := range c.ignored {
				if !slices.Contains(tuned.Asks, chat.Ask{Field: field, Need: chat.Tuning}) {
					t.Errorf("%s is not among what only tunes: %v", field, tuned.Asks)
				}
			}
			if tuned.ID != request.ID || !tuned.Created.Equal(request.Created) || tuned.HistoryFault != nil || tuned.Model != "fable" ||
				!cmp.Equal(tuned.Source.Header, request.Source.Header) || !tuned.IncludeUsage {
				t.Errorf("%+v", tuned)
			}
			if len(request.Asks) != asks || string(request.Source.JSON) != head+c.members+`}` {
				t.Error("the request itself has changed")
			}
		})
	}
}

// A tuned body is JSON that is decoded again, and differs in what is tuned alone.
func FuzzTune(f *testing.F) {
	f.Add([]byte(claudeCode), "low", false)
	f.Add([]byte(harness.Good(true)), "none", true)
	f.Add([]byte(`{"model":"m","max_tokens":3,"messages":[{"role":"user","content":"hi"}],"thinking":{"type":"enabled","budget_tokens":1e3},"output_config":null,"output_config":{"effort":"x"}}`), "none", false)
	f.Fuzz(func(t *testing.T, body []byte, effort string, onlyDefault bool) {
		request, err := anthropic.API{}.Decode(dialect.Incoming{Body: body, RequestID: requestID, Received: time.Unix(1, 0)})
		if err != nil {
			return
		}
		value, _ := json.Marshal(effort)
		parameters := []chat.Parameter{
			tuning(chat.SetEffort, string(value)), tuning(chat.SetVerbosity, `"low"`), tuning(chat.SetServiceTier, `"auto"`),
			tuning(chat.SetTemperature, `0.5`), tuning(chat.SetTopP, `0.5`), tuning(chat.SetOutputLimit, `2000`),
		}
		for i := range parameters {
			parameters[i].OnlyDefault = onlyDefault
		}
		tuned, err := anthropic.API{}.Tune(request, parameters)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if !onlyDefault && (tuned.MaxTokens != 2000 || *tuned.Sampling.Temperature != 0.5 || tuned.Thinking.Budget >= 2000) {
			t.Fatalf("%s: %+v", tuned.Source.JSON, tuned)
		}
		before, after := map[string]any{}, map[string]any{}
		if json.Unmarshal(request.Source.JSON, &before) != nil {
			return
		}
		if err := json.Unmarshal(tuned.Source.JSON, &after); err != nil {
			t.Fatalf("%s: %v", tuned.Source.JSON, err)
		}
		for _, name := range []string{"output_config", "thinking", "service_tier", "temperature", "top_p", "max_tokens"} {
			delete(before, name)
			delete(after, name)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("%s: %s", body, diff)
		}
	})
}

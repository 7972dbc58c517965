package upstreamsim

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/grammar"
)

// askResponses is a call of the Responses API.
func askResponses(ctx context.Context, t testing.TB, base, key, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+responsesPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key)
	return r
}

// createIn answers a call with a body of a model and more members.
func createIn(t *testing.T, sim *Simulator, key, model, more string) *recorder {
	t.Helper()
	return record(sim, askResponses(t.Context(), t, "http://sim", key, `{"model":"`+model+`",`+more+`}`))
}

// madeResponse is what tests read of an answer.
type madeResponse struct {
	ID, Status, Model string
	Output            []madeItem
	Usage             *struct {
		InputDetails struct {
			Cached int `json:"cached_tokens"`
		} `json:"input_tokens_details"`
	}
	Error struct{ Code, Message, Param string }
}

type madeItem struct {
	ID, Type, Name, Namespace, Arguments, Input string
	CallID                                      string `json:"call_id"`
	Encrypted                                   string `json:"encrypted_content"`
	Content                                     []struct{ Text, Refusal string }
}

func decodeResponse(t *testing.T, r *recorder) madeResponse {
	t.Helper()
	var made madeResponse
	if err := json.Unmarshal(r.all(), &made); err != nil {
		t.Fatalf("%s: %v", r.all(), err)
	}
	return made
}

const (
	saysHi    = `"input":"Hi"`
	bothTools = `"tools":[{"type":"function","name":"look","parameters":{"type":"object","properties":{"at":{"type":"string"}}}},{"type":"custom","name":"patch"}]`
	isSealed  = `"store":false,"include":["reasoning.encrypted_content"],"reasoning":{"effort":"low"}`
	streaming = `"stream":true`
)

// What the upstream says is right by the API is so by the grammar, and each defect is the one
// that its name says.
func TestResponsesAreWhatTheySay(t *testing.T) {
	t.Parallel()
	type rules = []grammar.Rule
	for name, want := range map[string]rules{
		"echo": nil, "echo-request": nil, "count-3": nil, "unicode": nil, "tool-call": nil, "one-call": nil, "reasoning": nil, "reasoning-text": nil,
		"reasoning-call": nil, "refusal": nil, "content-filter": nil, "finish-length": nil, "describe": nil, "cached": nil, "annotations": nil, "keepalive": nil,
		"empty": nil, "no-output": nil, "text-reasoning-text": nil, "text-call-text-call": nil, "reasoning-text-call": nil, "call-then-text": nil, "call-huge": nil,
		"call-cut": nil, "one-write": nil, "split-bytes": nil, "sse-crlf": nil, "sse-no-space": nil, "queued": nil, "delay-1": nil, "error-after-text": nil,
		"error-first": nil, "failed": nil, "failed-first": nil, "failed-rate-limit": nil, "failed-context-length": nil, "incomplete-object": nil,

		"server-tool":          {grammar.ItemType, grammar.EventType},
		"cached-over-prompt":   {grammar.UsageDetails},
		"call-empty-arguments": {grammar.CallJSON},
		"sse-comments":         {grammar.BlankLine, grammar.Line},
		"error-then-failed":    {grammar.AfterEnd},
		"error-event-nested":   {grammar.ErrorFlat},
		"no-usage":             {grammar.ResponseUsage},
		"no-deltas":            {grammar.TextDone},
		"only-completed":       {grammar.FinalOutput},
		"no-added":             {grammar.ItemUnadded, grammar.FinalOutput},
		"no-item-done":         {grammar.ItemUndone},
		"no-item-ids":          {grammar.ItemID},
		"output-empty":         {grammar.FinalOutput},
		"completed-no-id":      {grammar.SameResponse, grammar.ResponseShape},
		"usage-as-text":        {grammar.ResponseMembers, grammar.ResponseUsage},
		"usage-no-details":     {grammar.ResponseUsageDetails},
		"model-differs":        {grammar.SameResponse},
		"after-done":           {grammar.AfterEnd},
		"done-marker":          {grammar.AfterEnd},
		"new-event":            {grammar.EventType, grammar.ItemType},
		"arguments-object":     {grammar.TextDone, grammar.ItemShape, grammar.ItemContent, grammar.CallJSON},
		"sequence-gaps":        {grammar.SequenceNumber},
		"no-sequence":          {grammar.SequenceNumber},
		"eof-mid-frame":        {grammar.CutFrame, grammar.NoEnd},
		"eof-no-trailer":       {grammar.NoEnd},
		"eof-no-done":          {grammar.NoEnd},
		"garbage":              {grammar.JSONObject, grammar.NoEnd},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{})
			r := createIn(t, sim, "sk-1", "sim-"+name, saysHi+`,`+bothTools+`,`+streaming)
			if got := judged(grammar.Responses, r.all(), grammar.Options{}); !slices.Equal(got, want) {
				t.Errorf("broken: %q, want %q\n%.4000s", got, want, r.all())
			}
			noViolations(t, sim)
		})
	}
}

// The whole answer is that of the stream.
func TestResponsesInBothForms(t *testing.T) {
	t.Parallel()
	for _, name := range Scenarios(OpenAIResponses) {
		if _, said := responsesReplies[name]; !said || strings.Contains(name, "<") || name == "echo-request" {
			continue
		}
		asked := saysHi + `,` + bothTools + `,` + isSealed
		now := func() time.Time { return time.Unix(7, 0) }
		whole := createIn(t, New(Options{Now: now}), "sk-1", "sim-"+name, asked)
		events := strings.Split(strings.TrimSpace(string(createIn(t, New(Options{Now: now}), "sk-1", "sim-"+name, asked+`,`+streaming).all())), "\n\n")
		_, last, _ := strings.Cut(events[len(events)-1], "data: ")
		var ended struct{ Response json.RawMessage }
		if err := json.Unmarshal([]byte(last), &ended); err != nil || !bytes.Equal(ended.Response, whole.all()) {
			t.Errorf("%s: %v\n%.600s\n%.600s", name, err, last, whole.all())
		}
		if name == "cached-over-prompt" || name == "call-empty-arguments" {
			continue
		}
		for _, violation := range grammar.Responses.Answer(whole.all(), grammar.Options{}) {
			t.Errorf("%s: %s", name, violation)
		}
	}
}

// What an organisation has sealed opens for it alone, and as the item that it was made for.
func TestResponsesSeals(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	made := decodeResponse(t, createIn(t, sim, "sk-org-a-1", "gpt-5", saysHi+`,`+isSealed))
	reasoning, said := made.Output[0], made.Output[1]
	if reasoning.Type != "reasoning" || !strings.HasPrefix(reasoning.Encrypted, "gAAAA") || said.Content[0].Text != "Hi" {
		t.Fatalf("%+v", made)
	}
	back := func(id, sealed string) string {
		return `"store":false,"input":[{"type":"reasoning",` + id + `"summary":[],"encrypted_content":"` + sealed + `"},{"role":"assistant","content":"Hi"},{"role":"user","content":"x"}]`
	}
	for name, c := range map[string]struct{ key, model, asked, code, reason string }{
		"as it was":            {"sk-org-a-2", "gpt-5", back(`"id":"`+reasoning.ID+`",`, reasoning.Encrypted), "", ""},
		"without its id":       {"sk-org-a-2", "gpt-5", back("", reasoning.Encrypted), "", ""},
		"under another id":     {"sk-org-a-1", "gpt-5", back(`"id":"rs_other",`, reasoning.Encrypted), "invalid_encrypted_content", "item_id did not match"},
		"another organisation": {"sk-org-b-1", "gpt-5", back("", reasoning.Encrypted), "invalid_encrypted_content", "organization_id did not match"},
		"of nobody":            {"sk-org-a-1", "gpt-5", back("", "gAAAAx"), "invalid_encrypted_content", "could not be decrypted"},
		"refused at will":      {"sk-org-a-1", "sim-" + invalidEncrypted, back("", reasoning.Encrypted), "invalid_encrypted_content", "could not be decrypted"},
	} {
		if got := decodeResponse(t, createIn(t, sim, c.key, c.model, c.asked)); got.Error.Code != c.code || !strings.Contains(got.Error.Message, c.reason) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	noViolations(t, sim)
}

// A tool of a namespace is called under its own name.
func TestResponsesNamespaces(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	tools := `"tools":[{"type":"namespace","name":"mcp__a","description":"","tools":[{"type":"function","name":"look"}]},` +
		`{"type":"namespace","name":"mcp__b","description":"","tools":[{"type":"function","name":"look"}]},{"type":"web_search"}]`
	made := decodeResponse(t, createIn(t, sim, "sk-1", "sim-tool-call", saysHi+`,`+tools))
	if len(made.Output) != 2 || made.Output[0].Namespace != "mcp__a" || made.Output[1].Namespace != "mcp__b" || made.Output[1].Name != "look" {
		t.Errorf("%+v", made)
	}
	noViolations(t, sim)
}

// What the token has sent before was cached.
func TestResponsesCache(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	cached := func(key, more string) int {
		return decodeResponse(t, createIn(t, sim, key, "caching", `"instructions":"Be brief.",`+more)).Usage.InputDetails.Cached
	}
	first := `{"role":"user","content":"one"}`
	if got := cached("sk-1", `"input":[`+first+`]`); got != 0 {
		t.Errorf("%d of a prompt that is new", got)
	}
	longer := `"input":[` + first + `,{"role":"assistant","content":"one"},{"role":"user","content":"two"}]`
	if again, other := cached("sk-1", longer), cached("sk-2", longer); again == 0 || other != 0 {
		t.Errorf("%d again, %d of another token", again, other)
	}
}

// A server that speaks Chat alone says so in one way or another, and the probes are counted.
func TestServersWithoutResponses(t *testing.T) {
	t.Parallel()
	for base, want := range bases {
		sim := New(Options{})
		r := record(sim, askResponses(t.Context(), t, "http://sim"+base, "sk-1", `{"model":"m",`+saysHi+`}`))
		if r.status != want.status || string(r.all()) != want.body || sim.Ledger().Lookups[base+responsesPath] != 1 {
			t.Errorf("%s: %d %s", base, r.status, r.all())
		}
		chat := record(sim, openAIRequest(t.Context(), t, "http://sim"+base, "sk-1", ask("gpt-4o", hello, false)))
		if decodeObject(t, chat.all()).Choices[0].Message.Content != hello {
			t.Errorf("%s: %s", base, chat.all())
		}
		noViolations(t, sim)
	}
}

// Tests can ask which token has made which answer.
func TestResponsesCallsAreRecorded(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	first := decodeResponse(t, createIn(t, sim, "sk-org-a-1", "gpt-5", saysHi))
	createIn(t, sim, "sk-org-a-1", "gpt-5", saysHi+`,"store":false,"previous_response_id":"`+first.ID+`"`)
	calls := sim.ResponsesCalls()
	if len(calls) != 2 || calls[0].Token != Fingerprint("sk-org-a-1") || calls[0].ID != first.ID || !calls[0].Stored || calls[1].Previous != first.ID || calls[1].Stored {
		t.Errorf("%+v", calls)
	}
	if r := record(sim, upgrade(t)); r.status != http.StatusUpgradeRequired {
		t.Errorf("an upgrade: %d %s", r.status, r.all())
	}
}

func upgrade(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://sim"+responsesPath, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Upgrade", "websocket")
	return r
}

// What broke, or failed, was not kept.
func TestOnlyWholeAnswersAreKept(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"echo": 1, "finish-length": 1, "one-write": 1, "done-marker": 1, "failed": 0, "eof-no-done": 0, "error-after-text": 0} {
		for _, form := range []string{saysHi, saysHi + `,` + streaming} {
			sim := New(Options{})
			createIn(t, sim, "sk-1", "sim-"+name, form)
			if got := len(sim.book.Load().responses.byID); got != want {
				t.Errorf("%s, %s: %d", name, form, got)
			}
		}
	}
}

func TestKeptAnswersAreBounded(t *testing.T) {
	t.Parallel()
	var store responseStore
	for n := range maxKept + 10 {
		id := "resp_" + sixteenDigits(uint64(n))
		store.put(&storedResponse{id: id, bytes: 1, output: []*node{mustParse([]byte(`{"type":"message","id":"msg_` + id + `"}`))}})
	}
	if len(store.byID) != maxKept || len(store.order) != maxKept || len(store.items) != maxKept || store.bytes != maxKept {
		t.Errorf("%d answers, %d items, %d bytes", len(store.byID), len(store.items), store.bytes)
	}
	store.put(&storedResponse{id: "resp_large", bytes: maxKeptBytes - 1})
	if len(store.byID) != 2 || store.bytes != maxKeptBytes {
		t.Errorf("%d answers, %d bytes", len(store.byID), store.bytes)
	}
}

// A request of nothing is how one finds out whether there is a Responses API: it breaks nothing.
func TestResponsesProbe(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	for key, status := range map[string]int{"sk-1": http.StatusBadRequest, "": http.StatusUnauthorized} {
		if r := record(sim, askResponses(t.Context(), t, "http://sim", key, "{}")); r.status != status {
			t.Errorf("%q: %d %s", key, r.status, r.all())
		}
	}
	if ledger := sim.Ledger(); ledger.Lookups[responsesPath] != 2 || ledger.Total.Requests != 0 {
		t.Errorf("%+v", ledger)
	}
	noViolations(t, sim)
}

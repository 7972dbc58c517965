package codex

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"
)

// maxRounds bounds the requests of a turn.
const maxRounds = 50

// Session is a conversation of one user. One goroutine uses it.
type Session struct {
	// URL is the provider's base, which ends with /v1; Key its key.
	URL, Key, Model string
	// Thread is the conversation's id.
	Thread string
	// Effort is of the model's thinking; empty: nothing is asked.
	Effort  string
	HTTP    *http.Client
	Retries Retries
	// WebSockets: the provider is said to have them.
	WebSockets bool
	// Packed: bodies go out as zstd.
	Packed    bool
	Workspace *Workspace
	// Extra goes into the input of each request, behind the session's own context.
	Extra []json.RawMessage

	// Sent are the requests so far, Answers what was read of streams, Failures the errors of
	// tries, Waits those before they were sent again.
	Sent     []Sent
	Answers  []*Answer
	Failures []error
	Waits    []time.Duration

	history   []json.RawMessage
	overHTTP  bool
	turnState string
}

// Turn says something to the model, runs what it calls until it calls no more, and returns what
// it has said last.
func (s *Session) Turn(ctx context.Context, text string) (string, error) {
	return s.TurnOf(ctx, text, nil)
}

// TurnOf is Turn where the last answer is to be JSON of a schema; nil: it need not be.
func (s *Session) TurnOf(ctx context.Context, text string, schema any) (string, error) {
	s.turnState = ""
	s.history = append(s.history, said("user", text))
	for range maxRounds {
		answer, err := s.ask(ctx, s.input(), schema, "")
		if err != nil {
			return "", err
		}
		s.keep(answer)
		calls := answer.Calls()
		if len(calls) == 0 {
			return answer.Text(), nil
		}
		s.history = append(s.history, s.results(calls)...)
	}
	return "", errors.New("the model calls without an end")
}

// Compact has the model put the conversation into words, and goes on with these and what the user
// has said.
func (s *Session) Compact(ctx context.Context, prompt string) (summary string, err error) {
	answer, err := s.ask(ctx, append(s.input(), said("user", prompt)), nil, "compact")
	if err != nil {
		return "", err
	}
	var kept []json.RawMessage
	for _, item := range s.history {
		var of struct{ Type, Role string }
		if json.Unmarshal(item, &of) == nil && of.Type == "message" && of.Role == "user" {
			kept = append(kept, item)
		}
	}
	summary = answer.Text()
	s.history = append(kept, said("user", "Another model has begun; this is its summary:\n"+summary))
	return summary, nil
}

// input is the session's context, and the whole history.
func (s *Session) input() []json.RawMessage {
	input := append([]json.RawMessage{
		said("developer", "<permissions instructions>\nThe sandbox is workspace-write.\n</permissions instructions>"),
		said("user", "<environment_context>\n  <cwd>/work</cwd>\n  <shell>bash</shell>\n</environment_context>"),
	}, s.Extra...)
	return append(input, s.history...)
}

// keep adds an answer's items to the history, but for those that are unknown.
func (s *Session) keep(answer *Answer) {
	for _, item := range answer.Items {
		if item.History != nil {
			s.history = append(s.history, item.History)
		}
	}
}

// results runs calls at the same time, and returns what came of them, in their order.
func (s *Session) results(calls []Item) []json.RawMessage {
	results := make([]json.RawMessage, len(calls))
	var running sync.WaitGroup
	for i, call := range calls {
		running.Go(func() {
			results[i] = encoded(map[string]any{"type": call.Type + "_output", "call_id": call.CallID, "output": s.Workspace.run(call)})
		})
	}
	running.Wait()
	return results
}

// said is a message.
func said(role, text string) json.RawMessage {
	return encoded(map[string]any{"type": "message", "role": role, "content": []any{map[string]string{"type": "input_text", "text": text}}})
}

func encoded(value any) json.RawMessage {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // of maps and strings only
	}
	return text
}

package cases

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/gateway/grammar"
)

// answer is what the gateway gave to a chat request, in either form.
type answer struct {
	Status int
	Header http.Header
	Body   []byte

	// Chunks are the data of a stream's events, without the end. Done: [DONE] came last.
	Chunks []json.RawMessage
	Done   bool
	// Failure is the error object of an answer, or of an event in a stream.
	Failure *failure

	// Collected from all chunks, or out of the whole answer.
	Text, Reasoning string
	Finish          []string
	Calls           []call
	Usage           *usage
	// Others are the members of messages and deltas, by name, that are none of the above.
	Others map[string][]json.RawMessage
}

type failure struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Code    string  `json:"code"`
	Param   *string `json:"param"`
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
}

type call struct {
	Index    *int   `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// ask sends one question to the case's upstream, streamed or not.
func (u *scripted) ask(t *testing.T, stream bool) answer {
	t.Helper()
	body := map[string]any{"model": u.Name, "messages": []map[string]string{{"role": "user", "content": "a"}}, "stream": stream}
	if stream {
		body["stream_options"] = map[string]bool{"include_usage": true}
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return post(t, encoded)
}

// post sends a body to the pair's chat route.
func post(t *testing.T, body []byte) answer {
	t.Helper()
	return postTo(t, pair.Gateways[0], body)
}

// passedOn returns a context for requests to the upstreams of cases. Nearly all rules hold
// of what comes of them, however they stray; these are the upstream's matter.
func passedOn(ctx context.Context) context.Context {
	return stack.Allow(ctx, "what an upstream leaves out and no client misses is not made up", grammar.Options{
		Except: []grammar.Rule{grammar.RoleFirst, grammar.FinishAlone, grammar.RefusalPresent},
	})
}

// postTo is post for a pair of a case's own.
func postTo(t *testing.T, gateway *stack.Gateway, body []byte) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(passedOn(t.Context()), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, gateway.URL+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+stack.AdminToken)
	response, err := stack.Client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	a := answer{Status: response.StatusCode, Header: response.Header, Others: map[string][]json.RawMessage{}}
	if a.Body, err = io.ReadAll(response.Body); err != nil {
		t.Fatalf("%v after %.200s", err, a.Body)
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		a.readStream(t)
	} else {
		a.read(t, a.Body, false)
	}
	return a
}

// readStream reads events in the form that the gateway writes: one line of data each,
// comments between them.
func (a *answer) readStream(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(string(a.Body)) {
		data, isData := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "data: ")
		switch {
		case !isData && line != "\n" && !strings.HasPrefix(line, ":"):
			t.Errorf("a line that the gateway does not write: %.200q", line)
		case !isData:
		case a.Done:
			t.Errorf("after [DONE]: %.200s", data)
		case data == "[DONE]":
			a.Done = true
		default:
			a.Chunks = append(a.Chunks, json.RawMessage(data))
			a.read(t, []byte(data), true)
		}
	}
}

// read takes a chunk or a whole answer in, and demands the form of the API.
func (a *answer) read(t *testing.T, data []byte, chunk bool) {
	t.Helper()
	var object struct {
		Choices *[]struct {
			Delta   json.RawMessage `json:"delta"`
			Message json.RawMessage `json:"message"`
			Finish  *string         `json:"finish_reason"`
		} `json:"choices"`
		Usage *usage   `json:"usage"`
		Error *failure `json:"error"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		t.Errorf("%v in %.300s", err, data)
		return
	}
	if object.Error != nil {
		a.Failure = object.Error
		return
	}
	if object.Choices == nil {
		t.Errorf("without a list of choices: %.300s", data)
		return
	}
	if object.Usage != nil {
		a.Usage = object.Usage
	}
	for _, choice := range *object.Choices {
		message := choice.Message
		if chunk {
			message = choice.Delta
		}
		a.readMessage(t, message, chunk)
		if choice.Finish != nil {
			a.Finish = append(a.Finish, *choice.Finish)
		}
	}
}

func (a *answer) readMessage(t *testing.T, message json.RawMessage, chunk bool) {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(message, &members); err != nil || members == nil {
		t.Errorf("a message that is no object: %.300s", message)
		return
	}
	for name, value := range members {
		var err error
		switch name {
		case "role":
		case "content":
			err = appendText(&a.Text, value)
		case "reasoning_content", "reasoning":
			err = appendText(&a.Reasoning, value)
		case "tool_calls":
			var calls []call
			err = json.Unmarshal(value, &calls)
			for _, piece := range calls {
				if chunk != (piece.Index != nil) {
					t.Errorf("pieces of calls have an index, whole calls have none: %.300s", value)
				}
				a.addCall(piece)
			}
		default:
			a.Others[name] = append(a.Others[name], value)
		}
		if err != nil {
			t.Errorf("%s: %v in %.300s", name, err, value)
		}
	}
}

func appendText(to *string, value json.RawMessage) error {
	var text *string
	err := json.Unmarshal(value, &text)
	if text != nil {
		*to += *text
	}
	return err
}

func (a *answer) addCall(piece call) {
	for i := range a.Calls {
		if known := &a.Calls[i]; piece.Index != nil && known.Index != nil && *known.Index == *piece.Index {
			known.Function.Arguments += piece.Function.Arguments
			return
		}
	}
	a.Calls = append(a.Calls, piece)
}

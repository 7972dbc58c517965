package pairs_test

import (
	"context"
	"encoding/json"
)

// client is the official client of an API.
type client interface {
	// ask sends the last question of a talk, after those that have been answered.
	ask(ctx context.Context, model string, talk []turn, stream bool) (answer, error)
}

// turn is a question and the answer that it got.
type turn struct {
	question
	answer answer
}

// question is what a user says, and how it is to be answered; the zero value of each field
// says nothing.
type question struct {
	system    string
	text      string
	images    [][]byte
	documents [][]byte
	results   []result
	tools     []string
	mustCall  string // a tool's name, or "any"
	oneCall   bool   // no parallel calls
	effort    string // of thinking
	schema    bool
	stop      []string
	limit     int64 // of output, in tokens
}

// result is what came of a call.
type result struct {
	id, text string
	image    []byte
	failed   bool
}

// answer is one in the words of neither API.
type answer struct {
	model, text, thought, seal, refusal string
	calls                               []call
	end                                 ending
	stopText                            string
	usage                               usage
	// own is the answer as the client's own parameter for the next turn.
	own any
}

type call struct{ id, name, arguments string }

// usage counts as Chat does: the prompt with what was read from the cache.
type usage struct{ prompt, cached, written, output, reasoning int64 }

// ending is why an answer ends.
type ending string

const (
	ended      ending = "end"
	cutOff     ending = "output limit"
	withCalls  ending = "calls"
	atStopText ending = "stop text"
	filtered   ending = "filtered"
)

// failure is an error of an API as its official client tells it.
type failure struct {
	status        int // 0: in a stream
	kind, message string
	param         string
	err           error
}

func (f *failure) Error() string { return f.err.Error() }

// toolSchema is that of every tool here.
func toolSchema() map[string]any {
	return map[string]any{
		"type": "object", "properties": map[string]any{"at": map[string]any{"type": "string"}}, "required": []string{"at"},
	}
}

// answerSchema is that of answers that are to have one.
func answerSchema() map[string]any {
	return map[string]any{
		"type": "object", "properties": map[string]any{"colour": map[string]any{"type": "string"}},
		"required": []string{"colour"}, "additionalProperties": false,
	}
}

func compact(raw string) string {
	var value any
	if json.Unmarshal([]byte(raw), &value) != nil {
		return raw
	}
	encoded, _ := json.Marshal(value) // it has been decoded
	return string(encoded)
}

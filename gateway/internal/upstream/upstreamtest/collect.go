package upstreamtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

// key is the credential of every call. It may show up nowhere.
const key = "suite-secret-0123456789abcdef"

// patience is how long the suite waits for what must come.
const patience = time.Minute

// newCall asks prompt in a stream.
func newCall(prompt string) *upstream.Call {
	return &upstream.Call{
		Request: &chat.Request{
			ID:       "req-suite",
			Created:  time.Unix(1_750_000_000, 0),
			Model:    "gpt-4o",
			Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: prompt}}}},
			Stream:   true,
		},
		Model: "gpt-4o",
		Credential: upstream.Credential{
			Secret:   secret.New(key),
			DeviceID: strings.Repeat("d", 64),
			MACHash:  strings.Repeat("e", 64),
		},
	}
}

// answer is what a call yielded.
type answer struct {
	text     string
	finishes []chat.FinishReason
	failure  *upstream.Failure
}

// collect makes the call and checks the rules that hold for every answer.
func collect(ctx context.Context, driver upstream.Driver, call *upstream.Call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var got answer
	var text strings.Builder
	var order BlockOrder
	for event, err := range driver.Chat(ctx, call) {
		if got.failure != nil {
			return got, errors.New("the iteration goes on after an error")
		}
		if err != nil {
			failure, err := checkFailure(err)
			if err != nil {
				return got, err
			}
			got.failure = failure
			continue
		}
		if len(got.finishes) > 0 && event.Text != "" {
			return got, errors.New("text after the answer's end")
		}
		if err := order.Check(&event); err != nil {
			return got, err
		}
		text.WriteString(event.Text)
		if event.Finish != chat.Unfinished {
			got.finishes = append(got.finishes, event.Finish)
		}
	}
	got.text = text.String()
	switch {
	case got.failure == nil && len(got.finishes) != 1:
		return got, fmt.Errorf("an answer that ended well has the finish reasons %q", got.finishes)
	case got.failure != nil && len(got.finishes) != 0:
		return got, fmt.Errorf("an answer that failed has the finish reasons %q", got.finishes)
	}
	return got, nil
}

// checkFailure holds an error to what the contract says of every failure.
func checkFailure(err error) (*upstream.Failure, error) {
	var failure *upstream.Failure
	if !errors.As(err, &failure) {
		return nil, fmt.Errorf("not a *Failure but %T: %w", err, err)
	}
	switch {
	case !slices.Contains(upstream.Classes(), failure.Class):
		return nil, fmt.Errorf("unknown class %q", failure.Class)
	case strings.Contains(failure.Error(), key), strings.Contains(failure.Message, key):
		return nil, errors.New("the failure shows the secret")
	case len(failure.Message) > 512:
		return nil, fmt.Errorf("a message of %d bytes", len(failure.Message))
	case strings.ContainsFunc(failure.Message, func(r rune) bool { return r < ' ' || r == '<' || r == '>' }):
		return nil, fmt.Errorf("the message has markup or control characters: %q", failure.Message)
	}
	return failure, nil
}

// wantText fails unless the call yields the text and ends well.
func wantText(t *testing.T, driver upstream.Driver, call *upstream.Call, want string) {
	t.Helper()
	got, err := collect(t.Context(), driver, call)
	switch {
	case err != nil:
		t.Error(err)
	case got.failure != nil:
		t.Errorf("failed: %v", got.failure)
	case got.text != want:
		t.Errorf("text %q\nwant %q", got.text, want)
	}
}

// wantFailure fails unless the call yields the text and then fails, in one of the
// classes.
func wantFailure(t *testing.T, driver upstream.Driver, call *upstream.Call, text string, classes ...upstream.Class) {
	t.Helper()
	got, err := collect(t.Context(), driver, call)
	switch {
	case err != nil:
		t.Error(err)
	case got.failure == nil:
		t.Errorf("ended well with %q", got.text)
	case !slices.Contains(classes, got.failure.Class):
		t.Errorf("class %q, want %q: %v", got.failure.Class, classes, got.failure)
	case got.text != text:
		t.Errorf("text before the failure %q, want %q", got.text, text)
	}
}

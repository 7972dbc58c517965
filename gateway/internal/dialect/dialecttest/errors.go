package dialecttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
)

var errSecret = errors.New("sk-a-secret")

func testErrors(t *testing.T, h Harness) {
	upstreams := []*chat.UpstreamError{
		nil,
		{Status: 400, Code: "bad", Type: "invalid_request_error"},
		{Status: 401},
		{Status: 402},
		{Status: 403},
		{Status: 429},
		{Status: 200, Type: "overloaded_error"},
		{Status: 529},
		{Status: 500},
	}
	for _, kind := range chat.Kinds() {
		for _, own := range upstreams {
			failure := &chat.Error{
				Kind: kind, Message: "what was wrong:\n\"all\" of it", Param: "messages", RetryAfter: 1500 * time.Millisecond,
				Upstream: own, Err: errSecret, Pool: &chat.Pool{Total: 3},
			}
			h.error(t, failure, string(kind))
		}
	}
	h.error(t, errSecret, "a foreign error")
	h.error(t, &chat.Error{Kind: "unheard of", Message: "?", RetryAfter: time.Second}, "a kind that is not in the table")
}

func (h *Harness) error(t *testing.T, err error, name string) {
	t.Helper()
	answer := h.API.Error(err, requestID)
	report(t, h.Judge.Error(answer.Status, answer.JSON, grammar.Options{}), answer.JSON)
	if bytes.Contains(answer.JSON, []byte(errSecret.Error())) {
		t.Errorf("%s: the cause is told: %s", name, answer.JSON)
	}
	failure := chat.AsError(err)
	if own := failure.Upstream; own != nil && failure.Kind == chat.UpstreamAuth && answer.Status < http.StatusInternalServerError {
		t.Errorf("%s: status %d speaks of the client's own key", name, answer.Status)
	}
	words, _ := json.Marshal(failure.Message)
	if !bytes.Contains(answer.JSON, words[1:len(words)-1]) {
		t.Errorf("%s: %s does not say %s", name, answer.JSON, words)
	}
	if wait := answer.Header.Get("Retry-After"); failure.RetryAfter > 0 && wait != strconv.Itoa(int((failure.RetryAfter+time.Second-1)/time.Second)) {
		t.Errorf("%s: Retry-After %q", name, wait)
	}
	if bytes.ContainsAny(answer.JSON, "\r\n") {
		t.Errorf("%s: more than a line, for a stream: %s", name, answer.JSON)
	}
}

func testModels(t *testing.T, h Harness) {
	models := []chat.Model{{ID: Model, OwnedBy: "an owner", Created: received.Unix()}, {ID: `vendor/"two"`}}
	for _, all := range [][]chat.Model{nil, models} {
		list, err := h.API.Models(all, url.Values{})
		var got struct {
			Data []struct{ ID string }
		}
		if err != nil || json.Unmarshal(list, &got) != nil || len(got.Data) != len(all) || !strings.Contains(string(list), `"data":[`) {
			t.Fatalf("%s, %v", list, err)
		}
		for i, model := range all {
			if one := h.API.Model(model); got.Data[i].ID != model.ID || !bytes.Contains(list, one) {
				t.Errorf("%s has not %s", list, one)
			}
		}
	}
}

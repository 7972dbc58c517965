package cases

import (
	"bytes"
	"encoding/json"
	"testing"
)

func init() {
	holds["q01"] = aHistoryIsTheUpstreamsToJudge
	holds["q02"] = aByteOrderMarkIsIgnored
}

// request is a file's body with the model of an upstream in it.
func (u *scripted) request(t *testing.T, file string) []byte {
	t.Helper()
	return bytes.Replace(input(t, file), []byte("MODEL"), []byte(u.Name), 1)
}

// goodDay is a whole answer.
var goodDay = bytesOf("application/json", []byte(`{"id":"c-1","object":"chat.completion","created":1,"model":"m",`+
	`"choices":[{"index":0,"message":{"role":"assistant","content":"good day"},"finish_reason":"stop"}]}`))

func aByteOrderMarkIsIgnored(t *testing.T) {
	upstream := answering(t, "q02", goodDay)
	says("good day")(t, post(t, upstream.request(t, "q02-byte-order-mark.json")))
	if asked := upstream.take(); len(asked) != 1 || !json.Valid(asked[0].Body) {
		t.Errorf("the upstream got %q", asked)
	}
}

func aHistoryIsTheUpstreamsToJudge(t *testing.T) {
	upstream := answering(t, "q01", goodDay)
	body := upstream.request(t, "q01-thoughts-without-words.json")
	says("good day")(t, post(t, body))
	if asked := upstream.take(); len(asked) != 1 || !bytes.Equal(asked[0].Body, body) {
		t.Errorf("the upstream got %q, want %s", asked, body)
	}
	// For an upstream that speaks another dialect it is no fault either: what is missing is a
	// token.
	body = bytes.Replace(input(t, "q01-thoughts-without-words.json"), []byte("MODEL"), []byte("gpt-4o"), 1)
	if got := post(t, body); got.Status != 503 || got.Failure == nil || got.Failure.Code != "no_tokens" {
		t.Errorf("on a Cursor upstream: %d, %+v", got.Status, got.Failure)
	}
}

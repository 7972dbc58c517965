package anthropic_test

import (
	"net/http"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
)

// decoded is what a body becomes.
func decoded(t testing.TB, body string, header ...string) *chat.Request {
	t.Helper()
	in := dialect.Incoming{Body: []byte(body), Header: http.Header{}, RequestID: requestID, Received: time.Unix(1700000000, 0)}
	for i := 0; i < len(header); i += 2 {
		in.Header.Add(header[i], header[i+1])
	}
	request, err := anthropic.API{}.Decode(in)
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return request
}

func TestDecodeText(t *testing.T) {
	t.Parallel()
	r := decoded(t, `{"model":"fable[1m]","max_tokens":100,"stream":true,"system":"Be brief.","messages":[{"role":"user","content":"Hello?"}]}`)
	if r.Model != "fable" || r.MaxTokens != 100 || !r.Stream || !r.IncludeUsage || r.ID != "msg_"+requestID || r.HistoryFault != nil {
		t.Errorf("%+v", r)
	}
	if len(r.Messages) != 2 || r.Messages[0].Role != chat.System || r.Messages[0].Text() != "Be brief." ||
		r.Messages[1].Role != chat.User || r.Messages[1].Text() != "Hello?" {
		t.Errorf("%+v", r.Messages)
	}
}

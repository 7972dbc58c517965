package anthropic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/upstreamtest"
	"carousel.internal/proto/service/secret"
)

const testKey = "sk-ant-test-0123456789"

// received is what the upstream was sent.
type received struct {
	header http.Header
	path   string
	body   string
}

// serve is an upstream that answers the same to each call and keeps what it is sent.
func serve(t testing.TB, status int, contentType, body string, header http.Header) (*Driver, *received) {
	t.Helper()
	got := &received{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		got.header, got.path, got.body = r.Header, r.URL.RequestURI(), string(sent)
		for name, values := range header {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	driver, err := New(upstream.Config{Name: "test", BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	return driver.(*Driver), got
}

// nativeCall is one of a client of the same dialect.
func nativeCall(body string, stream bool) *upstream.Call {
	return &upstream.Call{
		Model: "claude", Credential: upstream.Credential{Secret: secret.New(testKey)},
		Request: &chat.Request{
			Model: "up/claude", Stream: stream,
			Source: chat.Source{Dialect: dialect, JSON: []byte(body), Header: http.Header{}},
		},
	}
}

// translatedCall is one of a client of another dialect.
func translatedCall(request chat.Request) *upstream.Call {
	request.Source = chat.Source{Dialect: "another", JSON: []byte(`{"not":"for you"}`)}
	return &upstream.Call{Model: "claude-sonnet-4-5", Credential: upstream.Credential{Secret: secret.New(testKey)}, Request: &request}
}

// built is the body of a request of another dialect.
func built(driver *Driver, call *upstream.Call) []byte {
	return driver.build(call, upstream.NewToolNames(call.Request, maxToolName))
}

// gather collects the events of a call, with raw bytes of their own.
func gather(ctx context.Context, t testing.TB, driver upstream.Driver, call *upstream.Call) ([]chat.Event, *upstream.Failure) {
	t.Helper()
	var events []chat.Event
	var failure *upstream.Failure
	var order upstreamtest.BlockOrder
	for event, err := range driver.Chat(ctx, call) {
		if err != nil {
			if !errors.As(err, &failure) {
				t.Fatalf("got %T: %v", err, err)
			}
			continue
		}
		if err := order.Check(&event); err != nil {
			t.Error(err)
		}
		event.Raw.JSON = append([]byte(nil), event.Raw.JSON...)
		events = append(events, event)
	}
	return events, failure
}

// outline renders blocks as kind(text), with what else is told of them.
func outline(events []chat.Event) string {
	text := ""
	for _, event := range events {
		if event.Open != nil {
			text += fmt.Sprintf("%d%s(", event.Kind, event.Open.Name)
		}
		text += event.Text
		if event.Seal != nil {
			text += "~" + event.Seal.Data + "@" + event.Seal.Maker
		}
		if event.Close {
			text += ")"
		}
		if event.Finish != "" {
			text += " " + string(event.Finish)
		}
	}
	return text
}

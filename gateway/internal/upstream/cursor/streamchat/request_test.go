package streamchat

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
	"carousel.internal/proto/service/secret"
)

// requestVector is a request of the real client, byte for byte.
const requestVector = "0000000094122f0a02486910016a2430303030303030302d303030302d343030302d383030302d303030303030303030303033a00100220b0a09" +
	"42652062726965662e3a080a066770742d346f4a2430303030303030302d303030302d343030302d383030302d3030303030303030303030317a" +
	"2430303030303030302d303030302d343030302d383030302d303030303030303030303032"

const (
	device = "03204de92e11fc8c528139be419065920eb83dbff1a4663bbea455aa6e9702bd"
	mac    = "1f0efc62c80760e53a5f7cd9a1c7aff105f84b2bf414a102d177ee7b776f0dc8"
)

// transportFunc is a http.RoundTripper.
type transportFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f transportFunc) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// fixed is a driver whose ids count up and whose clock stands still.
func fixed(transport http.RoundTripper) *Client {
	d := newClient("https://upstream.test", transport)
	d.now = func() time.Time { return time.UnixMilli(1735689600000) }
	var ids int
	d.newID = func() string {
		ids++
		return fmt.Sprintf("00000000-0000-4000-8000-%012d", ids)
	}
	return d
}

func callOf(messages ...chat.Message) *upstream.Call {
	return &upstream.Call{
		Request:    &chat.Request{ID: "req", Model: "gpt-4o", Messages: messages},
		Model:      "gpt-4o",
		Credential: upstream.Credential{Secret: secret.New("upstream-token"), DeviceID: device, MACHash: mac},
	}
}

func said(role chat.Role, texts ...string) chat.Message {
	message := chat.Message{Role: role}
	for _, text := range texts {
		message.Parts = append(message.Parts, chat.Part{Text: text})
	}
	return message
}

// ask runs the call and answers its text and failure.
func ask(t *testing.T, d *Client, call *upstream.Call) (string, *upstream.Failure) {
	t.Helper()
	return collect(t, d, call, nil)
}

func TestRequestVector(t *testing.T) {
	t.Parallel()
	var request *http.Request
	var body []byte
	d := fixed(transportFunc(func(r *http.Request) (*http.Response, error) {
		request = r
		var err error
		body, err = io.ReadAll(r.Body)
		return answerOf(textFrame("ok"), endFrame("{}")), err
	}))
	call := callOf(said(chat.System, "Be brief."), said(chat.User, "Hi"))
	call.Options = upstream.Options{ClientVersion: "0.45.0", Timezone: "Europe/Berlin"}
	if text, failure := ask(t, d, call); failure != nil || text != "ok" {
		t.Fatalf("%q, %v", text, failure)
	}
	if got := hex.EncodeToString(body); got != requestVector {
		t.Errorf("request\n%s\nwant\n%s", got, requestVector)
	}
	if request.Method != http.MethodPost || request.URL.String() != "https://upstream.test/aiserver.v1.AiService/StreamChat" {
		t.Errorf("%s %s", request.Method, request.URL)
	}
	key := request.Header.Get("X-Client-Key")
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(key) {
		t.Errorf("client key %q", key)
	}
	want := map[string]string{
		"Content-Type":             "application/connect+proto",
		"Authorization":            "Bearer upstream-token",
		"Connect-Protocol-Version": "1",
		"Connect-Accept-Encoding":  "gzip",
		"User-Agent":               "connect-es/1.6.1",
		"X-Cursor-Checksum":        "2dHTzLTC" + device + "/" + mac,
		"X-Client-Key":             key,
		"X-Cursor-Client-Version":  "0.45.0",
		"X-Cursor-Timezone":        "Europe/Berlin",
		"X-Ghost-Mode":             "true",
		"X-Request-Id":             "00000000-0000-4000-8000-000000000001",
		"X-Amzn-Trace-Id":          "Root=00000000-0000-4000-8000-000000000001",
	}
	for name, value := range want {
		if got := request.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	for name := range request.Header {
		if _, known := want[name]; !known {
			t.Errorf("an extra header: %s", name)
		}
	}
}

func TestClientKeyIsStable(t *testing.T) {
	t.Parallel()
	keyOf := func(call *upstream.Call) string {
		header := http.Header{}
		if failure := setHeaders(header, call, "id", time.Now()); failure != nil {
			t.Fatal(failure)
		}
		return header.Get("X-Client-Key")
	}
	another := callOf()
	another.Credential.DeviceID = mac
	first, again, other := keyOf(callOf()), keyOf(callOf()), keyOf(another)
	if first != again || first == other {
		t.Error("the client key is not a device's own")
	}
}

func TestUnusableCredentials(t *testing.T) {
	t.Parallel()
	d := fixed(transportFunc(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, io.ErrClosedPipe
	}))
	for name, credential := range map[string]upstream.Credential{
		"empty":          {DeviceID: device},
		"line break":     {Secret: secret.New("tok\nX-Evil: 1"), DeviceID: device},
		"not ASCII":      {Secret: secret.New("tökén"), DeviceID: device},
		"no device id":   {Secret: secret.New("upstream-token")},
		"nothing at all": {},
	} {
		call := callOf(said(chat.User, "Hi"))
		call.Credential = credential
		if _, failure := ask(t, d, call); failure == nil || failure.Class != upstream.Auth {
			t.Errorf("%s: %v", name, failure)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		messages     []chat.Message
		defaults     string
		instructions string
		turns        []string
	}{
		{"nothing", nil, "", "", []string{"h:"}},
		{"nothing but defaults", nil, "Default.", "Default.", []string{"h:"}},
		{"one question", []chat.Message{said(chat.User, "Hi")}, "", "", []string{"h:Hi"}},
		{"parts", []chat.Message{said(chat.User, "a", "", "b")}, "", "", []string{"h:a\n\nb"}},
		{"system only", []chat.Message{said(chat.System, "S")}, "Default.", "S", []string{"h:"}},
		{
			"systems anywhere",
			[]chat.Message{said(chat.System, "a", "b"), said(chat.User, "Hi"), said(chat.System, "c")},
			"Default.", "a\nb\n\nc",
			[]string{"h:Hi"},
		},
		{"blank system", []chat.Message{said(chat.System, " "), said(chat.User, "Hi")}, "Default.", "", []string{"h:Hi"}},
		{"empty system", []chat.Message{said(chat.System, ""), said(chat.User, "Hi")}, "Default.", "Default.", []string{"h:Hi"}},
		{"blank defaults", []chat.Message{said(chat.User, "Hi")}, " \n", "", []string{"h:Hi"}},
		{"model first", []chat.Message{said(chat.Assistant, "A"), said(chat.User, "Q")}, "", "", []string{"h:", "m:A", "h:Q"}},
		{"model last", []chat.Message{said(chat.User, "Q"), said(chat.Assistant, "A")}, "", "", []string{"h:Q", "m:A", "h:"}},
		{"model only", []chat.Message{said(chat.Assistant, "A")}, "", "", []string{"h:", "m:A", "h:"}},
		{"twice the user", []chat.Message{said(chat.User, "1"), said(chat.User, "2")}, "", "", []string{"h:1", "m:", "h:2"}},
		{
			"twice the model",
			[]chat.Message{said(chat.User, "Q"), said(chat.Assistant, "1"), said(chat.Assistant, "2"), said(chat.User, "R")},
			"", "",
			[]string{"h:Q", "m:1", "h:", "m:2", "h:R"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			call := callOf(test.messages...)
			call.Options.DefaultInstructions = test.defaults
			got, failure := fixed(nil).newMessage(call, "id")
			if failure != nil {
				t.Fatal(failure)
			}
			if got.GetExplicitContext().GetContext() != test.instructions {
				t.Errorf("instructions %q, want %q", got.GetExplicitContext().GetContext(), test.instructions)
			}
			if test.instructions == "" && got.ExplicitContext != nil {
				t.Error("empty instructions are sent")
			}
			if turns := turnsOf(got); !slices.Equal(turns, test.turns) {
				t.Errorf("turns %q, want %q", turns, test.turns)
			}
			bubbles := map[string]bool{}
			for _, turn := range got.GetConversation() {
				bubbles[turn.GetBubbleId()] = true
				if turn.IsCapabilityIteration == nil || turn.GetIsCapabilityIteration() {
					t.Error("is_capability_iteration is not sent as false")
				}
			}
			if len(bubbles) != len(got.GetConversation()) {
				t.Error("two messages share a bubble id")
			}
		})
	}
}

func turnsOf(request *aiserverv1.GetChatRequest) []string {
	var turns []string
	for _, turn := range request.GetConversation() {
		who := "h:"
		if turn.GetType() == model {
			who = "m:"
		}
		turns = append(turns, who+turn.GetText())
	}
	return turns
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"gpt-4o", "claude-3.5-sonnet", "gpt-4o-128k", "gemini-1.5-flash-500k", "claude-3-haiku-200k", "claude-3-5-sonnet-200k"} {
		call := callOf(said(chat.User, "Hi"))
		call.Model = id
		got, failure := fixed(nil).newMessage(call, "id")
		if failure != nil {
			t.Fatal(failure)
		}
		if got.GetModelDetails().GetModelName() != id {
			t.Errorf("model %q", got.GetModelDetails().GetModelName())
		}
		want := slices.Contains([]string{
			"gpt-4o-128k", "gemini-1.5-flash-500k", "claude-3-haiku-200k", "claude-3-5-sonnet-200k",
		}, id)
		if got.GetLongContextMode() != want || (got.LongContextMode != nil) != want {
			t.Errorf("%s: long context %v", id, got.LongContextMode)
		}
		if got.ModelDetails.EnableSlowPool != nil {
			t.Error("the slow pool is asked for")
		}
	}
	call := callOf(said(chat.User, "Hi"))
	call.Options.SlowPool = true
	got, failure := fixed(nil).newMessage(call, "id")
	if failure != nil || !got.GetModelDetails().GetEnableSlowPool() {
		t.Errorf("the slow pool is not asked for: %v", failure)
	}
}

func TestRefusedMessages(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]chat.Message{
		"unknown role": said("critic", "Bad."),
	} {
		_, failure := fixed(nil).newMessage(callOf(said(chat.User, "Hi"), message), "id")
		if failure == nil || failure.Class != upstream.CallerFault || !strings.HasPrefix(failure.Message, "messages[1]: ") {
			t.Errorf("%s: %v", name, failure)
		}
	}
}

func TestInvalidTextIsReplaced(t *testing.T) {
	t.Parallel()
	call := callOf(said(chat.System, "\xff"), said(chat.User, "a\xffb"))
	call.Model = "m\xff"
	got, failure := fixed(nil).newMessage(call, "id")
	if failure != nil {
		t.Fatal(failure)
	}
	if _, err := proto.Marshal(got); err != nil {
		t.Error(err)
	}
	if turns := turnsOf(got); turns[0] != "h:a\uFFFDb" {
		t.Errorf("turns %q", turns)
	}
}

package jsonapi_test

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
)

func request(t *testing.T, body string, headers ...string) *gin.Context {
	t.Helper()
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		c.Request.Header.Set(headers[i], headers[i+1])
	}
	return c
}

// wantError checks the kind, the field that is named, and a part of the sentence.
func wantError(t *testing.T, err error, kind chat.Kind, param, says string) {
	t.Helper()
	var failure *chat.Error
	if !errors.As(err, &failure) {
		t.Errorf("%v is not an error for the client", err)
		return
	}
	if failure.Kind != kind || failure.Param != param || !strings.Contains(failure.Message, says) {
		t.Errorf("%s about %q: %s; want %s about %q: %s", failure.Kind, failure.Param, failure.Message, kind, param, says)
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	type inner struct {
		Text string `json:"text"`
	}
	type object struct {
		Text  *string           `json:"text"`
		Flag  *bool             `json:"flag"`
		Small uint32            `json:"small"`
		Large uint64            `json:"large"`
		List  []string          `json:"list"`
		Map   map[string]string `json:"map"`
		Inner *inner            `json:"inner"`
	}
	var good object
	if err := jsonapi.Decode(request(t, ` {"text":"a","inner":{"text":"ß"}} `), 100, &good); err != nil || *good.Text != "a" || good.Inner.Text != "ß" {
		t.Errorf("got %+v, %v", good, err)
	}
	for body, want := range map[string]struct{ param, says string }{
		``:                                    {"", "empty"},
		"\n":                                  {"", "empty"},
		`null`:                                {"", "a JSON object, not null"},
		`[]`:                                  {"", "a JSON object, not an array"},
		`"x"`:                                 {"", "a JSON object, not a string"},
		`{"text":`:                            {"", "ends early"},
		`{"text":x}`:                          {"", "not valid JSON"},
		`{} {}`:                               {"", "goes on"},
		"{\"text\":\"\xff\"}":                 {"", "UTF-8"},
		`{"txet":"a"}`:                        {"txet", "no such field"},
		`{"text":1}`:                          {"text", "a string wanted, not a number"},
		`{"flag":"yes"}`:                      {"flag", "true or false wanted, not a string"},
		`{"small":-1}`:                        {"small", "from 0 to 4294967295 wanted, not -1"},
		`{"small":true}`:                      {"small", "wanted, not true or false"},
		`{"large":1.5}`:                       {"large", "a whole number, not negative wanted, not 1.5"},
		`{"list":"a"}`:                        {"list", "a list of strings wanted"},
		`{"map":[]}`:                          {"map", "an object of strings wanted, not an array"},
		`{"inner":"a"}`:                       {"inner", "an object wanted, not a string"},
		`{"inner":{"text":{}}}`:               {"inner.text", "a string wanted, not an object"},
		`{"inner":{"tetx":""}}`:               {"tetx", "no such field"},
		`{"text":"` + strings.Repeat("x", 99): {"", "larger than"},
	} {
		err := jsonapi.Decode(request(t, body), 100, &object{})
		kind := chat.InvalidRequest
		if strings.HasPrefix(want.says, "larger") {
			kind = chat.PayloadTooLarge
		}
		if wantError(t, err, kind, want.param, want.says); t.Failed() {
			t.Fatal(body)
		}
	}
}

// Escapes come in whole characters; what only looks like an escape is none.
func TestHalfCharacters(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{"a":"\ud83d\ude00"}`: true, `{"a":"\uD83D\uDE00\u00df"}`: true, `{"a":"\\ud83d"}`: true, `{"a":"\\\\ud83d"}`: true,
		`{"a":"\ud83d"}`: false, `{"a":"\ude00"}`: false, `{"a":"\ude00\ud83d"}`: false, `{"a":"\ud83dx\ude00"}`: false,
		`{"a":"\\\ud83d"}`: false, `{"a":"\ud83d\ud83d\ude00"}`: false, `{"a":"\ud83d\ude00\ud83d"}`: false, `{"a":"\ud83d\n"}`: false,
	} {
		var object map[string]string
		err := jsonapi.Decode(request(t, body), 100, &object)
		if want && err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if !want {
			wantError(t, err, chat.InvalidRequest, "", "half of a character")
		}
	}
	if _, err := jsonapi.Body(request(t, `"\ud8`), 100); err != nil {
		t.Errorf("an escape that is cut short is for the decoder to refuse: %v", err)
	}
}

func TestMember(t *testing.T) {
	t.Parallel()
	var text string
	if err := jsonapi.Member("name", json.RawMessage(`"a"`), &text); err != nil || text != "a" {
		t.Errorf("got %q, %v", text, err)
	}
	wantError(t, jsonapi.Member("name", json.RawMessage(`null`), &text), chat.InvalidRequest, "name", "a string wanted, not null")
	wantError(t, jsonapi.Member("name", json.RawMessage(`[1]`), &text), chat.InvalidRequest, "name", "a string wanted, not an array")
	_, err := jsonapi.Fields(request(t, `{}`), 100)
	wantError(t, err, chat.InvalidRequest, "", "names no field")
}

func TestExpectedVersion(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]uint64{"": 0, "*": 0, "3": 3, `"3"`: 3} {
		if got, err := jsonapi.ExpectedVersion(request(t, "", "If-Match", header)); err != nil || got != want {
			t.Errorf("%q: %d, %v", header, got, err)
		}
	}
	for _, header := range []string{"0", "-1", "x", `"3", "4"`} {
		_, err := jsonapi.ExpectedVersion(request(t, "", "If-Match", header))
		wantError(t, err, chat.InvalidRequest, "If-Match", "version wanted")
	}
}

func TestActor(t *testing.T) {
	t.Parallel()
	if got := jsonapi.Actor(request(t, "", "Authorization", "Bearer x")); got != "api 192.0.2.1" {
		t.Errorf("with a token: %q", got)
	}
	named := request(t, "", "Authorization", "Bearer x")
	named.Request = named.Request.WithContext(jsonapi.WithActor(t.Context(), "mcp key CI"))
	if got := jsonapi.Actor(named); got != "mcp key CI 192.0.2.1" {
		t.Errorf("for somebody else: %q", got)
	}
	if got := jsonapi.Actor(request(t, "", "X-Forwarded-For", "x, 198.51.100.7")); got != "pages 192.0.2.1" {
		t.Errorf("with a session: %q", got)
	}
}

// timed is a writer that knows its deadline.
type timed struct {
	*httptest.ResponseRecorder

	until time.Time
}

func (t *timed) SetWriteDeadline(until time.Time) error { t.until = until; return nil }

// A large file has more time than a small one.
func TestAttach(t *testing.T) {
	t.Parallel()
	for size, least := range map[int]time.Duration{1: 30 * time.Second, 32 << 20: 17 * time.Minute} {
		w := &timed{ResponseRecorder: httptest.NewRecorder()}
		c, _ := gin.CreateTestContext(w)
		before := time.Now()
		jsonapi.Attach(c, "a.age", make([]byte, size))
		if w.until.Before(before.Add(least)) || w.until.After(time.Now().Add(least+time.Minute)) {
			t.Errorf("%d bytes have until %s, asked after %s", size, w.until, before)
		}
		if w.Header().Get("Content-Disposition") != `attachment; filename="a.age"` || w.Body.Len() != size {
			t.Errorf("%d bytes as %s", w.Body.Len(), w.Header().Get("Content-Disposition"))
		}
	}
}

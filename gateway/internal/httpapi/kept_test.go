package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/idempotency"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/remembered"
	"carousel.internal/proto/cursor/checksum"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// write posts an entry and returns the answer.
func (s *study) write(t *testing.T, authorization string, e entry) *httptest.ResponseRecorder {
	t.Helper()
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, s, request(t, http.MethodPost, "/v1/diary", authorization, string(body)))
}

// answered is what an answer says, of a stream what its last event does.
func answered(t *testing.T, w *httptest.ResponseRecorder) said {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	body := w.Body.String()
	if _, last, streamed := strings.Cut(body, "event: end\ndata: "); streamed {
		body = last
	}
	var s said
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return s
}

var no = false

// came is the counter of answers that were to be kept and came to that.
func (s *study) came(t *testing.T, result string) float64 {
	t.Helper()
	return s.counted(t)["carousel_gateway_answers_remembered_total,"+result]
}

// What an answer says of itself is true: it is kept before the end of it is written.
func TestAnAnswerIsKeptBeforeItsEnd(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		for _, native := range []bool{false, true} {
			s := newStudy(t, nil)
			s.relay.native = native
			got := answered(t, s.write(t, key, entry{Model: "m", Words: []string{"Dear", "diary"}, Stream: stream}))
			if order := s.journal.String(); order != "answered, put, end" {
				t.Errorf("stream %t, native %t: %s", stream, native, order)
			}
			all := s.cupboard.all()
			if len(all) != 1 || !got.Kept || got.Said != "I see" {
				t.Fatalf("%+v, kept %+v", got, all)
			}
			kept := all[0]
			if kept.ID != got.ID || kept.Model != "m" || kept.Created.IsZero() || kept.Native() != native {
				t.Errorf("kept %+v", kept)
			}
			if native && (kept.Upstream != "far" || kept.TokenID != "tok_1" || kept.JSON != nil || kept.Input != nil) {
				t.Errorf("kept of the upstream's answer: %+v", kept)
			}
			if want := `{"id":"` + got.ID + `","said":"I see","kept":true}`; !native && (string(kept.JSON) != want || string(kept.Input) != `["Dear","diary"]`) {
				t.Errorf("kept %s, %s", kept.JSON, kept.Input)
			}
			if count := s.came(t, "kept"); count != 1 {
				t.Errorf("counted %v", count)
			}
		}
	}
}

func TestAnAnswerThatIsNotToBeKept(t *testing.T) {
	t.Parallel()
	s := newStudy(t, nil)
	for _, stream := range []bool{false, true} {
		if got := answered(t, s.write(t, key, entry{Model: "m", Stream: stream, Keep: &no})); got.Kept {
			t.Errorf("%+v", got)
		}
	}
	if all := s.cupboard.all(); len(all) > 0 {
		t.Errorf("kept %+v", all)
	}
}

// An answer that can't be kept is given all the same, and says so.
func TestAnAnswerThatCanNotBeKeptSaysSo(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	for name, test := range map[string]struct {
		change func(s *study)
		words  string
		result string
	}{
		"the store is away":          {func(s *study) { s.cupboard.err = chat.Errorf(chat.StoreUnavailable, "away") }, "", "failed"},
		"the store finds it too big": {func(s *study) { s.cupboard.err = remembered.ErrTooLarge }, "", "too_large"},
		"it is too big":              {func(*study) {}, strings.Repeat("x", limit), "too_large"},
		"of a token of one's own":    {func(s *study) { s.relay.native, s.relay.own = true, true }, "", "own_token"},
	} {
		for _, stream := range []bool{false, true} {
			s := newStudy(t, func(d *httpapi.Deps) { d.Remembered.Limit = limit })
			test.change(s)
			got := answered(t, s.write(t, key, entry{Model: "m", Words: []string{test.words}, Stream: stream}))
			if got.Kept || got.Said != "I see" {
				t.Errorf("%s: %+v", name, got)
			}
			if count := s.came(t, test.result); count != 1 {
				t.Errorf("%s: counted %v", name, count)
			}
			if log := s.log.String(); !strings.Contains(log, "an answer is not kept") {
				t.Errorf("%s: %s", name, log)
			}
		}
	}
}

// An answer that broke, or whose client went away, is not kept half.
func TestNothingIsKeptOfAnAnswerThatHasNoEnd(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		s := newStudy(t, func(d *httpapi.Deps) {
			d.Relay = says(chat.Errorf(chat.UpstreamProtocol, "cut short"), chat.Event{Text: "I"})
		})
		s.write(t, key, entry{Model: "m", Stream: stream})
		if all := s.cupboard.all(); len(all) > 0 {
			t.Errorf("kept %+v", all)
		}
	}
}

func TestNothingIsKeptForAClientThatHangsUp(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	s := newStudy(t, func(d *httpapi.Deps) {
		d.Relay = relay(func(ctx context.Context, _ *chat.Request, yield func(chat.Event, error) bool) {
			defer close(over)
			if yield(chat.Event{Text: "I"}, nil) && yield(chat.Event{Text: " see"}, nil) { // the last delta
				<-ctx.Done()
				yield(chat.Event{}, chat.AsError(context.Cause(ctx)))
			}
		})
	})
	server := httptest.NewServer(s)
	answer := send(t, server, http.MethodPost, "/v1/diary", strings.NewReader(`{"model":"m","stream":true}`))
	if _, err := answer.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	<-over
	server.Close() // waits for the handler
	if all := s.cupboard.all(); len(all) > 0 {
		t.Errorf("kept %+v", all)
	}
}

// An answer that its upstream goes on to make without the client is found when that comes back.
func TestAnAnswerInTheBackgroundIsFoundAfterAHangUp(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]int{"overnight": 1, "now": 0} {
		s := newStudy(t, func(d *httpapi.Deps) {
			d.Relay = says(chat.Errorf(chat.Canceled, "the client is gone"), chat.Event{
				Begin: &chat.Beginning{Origin: chat.Origin{Upstream: "far", TokenID: "tok_1"}}, Text: "I", Raw: chat.Raw{Dialect: "diary"},
			}, chat.Event{Text: " see"})
		})
		s.write(t, key, entry{Model: "m", Words: []string{words}, Stream: true})
		all := s.cupboard.all()
		if len(all) != want || want > 0 && (all[0].ID != "resp_native" || all[0].Upstream != "far" || all[0].TokenID != "tok_1" || all[0].Model != "m") {
			t.Errorf("%s: kept %+v", words, all)
		}
		if order := s.journal.String(); want > 0 && order != "put" {
			t.Errorf("%s: %s", words, order)
		}
	}
}

// Trap 57: a request that goes on with what is kept here reaches the relay as one that has all of
// it.
func TestTrap57AConversationGoesOn(t *testing.T) {
	t.Parallel()
	for _, stream := range []bool{false, true} {
		s := newStudy(t, nil)
		first := answered(t, s.write(t, key, entry{Model: "m", Words: []string{"one"}, Stream: stream}))
		second := answered(t, s.write(t, key, entry{Model: "m", Words: []string{"two"}, Stream: stream, Previous: first.ID}))
		third := answered(t, s.write(t, key, entry{Model: "m", Words: []string{"three"}, Stream: stream, Previous: second.ID}))
		if first.Previous != "" || second.Previous != first.ID || third.Previous != second.ID {
			t.Errorf("%+v, %+v, %+v", first, second, third)
		}
		if got := s.relay.asked[2].Messages[0].Parts[0].Text; got != "one I see two I see three" {
			t.Errorf("asked %q", got)
		}
		if strings.Contains(string(s.relay.asked[2].Source.JSON), "previous_response_id") || s.relay.choice != (lease.Choice{}) {
			t.Errorf("asked %s with %+v", s.relay.asked[2].Source.JSON, s.relay.choice)
		}
		input := do(t, s, request(t, http.MethodGet, "/v1/diary/"+third.ID+"/input_items", key, "")).Body.String()
		if input != `{"data":["one","I see","two","I see","three"]}` {
			t.Errorf("input %s", input)
		}
	}
}

// A request that goes on with what an upstream keeps goes there as it came, with the token that
// it was made with, whatever alias the caller gives.
func TestANativeConversationGoesOnWhereItIs(t *testing.T) {
	t.Parallel()
	s := newStudy(t, func(d *httpapi.Deps) {
		d.Settings = func() *tokenstorev1.Settings { return &tokenstorev1.Settings{EnableAliasPinning: true} }
	})
	s.relay.native = true
	first := answered(t, s.write(t, key, entry{Model: "m", Words: []string{"one"}}))
	answered(t, s.write(t, key+"::work", entry{Model: "m", Words: []string{"two"}, Previous: first.ID}))
	if want := `{"model":"m","words":["two"],"previous_response_id":"resp_native"}`; string(s.relay.asked[1].Source.JSON) != want {
		t.Errorf("asked %s", s.relay.asked[1].Source.JSON)
	}
	if s.relay.choice != (lease.Choice{Upstream: "far", TokenID: "tok_1"}) {
		t.Errorf("with %+v", s.relay.choice)
	}
}

func TestWhatCanNotBeGoneOnWith(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change   func(s *study)
		asker    string
		previous string
		status   int
		param    string
		says     string
	}{
		"nothing kept":       {func(*study) {}, key, "resp_other", 400, "previous_response_id", "replay from the start"},
		"no id":              {func(*study) {}, key, "../resp", 400, "previous_response_id", "replay from the start"},
		"somebody else's":    {func(*study) {}, ownKey(), "", 400, "previous_response_id", "replay from the start"},
		"the store is away":  {func(s *study) { s.cupboard.err = chat.Errorf(chat.StoreUnavailable, "away") }, key, "", 503, "", "away"},
		"the key is wrong":   {func(*study) {}, "Bearer wrong", "", 401, "", "wrong"},
		"the token deleted":  {refusing(chat.AliasNotFound), key, "", 400, "previous_response_id", "replay from the start"},
		"the token parked":   {refusing(chat.NoTokens), key, "", 400, "previous_response_id", "replay from the start"},
		"the name nobody's":  {refusing(chat.ModelNotSupported), key, "", 404, "", "the relay's"},
		"the upstream gone":  {refusing(chat.NotFound), key, "", 400, "previous_response_id", "replay from the start"},
		"the token cooling":  {refusing(chat.NoTokenAvailable), key, "", 429, "", "the relay's"},
		"the upstream fails": {refusing(chat.UpstreamUnavailable), key, "", 503, "", "the relay's"},
	} {
		for _, stream := range []bool{false, true} {
			s := newStudy(t, allowOwn)
			s.relay.native = true
			first := answered(t, s.write(t, key, entry{Model: "m"}))
			test.change(s)
			previous := test.previous
			if previous == "" {
				previous = first.ID
			}
			w := s.write(t, test.asker, entry{Model: "m", Stream: stream, Previous: previous})
			got := errorOf(t, w.Body.Bytes()).Error
			if noPage := w.Header().Get("X-Diary") != ""; noPage != (test.status == 400) {
				t.Errorf("%s: an error about an id: %t", name, noPage)
			}
			if param := deref(got.Param); w.Code != test.status || param != test.param || !strings.Contains(got.Message, test.says) {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
	}
}

// refusing has the relay refuse all from now on.
func refusing(kind chat.Kind) func(s *study) {
	return func(s *study) { s.relay.refuses = chat.Errorf(kind, "the relay's") }
}

func allowOwn(d *httpapi.Deps) {
	d.Settings = func() *tokenstorev1.Settings { return &tokenstorev1.Settings{EnableOwnTokens: true} }
}

// ownKey is the key of somebody else, who brings a token.
func ownKey() string {
	const token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhdXRoMHx1c2VyXzAxSkgwMDAwMDAwMDAwMDAwMDAwMDAwMDAwIiwidGltZSI6IjE3MzU2ODk2MDAiLCJyYW5kb21uZXNzIjoiMGExYjJjM2QtNGU1Zi02Nzg5IiwiZXhwIjo0MTAyNDQ0ODAwLCJpc3MiOiJodHRwczovL2F1dGhlbnRpY2F0aW9uLmN1cnNvci5zaCIsInNjb3BlIjoib3BlbmlkIHByb2ZpbGUgZW1haWwgb2ZmbGluZV9hY2Nlc3MiLCJhdWQiOiJodHRwczovL2N1cnNvci5jb20iLCJ0eXBlIjoic2Vzc2lvbiJ9.sukW53-07-i9oa2C4ROxVw026FlqG3bFUi_dRGhcqkg"
	material := checksum.Material{DeviceID: strings.Repeat("0a", 32), MACHash: strings.Repeat("0b", 32)}
	return "Bearer " + token + "," + material.At(time.Now().Add(-time.Hour))
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// A conversation goes on as long as a request may be large, though it is not kept any more.
func TestALongConversationEndsWithTheBodyLimit(t *testing.T) {
	t.Parallel()
	const part = 8 << 10
	s := newStudy(t, func(d *httpapi.Deps) {
		d.Options.BodyLimit, d.Options.BodyLimitChosen, d.Remembered.Limit = 10*part, true, 8*part
	})
	first := answered(t, s.write(t, key, entry{Model: "m", Words: []string{strings.Repeat("x", 6*part)}}))
	second := answered(t, s.write(t, key, entry{Model: "m", Words: []string{strings.Repeat("x", 3*part)}, Previous: first.ID}))
	if !first.Kept || second.Kept {
		t.Errorf("kept %t, %t", first.Kept, second.Kept)
	}
	w := s.write(t, key, entry{Model: "m", Words: []string{strings.Repeat("x", 4*part)}, Previous: first.ID})
	if got := errorOf(t, w.Body.Bytes()).Error; w.Code != http.StatusRequestEntityTooLarge || deref(got.Param) != "previous_response_id" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// aboutKept are the requests about one answer, and what is said where it is kept here.
var aboutKept = []struct {
	method, below string
	status        int
	says          string
	passed        string // the method at the upstream
}{
	{"GET", "", 200, `"said":"I see"`, "GET"},
	{"GET", "?include=x", 200, `"said":"I see"`, "GET"},
	{"GET", "?stream=true", 400, "`stream`", "GET"},
	{"GET", "/input_items", 200, `{"data":["one"]}`, "GET"},
	{"GET", "/input_items?limit=0", 400, "`limit`", "GET"},
	{"POST", "/cancel", 400, "can't be cancelled", "POST"},
	{"DELETE", "", 200, `"deleted":true`, "DELETE"},
}

func TestRequestsAboutAnAnswerThatIsKeptHere(t *testing.T) {
	t.Parallel()
	for _, c := range aboutKept {
		s := newStudy(t, allowOwn)
		id := answered(t, s.write(t, key, entry{Model: "m", Words: []string{"one"}})).ID
		for name, test := range map[string]struct {
			key, id string
			status  int
		}{
			"no key":                 {"", id, 401},
			"a wrong key":            {"Bearer wrong", id, 401},
			"somebody else's":        {ownKey(), id, 404},
			"an id of nothing":       {key, "resp_other", 404},
			"an id that can't be":    {key, "resp%20" + strings.Repeat("x", 200), 404},
			"an id that is a number": {key, "1", 404},
		} {
			if w := do(t, s, request(t, c.method, "/v1/diary/"+test.id+c.below, test.key, "")); w.Code != test.status {
				t.Errorf("%s %s, %s: %d %s", c.method, c.below, name, w.Code, w.Body)
			}
		}
		w := do(t, s, request(t, c.method, "/v1/diary/"+id+c.below, key, ""))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: %d %s", c.method, c.below, w.Code, w.Body)
		}
		if len(s.relay.passed) > 0 {
			t.Errorf("%s %s reached an upstream", c.method, c.below)
		}
		left := 1
		if c.method == "DELETE" {
			left = 0
		}
		if all := s.cupboard.all(); len(all) != left {
			t.Errorf("%s %s left %d", c.method, c.below, len(all))
		}
		if log := s.log.String(); !strings.Contains(log, `"route":"/v1/diary/:id`) || !strings.Contains(log, `"dialect":"diary"`) {
			t.Error(log)
		}
		s.cupboard.err = chat.Errorf(chat.StoreUnavailable, "away")
		if w := do(t, s, request(t, c.method, "/v1/diary/"+id+c.below, key, "")); w.Code != 503 {
			t.Errorf("%s %s while the store is away: %d %s", c.method, c.below, w.Code, w.Body)
		}
	}
}

// What an upstream keeps is asked of it, with the token that made it.
func TestRequestsAboutAnAnswerThatAnUpstreamKeeps(t *testing.T) {
	t.Parallel()
	for _, c := range aboutKept {
		s := newStudy(t, allowOwn)
		s.relay.native = true
		id := answered(t, s.write(t, key, entry{Model: "m"})).ID
		if w := do(t, s, request(t, c.method, "/v1/diary/"+id+c.below, ownKey(), "")); w.Code != 404 || len(s.relay.passed) > 0 {
			t.Errorf("%s %s for somebody else: %d %s", c.method, c.below, w.Code, w.Body)
		}
		w := do(t, s, request(t, c.method, "/v1/diary/"+id+c.below, key, ""))
		if w.Code != 200 || w.Body.String() != `{"from":"far"}` {
			t.Fatalf("%s %s: %d %s", c.method, c.below, w.Code, w.Body)
		}
		passed := s.relay.passed[0]
		path, query, _ := strings.Cut(c.below, "?")
		if passed.Method != c.passed || passed.Route.Name != "diary" || passed.Below != "/resp_native"+path || passed.Query != query || passed.Model != "m" ||
			passed.ID == "" || passed.Stream != (query == "stream=true") || passed.Header.Get("Content-Type") != "" || passed.Body("m").Length != 0 {
			t.Errorf("passed %+v", passed)
		}
		if s.relay.choice != (lease.Choice{Upstream: "far", TokenID: "tok_1"}) {
			t.Errorf("with %+v", s.relay.choice)
		}
		left := 1
		if c.method == "DELETE" {
			left = 0
			if order := s.journal.String(); !strings.HasSuffix(order, "deleted, passed") { // who hears of it finds none
				t.Error(order)
			}
		}
		if all := s.cupboard.all(); len(all) != left {
			t.Errorf("%s %s left %d", c.method, c.below, len(all))
		}
	}
}

// Where the upstream has deleted what can't be forgotten here, the client hears of it, and may
// delete again.
func TestADeletionThatIsNotRemembered(t *testing.T) {
	t.Parallel()
	s := newStudy(t, nil)
	s.relay.native = true
	id := answered(t, s.write(t, key, entry{Model: "m"})).ID
	s.cupboard.stuck = chat.Errorf(chat.StoreUnavailable, "away")
	if w := do(t, s, request(t, http.MethodDelete, "/v1/diary/"+id, key, "")); w.Code != 503 || len(s.cupboard.all()) != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s.cupboard.stuck = nil
	s.relay.refuses = &chat.Error{Kind: chat.UpstreamRejected, Message: "none", Upstream: &chat.UpstreamError{Status: http.StatusNotFound}}
	if do(t, s, request(t, http.MethodDelete, "/v1/diary/"+id, key, "")); len(s.cupboard.all()) != 0 {
		t.Errorf("left %d", len(s.cupboard.all()))
	}
}

// The upstream's refusals are told, but for those that mean that it can't be asked any more. What
// it does not have is not remembered.
func TestRefusalsOfAnUpstreamThatKeepsAnAnswer(t *testing.T) {
	t.Parallel()
	gone := chat.Errorf(chat.UpstreamRejected, "no such response")
	gone.Upstream = &chat.UpstreamError{Status: http.StatusNotFound}
	for _, test := range []struct {
		name, method string
		refusal      *chat.Error
		status       int
		says         string
		left         int
	}{
		{"it fails", "GET", chat.Errorf(chat.UpstreamUnavailable, "the relay's"), 503, "the relay's", 1},
		{"the token cools", "GET", chat.Errorf(chat.NoTokenAvailable, "the relay's"), 429, "the relay's", 1},
		{"the token is gone", "GET", chat.Errorf(chat.NoTokens, "the relay's"), 404, "replay from the start", 1},
		{"the upstream is gone", "DELETE", chat.Errorf(chat.NotFound, "the relay's"), 404, "replay from the start", 1},
		{"it fails to delete", "DELETE", chat.Errorf(chat.UpstreamUnavailable, "the relay's"), 503, "the relay's", 1},
		{"it has none", "DELETE", gone, 400, "no such response", 0},
	} {
		s := newStudy(t, nil)
		s.relay.native = true
		id := answered(t, s.write(t, key, entry{Model: "m"})).ID
		s.relay.refuses = test.refusal
		w := do(t, s, request(t, test.method, "/v1/diary/"+id, key, ""))
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) || len(s.cupboard.all()) != test.left {
			t.Errorf("%s: %d %s, left %d", test.name, w.Code, w.Body, len(s.cupboard.all()))
		}
	}
}

func TestHeadOfAnAnswerThatIsKept(t *testing.T) {
	t.Parallel()
	s := newStudy(t, nil)
	server := httptest.NewServer(s)
	defer server.Close()
	id := answered(t, s.write(t, key, entry{Model: "m"})).ID
	for path, status := range map[string]int{"/v1/diary/" + id: 200, "/v1/diary/" + id + "/input_items": 200, "/v1/diary/other": 404, "/v1/diary": 405} {
		answer := send(t, server, "HEAD", path, nil)
		if body := read(t, answer); answer.StatusCode != status || body != "" || answer.ContentLength <= 0 {
			t.Errorf("%s: %d, length %d, body %q", path, answer.StatusCode, answer.ContentLength, body)
		}
	}
}

func TestMethodsOfAnswersThatAreKept(t *testing.T) {
	t.Parallel()
	s := newStudy(t, nil)
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/v1/diary", "POST"},
		{"DELETE", "/v1/diary", "POST"},
		{"POST", "/v1/diary/resp_1", "GET"},
		{"PUT", "/v1/diary/resp_1", "DELETE"},
		{"GET", "/v1/diary/resp_1/cancel", "POST"},
		{"POST", "/v1/diary/resp_1/input_items", "GET"},
	} {
		w := do(t, s, request(t, c.method, c.path, key, ""))
		if w.Code != 405 || !strings.Contains(w.Header().Get("Allow"), c.allow) {
			t.Errorf("%s %s: %d, allowed %q", c.method, c.path, w.Code, w.Header().Get("Allow"))
		}
	}
}

// Trap 53: a client that would have a WebSocket is told at once that there is none, in its own
// error object; who asks for nothing of the kind hears that the method is wrong.
func TestTrap53Upgrades(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newStudy(t, nil))
	defer server.Close()
	for _, c := range []struct {
		path, upgrade string
		status        int
	}{
		{"/v1/diary", "websocket", 426},
		{"/v1/diary", "h2c, WebSocket", 426},
		{"/v1/diary", "h2c", 405},
		{"/v1/diary", "", 405},
		{"/v1/nowhere", "websocket", 404},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.upgrade != "" {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", c.upgrade)
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body := read(t, answer)
		if errorOf(t, []byte(body)); answer.StatusCode != c.status {
			t.Errorf("%s %q: %d %s", c.path, c.upgrade, answer.StatusCode, body)
		}
		if c.status == 426 && (answer.Header.Get("Upgrade") != "HTTP/1.1" || answer.Header.Get("Connection") != "Upgrade") {
			t.Errorf("header %v", answer.Header)
		}
	}
}

// A conversation in short is written by a model, whichever upstream has it, and is not kept.
func TestCompactedConversations(t *testing.T) {
	t.Parallel()
	s := newStudy(t, nil)
	first := answered(t, s.write(t, key, entry{Model: "m", Words: []string{"one"}}))
	for body, want := range map[string]string{
		`{"model":"m","words":["two"]}`:                                           "two in short",
		`{"model":"m","words":["two"],"previous_response_id":"` + first.ID + `"}`: "one I see two in short",
	} {
		w := do(t, s, request(t, http.MethodPost, "/v1/diary/compact", key, body))
		asked := s.relay.asked[len(s.relay.asked)-1]
		if w.Code != 200 || asked.Messages[0].Parts[0].Text != want {
			t.Errorf("%d %s, asked %+v", w.Code, w.Body, asked.Messages)
		}
	}
	if all := s.cupboard.all(); len(all) != 1 {
		t.Errorf("kept %+v", all)
	}
	for status, r := range map[int]*http.Request{
		401: request(t, http.MethodPost, "/v1/diary/compact", "", "{"),
		400: request(t, http.MethodPost, "/v1/diary/compact", key, "{"),
	} {
		if w := do(t, s, r); w.Code != status {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

// What an upstream keeps, nobody else can write in short.
func TestCompactedNativeConversations(t *testing.T) {
	t.Parallel()
	s := newStudy(t, nil)
	s.relay.native = true
	id := answered(t, s.write(t, key, entry{Model: "m"})).ID
	body := `{"model":"m","words":["two"],"previous_response_id":"` + id + `"}`
	w := do(t, s, request(t, http.MethodPost, "/v1/diary/compact", key, body))
	if w.Code != 200 || w.Body.String() != `{"from":"far"}` || len(s.relay.asked) != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	passed := s.relay.passed[0]
	if passed.Route.Name+passed.Below != "diary/compact" || !passed.Route.Slow || passed.Body("m").Length != int64(len(body)) {
		t.Errorf("passed %+v", passed)
	}
	if s.relay.choice != (lease.Choice{Upstream: "far", TokenID: "tok_1"}) {
		t.Errorf("with %+v", s.relay.choice)
	}
	s.relay.refuses = chat.Errorf(chat.NoTokens, "the relay's")
	w = do(t, s, request(t, http.MethodPost, "/v1/diary/compact", key, body))
	if got := errorOf(t, w.Body.Bytes()).Error; w.Code != 400 || deref(got.Param) != "previous_response_id" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A question for tokens is about all that a request goes on with.
func TestTokensOfConversations(t *testing.T) {
	t.Parallel()
	for _, native := range []bool{false, true} {
		s := newStudy(t, nil)
		s.relay.native = native
		first := answered(t, s.write(t, key, entry{Model: "m", Words: []string{"one"}}))
		body := `{"model":"m","words":["two"],"previous_response_id":"` + first.ID + `"}`
		w := do(t, s, request(t, http.MethodPost, "/v1/diary/size", key, body))
		if native {
			if w.Body.String() != `{"from":"far"}` || s.relay.passed[0].Below != "/size" || s.relay.choice.TokenID != "tok_1" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		} else if w.Body.String() != `{"words":4}` {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

// A repeated key gets the answer that was kept once, under one id.
func TestARepeatedKeyKeepsOneAnswer(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1/diary", "/v1/diary/compact"} {
		s := newStudy(t, func(d *httpapi.Deps) { d.Answers = idempotency.New(newLonely(), d.Log) })
		var bodies []string
		for range 2 {
			r := request(t, http.MethodPost, path, key, `{"model":"m","words":["one"]}`)
			r.Header.Set("Idempotency-Key", "k")
			bodies = append(bodies, do(t, s, r).Body.String())
		}
		if bodies[0] != bodies[1] || len(s.relay.asked) != 1 {
			t.Errorf("%v, asked %d times", bodies, len(s.relay.asked))
		}
	}
}

// The store has its time, and no more: then the answer is given without it.
func TestASlowStoreDelaysNoAnswer(t *testing.T) {
	t.Parallel()
	s := newStudy(t, func(d *httpapi.Deps) { d.Remembered = &remembered.Desk{Store: deaf{}, Timeout: time.Millisecond} })
	if got := answered(t, s.write(t, key, entry{Model: "m"})); got.Kept {
		t.Errorf("%+v", got)
	}
}

// deaf is a store that never answers.
type deaf struct{ remembered.Store }

func (deaf) Put(ctx context.Context, _ *remembered.Answer) error {
	<-ctx.Done()
	return ctx.Err()
}

// Where answers of a dialect are not kept, nothing has changed.
func TestRoutesOfKeptAnswersAreOfThatDialectAlone(t *testing.T) {
	t.Parallel()
	s := newStudy(t, nil)
	for _, path := range []string{"/v1/chat/completions/resp_1", "/v1/chat/completions/compact"} {
		if w := do(t, s, request(t, http.MethodGet, path, key, "")); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	w := do(t, s, request(t, http.MethodGet, "/health", "", ""))
	for _, path := range []string{"/v1/diary/{id}", "/v1/diary/{id}/input_items", "/v1/diary/{id}/cancel", "/v1/diary/compact"} {
		if !strings.Contains(w.Body.String(), `"`+path+`"`) {
			t.Errorf("%s is not listed in %s", path, w.Body)
		}
	}
}

// What is put before a body counts as if it had come with it: while there is no room for that,
// requests are told to come again.
func TestKeptConversationsTakeRoom(t *testing.T) {
	t.Parallel()
	const size = 4 * mebibyte
	// The room is for one such body and for what unpacking takes. Two that are not packed leave
	// half a mebibyte of it, and each byte counts as two.
	s := newStudy(t, func(d *httpapi.Deps) { d.Options.BodyLimit, d.Options.BodyMemory = size, 1 })
	first := answered(t, s.write(t, key, entry{Model: "m", Words: []string{strings.Repeat("x", 3*mebibyte/8)}}))
	next := entry{Model: "m", Words: []string{"two"}, Previous: first.ID}
	var done sync.WaitGroup
	leave := make(chan bool)
	for range 2 {
		body := &unended{left: size - 1, waits: make(chan bool), leave: leave}
		r := request(t, http.MethodPost, "/v1/diary", key, "")
		r.Body, r.ContentLength = io.NopCloser(body), size
		done.Go(func() { do(t, s, r) })
		<-body.waits
	}
	if w := s.write(t, key, entry{Model: "m", Words: []string{"two"}}); w.Code != 200 {
		t.Errorf("what goes on with nothing: %d %s", w.Code, w.Body)
	}
	w := s.write(t, key, next)
	if code := errorOf(t, w.Body.Bytes()).Error.Code; w.Code != 503 || code != "overloaded" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	close(leave)
	done.Wait()
	if w := s.write(t, key, next); w.Code != 200 {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
}

// unended is a body of which all has come but its end.
type unended struct {
	left int
	// waits is closed when nothing is left, and the end comes after leave.
	waits, leave chan bool
}

func (u *unended) Read(p []byte) (int, error) {
	if u.left == 0 {
		close(u.waits)
		<-u.leave
		return 0, io.ErrUnexpectedEOF
	}
	n := min(len(p), u.left)
	u.left -= n
	return n, nil
}

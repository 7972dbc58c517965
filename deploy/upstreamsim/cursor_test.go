package upstreamsim

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

const (
	uuid1 = "00000000-0000-4000-8000-000000000001"
	uuid2 = "00000000-0000-4000-8000-000000000002"
	uuid3 = "00000000-0000-4000-8000-000000000003"
	hello = "Hello, wörld! 👋 It is a fine day to be echoed, piece by piece."
)

func human(text string) *aiserverv1.ConversationMessage {
	return &aiserverv1.ConversationMessage{
		Text: text, Type: aiserverv1.ConversationMessage_MESSAGE_TYPE_HUMAN, BubbleId: uuid3, IsCapabilityIteration: proto.Bool(false),
	}
}

func assistant(text string) *aiserverv1.ConversationMessage {
	m := human(text)
	m.Type = aiserverv1.ConversationMessage_MESSAGE_TYPE_AI
	return m
}

func chatRequest(model string, conversation ...*aiserverv1.ConversationMessage) *aiserverv1.GetChatRequest {
	return &aiserverv1.GetChatRequest{
		Conversation: conversation, ExplicitContext: &aiserverv1.ExplicitContext{Context: "Be brief."},
		ModelDetails: &aiserverv1.ModelDetails{ModelName: proto.String(model)}, RequestId: uuid1, ConversationId: uuid2,
	}
}

// envelope is a request's body.
func envelope(t testing.TB, request *aiserverv1.GetChatRequest) []byte {
	t.Helper()
	payload, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(payload))), payload...)
}

// cursorRequest is a proper request; tests change it.
func cursorRequest(ctx context.Context, t testing.TB, base, token string, request *aiserverv1.GetChatRequest) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+cursorPath, bytes.NewReader(envelope(t, request)))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"content-type": "application/connect+proto", "connect-protocol-version": "1", "connect-accept-encoding": "gzip,br",
		"user-agent": "connect-es/1.6.1", "authorization": "Bearer " + token,
		"x-cursor-checksum": stampOf(time.Now()) + device1 + "/" + mac1, "x-client-key": mac1,
		"x-cursor-client-version": "0.42.5", "x-cursor-timezone": "Asia/Shanghai", "x-ghost-mode": "true",
		"x-request-id": uuid1, "x-amzn-trace-id": "Root=" + uuid1,
	} {
		r.Header.Set(name, value)
	}
	return r
}

// frames are the frames of an answer, decoded as far as that goes.
type frames struct {
	debug   string
	empties int
	texts   []string
	other   int // messages without text that are neither debug nor empty
	gzipped int // text frames that came compressed
	end     string
	endFlag byte
	rest    []byte // after the last complete frame
}

func (f frames) text() string { return strings.Join(f.texts, "") }

func decodeFrames(raw []byte) (frames, error) {
	var got frames
	for len(raw) >= 5 {
		flags, size := raw[0], binary.BigEndian.Uint32(raw[1:])
		if uint64(size) > uint64(len(raw)-5) {
			break
		}
		payload := raw[5 : 5+size]
		raw = raw[5+size:]
		if flags > 3 {
			return got, fmt.Errorf("flags %d", flags)
		}
		if flags&1 != 0 {
			reader, err := gzip.NewReader(bytes.NewReader(payload))
			if err != nil {
				return got, err
			}
			if payload, err = io.ReadAll(reader); err != nil {
				return got, err
			}
		}
		if flags&2 != 0 {
			got.end, got.endFlag = string(payload), flags
			continue
		}
		var message aiserverv1.StreamChatResponse
		if err := proto.Unmarshal(payload, &message); err != nil {
			return got, err
		}
		switch {
		case message.FilledPrompt != nil:
			got.debug = message.GetFilledPrompt()
		case size == 0:
			got.empties++
		case message.GetText() != "":
			got.texts = append(got.texts, message.GetText())
			got.gzipped += int(flags & 1)
		default:
			got.other++
		}
	}
	got.rest = raw
	return got, nil
}

func TestCursorByteVectors(t *testing.T) {
	t.Parallel()
	unhex := func(text string) []byte {
		raw, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	request := unhex("0000000094122f0a02486910016a2430303030303030302d303030302d343030302d383030302d3030303030303030303030" +
		"33a00100220b0a0942652062726965662e3a080a066770742d346f4a2430303030303030302d303030302d343030302d383030302d3030303030303030" +
		"303030317a2430303030303030302d303030302d343030302d383030302d303030303030303030303032")
	message, problems := checkBody(request)
	if len(problems) > 0 {
		t.Errorf("the real request is refused: %v", problems)
	}
	if want := chatRequest("gpt-4o", human("Hi")); !proto.Equal(message, want) {
		t.Errorf("got %v, want %v", message, want)
	}
	text, err := appendText(nil, "Hi")
	if err != nil || !bytes.Equal(text, unhex("00000000040a024869")) {
		t.Errorf("text: %x, %v", text, err)
	}
	if !bytes.Equal(emptyFrame, unhex("0000000000")) {
		t.Errorf("empty: %x", emptyFrame)
	}
	if !bytes.Equal(endFrame, unhex("02000000027b7d")) {
		t.Errorf("end: %x", endFrame)
	}
}

func TestCursorErrorVectors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		number              int
		code, title, detail string
	}{
		{2, "unauthenticated", "Not logged in.", "Not logged in. If you are logged in, try logging out and back in."},
		{28, "resource_exhausted", "Update Required", "Your version of Cursor is no longer supported. Please update to the latest version at cursor.com/downloads to continue."},
		{10, "resource_exhausted", "pro user usage limit", "The simulator was asked for error 10."},
		{99, "internal", "99", "The simulator was asked for error 99."},
	} {
		trailer, err := errorTrailer(test.number, "")
		if err != nil {
			t.Fatal(err)
		}
		failure, details := decodeTrailer(t, string(trailer))
		if failure.Code != test.code || failure.Message != "Error" {
			t.Errorf("%d: %+v", test.number, failure)
		}
		if int(details.GetError()) != test.number || details.GetDetails().GetTitle() != test.title ||
			details.GetDetails().GetDetail() != test.detail || !details.GetIsExpected() {
			t.Errorf("%d: %v", test.number, details)
		}
		debug := (*failure.Details)[0].Debug
		if debug.Details.Title != test.title || debug.Details.Detail != test.detail || debug.Error != details.GetError().String() {
			t.Errorf("%d: the readable copy differs: %+v", test.number, debug)
		}
	}
}

// decodeTrailer decodes an error trailer and its first detail.
func decodeTrailer(t *testing.T, trailer string) (connectError, *aiserverv1.ErrorDetails) {
	t.Helper()
	var end endJSON
	if err := json.Unmarshal([]byte(trailer), &end); err != nil {
		t.Fatalf("%q: %v", trailer, err)
	}
	details := new(aiserverv1.ErrorDetails)
	if end.Error.Details == nil || len(*end.Error.Details) == 0 {
		return end.Error, nil
	}
	value, err := base64.RawStdEncoding.DecodeString((*end.Error.Details)[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(value, details); err != nil {
		t.Fatal(err)
	}
	return end.Error, details
}

const wantDebug = "<|BEGIN_SYSTEM|>\nBe brief.\n<|END_SYSTEM|>\n<|BEGIN_USER|>\n" + hello + "\n<|END_USER|>\n"

// TestCursorStreams is about the answers that HTTP delivers whole.
func TestCursorStreams(t *testing.T) {
	t.Parallel()
	const failed = "failed" // instead of a text: there is an error trailer and no text
	for model, test := range map[string]struct {
		text  string
		end   string
		check func(t *testing.T, r *recorder, got frames)
	}{
		"gpt-4o":               {hello, success, normalForm},
		"sim-echo":             {hello, success, normalForm},
		"gpt-4o-sim-echo":      {hello, success, normalForm},
		"sim-delay-1":          {hello, success, normalForm},
		"sim-slow":             {hello, success, normalForm},
		"sim-count-50":         {CountText(50), success, func(t *testing.T, _ *recorder, got frames) { wantCount(t, got.texts, 50) }},
		"sim-unicode":          {UnicodeText(), success, func(t *testing.T, _ *recorder, got frames) { wantCount(t, got.texts, len(unicodePieces)) }},
		"sim-one-write":        {hello, success, func(t *testing.T, r *recorder, _ frames) { wantCount(t, r.flushed, 1) }},
		"sim-split-bytes":      {hello, success, func(t *testing.T, r *recorder, _ frames) { wantCount(t, r.flushed, len(r.all())) }},
		"sim-joined-end":       {hello, success, func(t *testing.T, r *recorder, _ frames) { wantCount(t, r.flushed, 2) }},
		"sim-gzip-text":        {hello, success, func(t *testing.T, _ *recorder, got frames) { wantCount(t, got.texts, got.gzipped) }},
		"sim-gzip-trailer":     {hello, success, wantEndFlag(3)},
		"sim-trailer-metadata": {hello, `{"metadata":{"x-sim":["1"]}}`, wantEndFlag(2)},
		"sim-status-updates":   {hello, success, func(t *testing.T, _ *recorder, got frames) { wantCount(t, make([]string, got.other), 3) }},
		"sim-no-debug": {hello, success, func(t *testing.T, _ *recorder, got frames) {
			if got.debug != "" || got.empties != 0 {
				t.Errorf("got %+v", got)
			}
		}},
		"sim-empty":       {"", success, func(t *testing.T, r *recorder, _ frames) { wantBytes(t, r, "02000000027b7d") }},
		"sim-empty-debug": {"", success, func(t *testing.T, _ *recorder, got frames) { wantCount(t, got.texts, 0) }},
		"sim-bad-trailer": {hello, `{"error":`, wantEndFlag(2)},
		"sim-eof-mid-frame": {hello, "", func(t *testing.T, _ *recorder, got frames) {
			if hex.EncodeToString(got.rest) != "00000000140a1268616c66" {
				t.Errorf("the rest is %x", got.rest)
			}
		}},
		"sim-eof-no-trailer":         {hello, "", nil},
		"sim-error-after-text":       {hello, failed, wantError(41, "resource_exhausted")},
		"sim-error-after-text-10":    {hello, failed, wantError(10, "resource_exhausted")},
		"sim-error-2":                {"", notLoggedIn, wantError(2, "unauthenticated")},
		"sim-error-7":                {"", failed, wantError(7, "resource_exhausted")},
		"sim-error-8":                {"", failed, wantError(8, "resource_exhausted")},
		"sim-error-10":               {"", failed, wantError(10, "resource_exhausted")},
		"sim-error-28":               {"", updateRequired, wantError(28, "resource_exhausted")},
		"sim-error-30":               {"", failed, wantError(30, "failed_precondition")},
		"sim-error-36":               {"", failed, wantError(36, "invalid_argument")},
		"sim-error-38":               {"", failed, wantError(38, "unauthenticated")},
		"sim-error-41":               {"", failed, wantError(41, "resource_exhausted")},
		"sim-error-43":               {"", failed, wantError(43, "invalid_argument")},
		"sim-error-44":               {"", failed, wantError(44, "resource_exhausted")},
		"sim-error-99":               {"", failed, wantError(99, "internal")},
		"sim-error-10-no-debug":      {"", failed, wantError(10, "resource_exhausted")},
		"sim-error-10-gzip":          {"", failed, wantEndFlag(3)},
		"sim-error-update-required":  {"", updateRequired, wantEndFlag(2)},
		"sim-error-10-empty-details": {"", `{"error":{"code":"resource_exhausted","message":"Error","details":[]}}`, nil},
		"sim-error-no-details":       {"", `{"error":{"code":"resource_exhausted","message":"Error"}}`, nil},
		"sim-error-code-aborted":     {"", `{"error":{"code":"aborted","message":"Error"}}`, nil},
		"sim-no-such-scenario":       {"", failed, wantError(5, "invalid_argument")},
		"sim-error-2-nonsense":       {"", failed, wantError(5, "invalid_argument")},
		"sim-tool-call":              {"", failed, wantError(5, "invalid_argument")},
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{SlowInterval: time.Nanosecond})
			r := record(sim, cursorRequest(t.Context(), t, "http://sim", "token-1", chatRequest(model, human(hello))))
			if r.status != http.StatusOK || r.header.Get("Content-Type") != "application/connect+proto" || r.header.Get("Connect-Content-Encoding") != "gzip" {
				t.Fatalf("got %d %v: %s", r.status, r.header, r.all())
			}
			got, err := decodeFrames(r.all())
			if err != nil {
				t.Fatal(err)
			}
			if got.text() != test.text {
				t.Errorf("the text is %q instead of %q", got.text(), test.text)
			}
			if test.end == failed {
				if failure, _ := decodeTrailer(t, got.end); failure.Code == "" {
					t.Errorf("the end is %q", got.end)
				}
			} else if got.end != test.end {
				t.Errorf("the end is %q instead of %q", got.end, test.end)
			}
			if len(got.rest) > 0 && model != "sim-eof-mid-frame" {
				t.Errorf("%x comes after the end", got.rest)
			}
			if test.check != nil {
				test.check(t, r, got)
			}
			noViolations(t, sim)
			if counts := sim.Ledger().Total; counts != (Counts{Requests: 1, MaxInFlight: 1, Completed: 1}) {
				t.Errorf("counts: %+v", counts)
			}
		})
	}
}

// normalForm is one flush a frame: debug, empty, texts, end.
func normalForm(t *testing.T, r *recorder, got frames) {
	t.Helper()
	if got.debug != wantDebug || got.empties != 1 {
		t.Errorf("debug %q, %d empty frames", got.debug, got.empties)
	}
	wantCount(t, r.flushed, len(got.texts)+3)
	if r.flushed[0][0] != 1 || r.flushed[1] != string(emptyFrame) || r.flushed[len(r.flushed)-1] != string(endFrame) {
		t.Errorf("the frames are %q", r.flushed)
	}
}

func wantCount(t *testing.T, list []string, want int) {
	t.Helper()
	if len(list) != want {
		t.Errorf("got %d instead of %d: %q", len(list), want, list)
	}
}

func wantBytes(t *testing.T, r *recorder, want string) {
	t.Helper()
	if got := hex.EncodeToString(r.all()); got != want {
		t.Errorf("got %s instead of %s", got, want)
	}
}

func wantEndFlag(want byte) func(*testing.T, *recorder, frames) {
	return func(t *testing.T, _ *recorder, got frames) {
		t.Helper()
		if got.endFlag != want {
			t.Errorf("the end has flags %d instead of %d", got.endFlag, want)
		}
	}
}

func wantError(number int, code string) func(*testing.T, *recorder, frames) {
	return func(t *testing.T, _ *recorder, got frames) {
		t.Helper()
		failure, details := decodeTrailer(t, got.end)
		if failure.Code != code || int(details.GetError()) != number {
			t.Errorf("got %s, %v; want %s, %d", failure.Code, details, code, number)
		}
	}
}

// TestCursorBrokenFrames is about frames that a decoder must refuse.
func TestCursorBrokenFrames(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]string{
		"sim-corrupt-gzip": "invalid checksum",
		"sim-unknown-flag": "flags 4",
		"sim-bad-proto":    "cannot parse",
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			r := record(New(Options{}), cursorRequest(t.Context(), t, "http://sim", "token-1", chatRequest(model, human("Hi"))))
			if _, err := decodeFrames(r.all()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
			if r.flushed[len(r.flushed)-1] != string(endFrame) {
				t.Error("there is no proper end")
			}
		})
	}
}

func TestCursorGzipBomb(t *testing.T) {
	t.Parallel()
	r := record(New(Options{}), cursorRequest(t.Context(), t, "http://sim", "token-1", chatRequest("sim-gzip-bomb", human("Hi"))))
	bomb := r.flushed[2]
	if bomb[0] != flagGzip || len(bomb) > 100<<10 {
		t.Fatalf("flags %d, %d bytes", bomb[0], len(bomb))
	}
	reader, err := gzip.NewReader(strings.NewReader(bomb[5:]))
	if err != nil {
		t.Fatal(err)
	}
	if size, err := io.Copy(io.Discard, reader); err != nil || size < bombText {
		t.Errorf("%d bytes, %v", size, err)
	}
}

func TestCursorOversizedFrame(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	request := cursorRequest(deadline(t), t, server.URL, "token-1", chatRequest("sim-oversized", human("Hi")))
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 4<<10)
	_, err = io.ReadFull(response.Body, head)
	_ = response.Body.Close()
	if err != nil || !bytes.Contains(head, []byte("\x00\xff\xff\xff\xff\x0aAAAA")) {
		t.Errorf("got %v", err)
	}
	if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Total.Cancelled == 1 }); err != nil {
		t.Error("the simulator does not see that the client refused")
	}
}

func TestCursorBrokenConnections(t *testing.T) {
	t.Parallel()
	_, server := serving(t, Options{})
	for model, check := range map[string]func(received) bool{
		"sim-cut":         func(r received) bool { return errors.Is(r.err, io.ErrUnexpectedEOF) && echoed(r) },
		"sim-reset":       func(r received) bool { return errors.Is(r.err, syscall.ECONNRESET) && r.status == http.StatusOK },
		"sim-reset-first": func(r received) bool { return r.err != nil && r.status == 0 },
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			got := roundTrip(t, server, cursorRequest(deadline(t), t, server.URL, "token-1", chatRequest(model, human(hello))))
			if !check(got) {
				t.Errorf("got %d, %q, %v", got.status, got.body, got.err)
			}
		})
	}
}

func echoed(r received) bool {
	got, err := decodeFrames(r.body)
	return err == nil && got.text() == hello && got.end == ""
}

func TestCursorHTTPStatuses(t *testing.T) {
	t.Parallel()
	for model, test := range map[string]struct {
		status      int
		contentType string
		body        string
		retryAfter  string
	}{
		"sim-http-401":       {401, "application/json", `{"code":"unauthenticated","message":"Unauthorized"}`, ""},
		"sim-http-403":       {403, "application/json", `{"code":"permission_denied","message":"Forbidden"}`, ""},
		"sim-http-429":       {429, "application/json", `{"code":"resource_exhausted","message":"Too Many Requests"}`, "2"},
		"sim-http-500":       {500, "application/json", `{"code":"unknown","message":"Internal Server Error"}`, ""},
		"sim-http-464":       {464, "application/json", `{"code":"unknown","message":""}`, ""},
		"sim-http-464-empty": {464, "", "", ""},
		"sim-http-503-empty": {503, "", "", "2"},
		"sim-http-500-html":  {500, "text/html; charset=utf-8", "<!DOCTYPE html><html><head><title>500</title></head><body><h1>500 Internal Server Error</h1></body></html>\n", ""},
		"sim-http-200-html":  {200, "text/html; charset=utf-8", "<!DOCTYPE html><html><head><title>200</title></head><body><h1>200 OK</h1></body></html>\n", ""},
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			r := record(New(Options{}), cursorRequest(t.Context(), t, "http://sim", "token-1", chatRequest(model, human("Hi"))))
			if r.status != test.status || r.header.Get("Content-Type") != test.contentType || r.header.Get("Retry-After") != test.retryAfter {
				t.Errorf("got %d %v", r.status, r.header)
			}
			if string(r.all()) != test.body {
				t.Errorf("got %s instead of %s", r.all(), test.body)
			}
		})
	}
}

// TestWaitingScenarios is about both sides: they wait until they are released.
func TestWaitingScenarios(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"hold", "silence", "silence-headers"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for api, request := range waitingRequests(t, "sim-"+name) {
				sim, server := serving(t, Options{})
				answers := make(chan received, 1)
				go func() { answers <- roundTrip(t, server, request(server.URL)) }()
				if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Held == 1 }); err != nil {
					t.Fatalf("%s: nothing is held", api)
				}
				select {
				case <-answers:
					t.Errorf("%s: answered before the release", api)
				default:
				}
				if released := sim.Release(); released != 1 {
					t.Errorf("%s: released %d", api, released)
				}
				got := <-answers
				if got.err != nil || got.status != http.StatusOK || !strings.Contains(contentOf(t, api, got), hello) {
					t.Errorf("%s: got %d %q %v", api, got.status, got.body, got.err)
				}
				noViolations(t, sim)
			}
		})
	}
}

// contentOf is the text of an answer of either side.
func contentOf(t *testing.T, api string, r received) string {
	t.Helper()
	if api == "cursor" {
		got, err := decodeFrames(r.body)
		if err != nil {
			t.Error(err)
		}
		return got.text()
	}
	if api == "openai stream" {
		return decodeEvents(t, string(r.body)).content
	}
	return decodeObject(t, r.body).Choices[0].Message.Content
}

func waitingRequests(t *testing.T, model string) map[string]func(base string) *http.Request {
	t.Helper()
	ctx := deadline(t)
	return map[string]func(base string) *http.Request{
		"cursor": func(base string) *http.Request {
			return cursorRequest(ctx, t, base, "token-1", chatRequest(model, human(hello)))
		},
		"openai": func(base string) *http.Request {
			return openAIRequest(ctx, t, base, "sk-1", ask(model, hello, false))
		},
		"openai stream": func(base string) *http.Request {
			return openAIRequest(ctx, t, base, "sk-1", ask(model, hello, true))
		},
	}
}

// TestClientsGoAway is about both sides: a cancellation is noticed at once, whatever
// the scenario does.
func TestClientsGoAway(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"hold", "silence", "silence-headers", "heartbeat-only", "slow", "delay-600000"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for api, build := range waitingRequests(t, "sim-"+name) {
				sim, server := serving(t, Options{SlowInterval: time.Hour, Heartbeat: time.Millisecond})
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan received, 1)
				go func() { ended <- roundTrip(t, server, build(server.URL).WithContext(ctx)) }()
				if _, err := sim.Await(deadline(t), func(l Ledger) bool { return l.Models["sim-"+name].InFlight == 1 }); err != nil {
					t.Fatalf("%s: nothing is in flight", api)
				}
				before := time.Now()
				cancel()
				ledger, err := sim.Await(deadline(t), func(l Ledger) bool { return len(l.Cancellations) == 1 && l.Total.InFlight == 0 })
				if err != nil {
					t.Fatalf("%s: not noticed: %+v", api, ledger)
				}
				<-ended
				one := ledger.Cancellations[0]
				if took := one.At.Sub(before); took > patience || one.Scenario != name || one.Model != "sim-"+name {
					t.Errorf("%s: %v: %+v", api, took, one)
				}
				if ledger.Total.Completed != 0 || ledger.Total.Cancelled != 1 {
					t.Errorf("%s: %+v", api, ledger.Total)
				}
			}
		})
	}
}

func TestCursorHeartbeats(t *testing.T) {
	t.Parallel()
	_, server := serving(t, Options{Heartbeat: time.Millisecond})
	response, err := server.Client().Do(cursorRequest(deadline(t), t, server.URL, "token-1", chatRequest("sim-heartbeat-only", human("Hi"))))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	debug, err := debugFrame(chatRequest("sim-heartbeat-only", human("Hi")))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(debug)+10*len(emptyFrame))
	if _, err := io.ReadFull(response.Body, got); err != nil || !bytes.Equal(got[len(debug):], bytes.Repeat(emptyFrame, 10)) {
		t.Errorf("got %x, %v", got, err)
	}
}

func TestCursorEchoRequest(t *testing.T) {
	t.Parallel()
	question := human("What is it?")
	question.Images = []*aiserverv1.ImageProto{{Data: []byte("picture"), Dimension: &aiserverv1.ImageProto_Dimension{Width: 3, Height: 4}}}
	request := chatRequest("echo-request", human("a"), assistant("b"), question)
	request.ModelDetails.EnableSlowPool = proto.Bool(true)
	sim := New(Options{})
	got, err := decodeFrames(record(sim, cursorRequest(t.Context(), t, "http://sim", "token-1", request)).all())
	if err != nil {
		t.Fatal(err)
	}
	noViolations(t, sim)
	var summary RequestSummary
	if err := json.Unmarshal([]byte(got.text()), &summary); err != nil {
		t.Fatal(err)
	}
	image := ImageSummary{SHA256: hashOf("picture"), Bytes: 7, Width: 3, Height: 4}
	if !slices.Equal(summary.Messages[2].Images, []ImageSummary{image}) || summary.Messages[1].Role != "AI" || summary.Messages[2].Text != "What is it?" {
		t.Errorf("messages: %+v", summary.Messages)
	}
	if summary.Instructions != "Be brief." || summary.Model != "echo-request" || !*summary.SlowPool || summary.LongContext != nil || summary.ClientVersion != "0.42.5" {
		t.Errorf("summary: %+v", summary)
	}
}

func TestCursorEchoesTheLastTextThereIs(t *testing.T) {
	t.Parallel()
	for want, conversation := range map[string][]*aiserverv1.ConversationMessage{
		"second": {human("first"), assistant("answer"), human("second")},
		"first":  {human("first"), assistant("answer"), human("")},
		NoText:   {human("")},
	} {
		got, err := decodeFrames(record(New(Options{}), cursorRequest(t.Context(), t, "http://sim", "token-1", chatRequest("gpt-4o", conversation...))).all())
		if err != nil || got.text() != want {
			t.Errorf("got %q, %v; want %q", got.text(), err, want)
		}
	}
}

func TestCursorTokens(t *testing.T) {
	t.Parallel()
	jwt := func(claims string) string {
		return "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	}
	expired := jwt(`{"exp":1700000000,"type":"session"}`)
	web := jwt(`{"exp":4102444800,"type":"web"}`)
	demo := DemoTokens().Cursor[0]
	for name, test := range map[string]struct {
		token string
		only  []string
		text  string
		end   func(*testing.T, *recorder, frames)
	}{
		"any":             {"anything", nil, hello, nil},
		"demo":            {demo, nil, hello, nil},
		"known":           {demo, []string{demo}, hello, nil},
		"expired":         {expired, nil, "", wantError(12, "unauthenticated")},
		"web":             {web, nil, "", wantError(2, "unauthenticated")},
		"unknown":         {"other", []string{demo}, "", func(t *testing.T, r *recorder, _ frames) { wantBytes(t, r, hexOfUnauthenticated) }},
		"unknown JWT too": {web, []string{demo}, "", func(t *testing.T, r *recorder, _ frames) { wantBytes(t, r, hexOfUnauthenticated) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := New(Options{Tokens: test.only})
			r := record(sim, cursorRequest(t.Context(), t, "http://sim", test.token, chatRequest("gpt-4o", human(hello))))
			got, err := decodeFrames(r.all())
			if err != nil || got.text() != test.text {
				t.Errorf("got %q, %v", got.text(), err)
			}
			if test.end != nil {
				test.end(t, r, got)
			}
			noViolations(t, sim)
		})
	}
}

var hexOfUnauthenticated = func() string {
	const body = `{"error":{"code":"unauthenticated","message":"Error"}}`
	return fmt.Sprintf("02%08x%x", len(body), body)
}()

func TestCursorVersionGate(t *testing.T) {
	t.Parallel()
	sim := New(Options{MinClientVersion: "0.42.6"})
	chat := func() string {
		got, err := decodeFrames(record(sim, cursorRequest(t.Context(), t, "http://sim", "token-1", chatRequest("gpt-4o", human("Hi")))).all())
		if err != nil {
			t.Fatal(err)
		}
		return got.end
	}
	for _, test := range []struct{ least, end string }{
		{"0.42.6", updateRequired}, {"0.42.5", success}, {"0.42", success}, {"0.42.5.1", updateRequired}, {"1", updateRequired}, {"", success}, {"0.9", success},
	} {
		sim.SetMinClientVersion(test.least)
		if got := chat(); got != test.end {
			t.Errorf("at least %q: %s", test.least, got)
		}
	}
}

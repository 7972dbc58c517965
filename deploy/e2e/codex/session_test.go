package codex

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// reply is what a fake provider answers.
type reply struct {
	status int
	body   string
}

func streamed(frames ...string) reply {
	text, _ := io.ReadAll(stream(append(append([]string{created}, frames...), completed)...)) // of strings
	return reply{http.StatusOK, string(text)}
}

func cutAfter(frames ...string) reply {
	text, _ := io.ReadAll(stream(frames...)) // of strings
	return reply{http.StatusOK, string(text)}
}

// provider answers one reply after another, the last one from then on.
func provider(t *testing.T, replies ...reply) *Session {
	t.Helper()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := replies[min(asked, len(replies)-1)]
		asked++
		if r.Header.Get("Content-Encoding") == "zstd" {
			decoder, err := zstd.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			defer decoder.Close()
			if text, err := io.ReadAll(decoder); err != nil || !json.Valid(text) {
				t.Errorf("%v: %s", err, text)
			}
		}
		w.WriteHeader(next.status)
		_, _ = io.WriteString(w, next.body)
	}))
	t.Cleanup(server.Close)
	return &Session{
		URL: server.URL + "/v1", Key: "k", Model: "m", Thread: "thread-1", HTTP: server.Client(),
		Retries:   Retries{Request: 4, Stream: 5, First: time.Millisecond, Idle: time.Minute},
		Workspace: NewWorkspace(map[string]string{"a.txt": "one\ntwo\n", "red.png": "png"}),
	}
}

func callOf(id, name, arguments string) string {
	return doneItem(fmt.Sprintf(`{"type":"function_call","call_id":%q,"name":%q,"arguments":%q}`, id, name, arguments))
}

// A turn runs what is called, and sends the whole history each time.
func TestTurn(t *testing.T) {
	t.Parallel()
	s := provider(t,
		streamed(
			doneItem(`{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"sealed"}`),
			callOf("c1", "shell", `{"command":["bash","-lc","cat a.txt"]}`), callOf("c2", "view_image", `{"path":"red.png"}`),
			doneItem(`{"type":"function_call","call_id":"c3","namespace":"mcp__issues","name":"search","arguments":"{\"query\":\"x\"}"}`),
			doneItem(`{"type":"invented_item"}`),
		),
		streamed(doneItem(`{"type":"custom_tool_call","id":"ctc_1","call_id":"c4","name":"apply_patch","input":"*** Begin Patch\n*** Update File: a.txt\n@@\n one\n-two\n+three\n*** Add File: b.txt\n+new\n*** End Patch\n"}`)),
		streamed(message),
	)
	s.Packed = true
	text, err := s.Turn(t.Context(), "Change it.")
	if err != nil || text != "Hi" || len(s.Sent) != 3 {
		t.Fatalf("%v %q %d", err, text, len(s.Sent))
	}
	if a, _ := s.Workspace.File("a.txt"); a != "one\nthree\n" {
		t.Errorf("a.txt: %q", a)
	}
	if b, _ := s.Workspace.File("b.txt"); b != "new\n" {
		t.Errorf("b.txt: %q", b)
	}
	var last requestBody
	if err := json.Unmarshal(s.Sent[2].Body, &last); err != nil {
		t.Fatal(err)
	}
	kinds := make([]string, len(last.Input))
	for i, item := range last.Input {
		var of struct{ Type string }
		_ = json.Unmarshal(item, &of)
		kinds[i] = of.Type
	}
	const want = "message message message reasoning function_call function_call function_call function_call_output function_call_output function_call_output custom_tool_call custom_tool_call_output"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
	for _, part := range []string{`"encrypted_content":"sealed"`, `one\ntwo`, `"type":"input_image"`, "mcp__issues has nothing of x", "Success."} {
		if !strings.Contains(string(s.Sent[2].Body), part) {
			t.Errorf("not sent: %s", part)
		}
	}
}

// What is sent again, how often, and what is not.
func TestRetries(t *testing.T) {
	t.Parallel()
	overloaded := `{"error":{"code":"server_is_overloaded","message":"x"}}`
	cut := cutAfter(created)
	for name, c := range map[string]struct {
		replies []reply
		sent    int
		fails   bool
	}{
		"400 is final":                             {[]reply{{400, "{}"}}, 1, true},
		"429 is final":                             {[]reply{{429, "{}"}}, 1, true},
		"a 5xx is sent again":                      {[]reply{{502, ""}, {503, ""}, {500, ""}, {504, ""}, streamed(message)}, 5, false},
		"overload is final after the retries":      {[]reply{{503, overloaded}}, 5, true},
		"a permanent 404 costs six":                {[]reply{{404, "{}"}}, 6, true},
		"a permanent 5xx costs thirty":             {[]reply{{500, ""}}, 30, true},
		"a cut stream is sent again":               {[]reply{cut, cut, cut, cut, cut, streamed(message)}, 6, false},
		"five times at most":                       {[]reply{cut}, 6, true},
		"a final code is final":                    {[]reply{cutAfter(failedWith("insufficient_quota", "x"))}, 1, true},
		"a rate limit in the stream is sent again": {[]reply{cutAfter(failedWith("rate_limit_exceeded", "try again in 3ms")), streamed(message)}, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := provider(t, c.replies...)
			_, err := s.Turn(t.Context(), "Hi")
			if c.fails != (err != nil) || len(s.Sent) != c.sent {
				t.Errorf("%v after %d requests", err, len(s.Sent))
			}
			if name == "a rate limit in the stream is sent again" && (len(s.Waits) != 1 || s.Waits[0] != 3*time.Millisecond) {
				t.Errorf("waited %v", s.Waits)
			}
		})
	}
}

// 426 makes the client go on at once, and never ask again; 404 costs it five retries.
func TestUpgrades(t *testing.T) {
	t.Parallel()
	for status, asked := range map[int]int{http.StatusUpgradeRequired: 1, http.StatusNotFound: 6} {
		replies := make([]reply, asked, asked+1)
		for i := range replies {
			replies[i].status = status
		}
		s := provider(t, append(replies, streamed(message))...)
		s.WebSockets = true
		for range 2 {
			if _, err := s.Turn(t.Context(), "Hi"); err != nil {
				t.Error(err)
			}
		}
		if len(s.Sent) != asked+2 {
			t.Errorf("%d: %d requests", status, len(s.Sent))
		}
	}
}

// A compaction keeps what the user has said, and the summary.
func TestCompact(t *testing.T) {
	t.Parallel()
	s := provider(t, streamed(callOf("c1", "shell", `{"command":["ls"]}`)), streamed(message), streamed(message))
	if _, err := s.Turn(t.Context(), "First."); err != nil {
		t.Fatal(err)
	}
	if summary, err := s.Compact(t.Context(), "Sum up."); err != nil || summary != "Hi" {
		t.Fatal(err, summary)
	}
	if _, err := s.Turn(t.Context(), "Second."); err != nil {
		t.Fatal(err)
	}
	last := string(s.Sent[3].Body)
	if strings.Contains(last, "function_call") || strings.Contains(last, "Sum up.") || !strings.Contains(last, "First.") || !strings.Contains(last, `summary:\nHi`) {
		t.Errorf("sent %s", last)
	}
}

// A patch that does not fit changes nothing.
func TestPatchesThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, patch := range []string{
		"", "*** Begin Patch\n", "*** Begin Patch\n*** Update File: none\n+x\n*** End Patch", "*** Begin Patch\n*** Update File: a\n-y\n+x\n*** End Patch",
		"*** Begin Patch\n*** Add File: b\n+x\n*** Update File: a\n-y\n*** End Patch", "*** Begin Patch\nwhat\n*** End Patch",
	} {
		w := NewWorkspace(map[string]string{"a": "x\n"})
		if err := w.patch(patch); err == nil || w.files["a"] != "x\n" || len(w.files) != 1 {
			t.Errorf("%q: %v, %v", patch, err, w.files)
		}
	}
	w := NewWorkspace(map[string]string{"a": "x\n"})
	if err := w.patch("*** Begin Patch\n*** Delete File: a\n*** End Patch\n"); err != nil || len(w.files) != 0 {
		t.Errorf("%v, %v", err, w.files)
	}
}

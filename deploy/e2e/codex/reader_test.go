package codex

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	created   = `{"type":"response.created","response":{"id":"resp_1"}}`
	completed = `{"type":"response.completed","response":{"id":"resp_1","usage":null}}`
	added     = `{"type":"response.output_item.added","item":{"type":"message","role":"assistant","content":[]}}`
	message   = `{"type":"response.output_item.done","item":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi"}]}}`
)

// stream writes frames as servers do.
func stream(frames ...string) io.ReadCloser {
	var text strings.Builder
	for i, data := range frames {
		fmt.Fprintf(&text, "event: x\nid: %d\ndata: %s\n\n", i, data)
	}
	return io.NopCloser(strings.NewReader(text.String()))
}

func doneItem(item string) string { return `{"type":"response.output_item.done","item":` + item + `}` }

func ended(response string) string {
	return `{"type":"response.completed","response":` + response + `}`
}

func failedWith(code, message string) string {
	return fmt.Sprintf(`{"type":"response.failed","response":{"id":"resp_1","error":{"code":%q,"message":%q}}}`, code, message)
}

// What is read of good streams.
func TestRead(t *testing.T) {
	t.Parallel()
	answer, err := Read(t.Context(), stream(
		created, `{"type":"response.in_progress"}`, "no JSON", `{"type":"invented"}`, `{"type":"error","message":"ignored"}`,
		`{"type":"response.output_item.added","item":{"type":"reasoning","summary":[]}}`,
		`{"type":"response.reasoning_summary_part.added","summary_index":0}`,
		`{"type":"response.reasoning_summary_text.delta","summary_index":0,"delta":"Hm. "}`,
		doneItem(`{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm. "}],"encrypted_content":"sealed","status":null}`),
		added, `{"type":"response.output_text.delta","delta":"Hi"}`, message,
		doneItem(`{"type":"function_call","id":"fc_1","call_id":"c1","namespace":"n","name":"f","arguments":"{}"}`),
		doneItem(`{"type":"custom_tool_call","call_id":"c2","name":"apply_patch","input":"*** Begin"}`),
		doneItem(`{"type":"invented_call","whatever":1}`),
		ended(`{"id":"resp_1","usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":1},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":5}}`),
		"never read",
	), 0)
	if err != nil {
		t.Fatal(err)
	}
	if answer.ID != "resp_1" || answer.Text() != "Hi" || answer.Shown != "Hm. Hi" || len(answer.Items) != 5 || len(answer.Calls()) != 2 ||
		*answer.Usage != (Usage{3, 1, 2, 1, 5}) || len(answer.Dropped)+len(answer.Stray) > 0 {
		t.Errorf("%+v", answer)
	}
	if thought := answer.Items[0]; thought.Sealed != "sealed" || string(thought.History) != `{"type":"reasoning","summary":[{"type":"summary_text","text":"Hm. "}],"encrypted_content":"sealed"}` {
		t.Errorf("%+v %s", thought, thought.History)
	}
	if call := answer.Calls()[0]; call.CallID != "c1" || call.Namespace != "n" || call.Name != "f" || call.Arguments != "{}" {
		t.Errorf("%+v", call)
	}
}

// What a done item lacks, or has too much of, makes it vanish.
func TestDoneItemsThatVanish(t *testing.T) {
	t.Parallel()
	for name, item := range map[string]string{
		"no type":                    `{"role":"assistant","content":[]}`,
		"a message without a role":   `{"type":"message","content":[]}`,
		"without content":            `{"type":"message","role":"assistant"}`,
		"content as a string":        `{"type":"message","role":"assistant","content":"Hi"}`,
		"a refusal part":             `{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"No."}]}`,
		"a text part without text":   `{"type":"message","role":"assistant","content":[{"type":"output_text"}]}`,
		"reasoning without summary":  `{"type":"reasoning","id":"rs_1","encrypted_content":"x"}`,
		"with a summary of null":     `{"type":"reasoning","summary":null}`,
		"with a summary of strings":  `{"type":"reasoning","summary":["Hm"]}`,
		"a seal that is an object":   `{"type":"reasoning","summary":[],"encrypted_content":{}}`,
		"a call without a name":      `{"type":"function_call","call_id":"c","arguments":"{}"}`,
		"without call_id":            `{"type":"function_call","name":"f","arguments":"{}"}`,
		"without arguments":          `{"type":"function_call","name":"f","call_id":"c"}`,
		"arguments as an object":     `{"type":"function_call","name":"f","call_id":"c","arguments":{}}`,
		"a custom call, its input":   `{"type":"custom_tool_call","call_id":"c","name":"f","arguments":"x"}`,
		"a custom call, its call_id": `{"type":"custom_tool_call","id":"c","name":"f","input":"x"}`,
	} {
		answer, err := Read(t.Context(), stream(created, doneItem(item), completed), 0)
		if err != nil || len(answer.Items) != 0 || len(answer.Dropped) != 1 {
			t.Errorf("%s: %v %+v", name, err, answer)
		}
	}
}

// What can't be displayed is noticed.
func TestStrayDeltas(t *testing.T) {
	t.Parallel()
	for name, frames := range map[string][]string{
		"text without an item":      {`{"type":"response.output_text.delta","delta":"Hi"}`},
		"text after its item":       {added, message, `{"type":"response.output_text.delta","delta":"Hi"}`},
		"text without a delta":      {added, `{"type":"response.output_text.delta"}`},
		"a summary without index":   {added, `{"type":"response.reasoning_summary_text.delta","delta":"Hm"}`},
		"a part without index":      {added, `{"type":"response.reasoning_summary_part.added"}`},
		"thoughts without index":    {added, `{"type":"response.reasoning_text.delta","delta":"Hm"}`},
		"a custom tool's, of none":  {`{"type":"response.custom_tool_call_input.delta","delta":"x"}`},
		"an added item, incomplete": {`{"type":"response.output_item.added","item":{"type":"function_call"}}`},
	} {
		answer, err := Read(t.Context(), stream(append(frames, completed)...), 0)
		if err != nil || len(answer.Stray) != 1 {
			t.Errorf("%s: %v %+v", name, err, answer)
		}
	}
}

// How streams end, and what the client does about it.
func TestEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		frames []string
		remedy Remedy
		code   string
		wait   time.Duration
	}{
		"nothing more":                    {[]string{created, added, message}, Again, "", 0},
		"a bare error":                    {[]string{created, `{"type":"error","code":"server_error","message":"x"}`}, Again, "", 0},
		"completed without a response":    {[]string{`{"type":"response.completed"}`}, Again, "", 0},
		"completed without an id":         {[]string{ended(`{"usage":null}`)}, Again, "", 0},
		"an id that is a number":          {[]string{ended(`{"id":1}`)}, Again, "", 0},
		"counts that are strings":         {[]string{ended(`{"id":"r","usage":{"input_tokens":"1","output_tokens":1,"total_tokens":2}}`)}, Again, "", 0},
		"counts that are fractions":       {[]string{ended(`{"id":"r","usage":{"input_tokens":1.5,"output_tokens":1,"total_tokens":2}}`)}, Again, "", 0},
		"a count that is missing":         {[]string{ended(`{"id":"r","usage":{"input_tokens":1,"output_tokens":1}}`)}, Again, "", 0},
		"details without their number":    {[]string{ended(`{"id":"r","usage":{"input_tokens":1,"input_tokens_details":{},"output_tokens":1,"total_tokens":2}}`)}, Again, "", 0},
		"no reasoning_tokens in theirs":   {[]string{ended(`{"id":"r","usage":{"input_tokens":1,"output_tokens":1,"output_tokens_details":{},"total_tokens":2}}`)}, Again, "", 0},
		"incomplete":                      {[]string{`{"type":"response.incomplete","response":{"id":"r","incomplete_details":{"reason":"max_output_tokens"}}}`}, Again, "max_output_tokens", 0},
		"failed, without more":            {[]string{`{"type":"response.failed"}`}, Again, "", 0},
		"failed: server_error":            {[]string{failedWith("server_error", "x")}, Again, "server_error", 0},
		"failed: a code nobody knows":     {[]string{failedWith("invented", "x")}, Again, "invented", 0},
		"failed: context_length_exceeded": {[]string{failedWith("context_length_exceeded", "x")}, Final, "context_length_exceeded", 0},
		"failed: insufficient_quota":      {[]string{failedWith("insufficient_quota", "x")}, Final, "insufficient_quota", 0},
		"failed: usage_not_included":      {[]string{failedWith("usage_not_included", "x")}, Final, "usage_not_included", 0},
		"failed: cyber_policy":            {[]string{failedWith("cyber_policy", "x")}, Final, "cyber_policy", 0},
		"failed: invalid_prompt":          {[]string{failedWith("invalid_prompt", "x")}, Final, "invalid_prompt", 0},
		"failed: bio_policy":              {[]string{failedWith("bio_policy", "x")}, Final, "bio_policy", 0},
		"failed: server_is_overloaded":    {[]string{failedWith("server_is_overloaded", "x")}, Final, "server_is_overloaded", 0},
		"failed: slow_down":               {[]string{failedWith("slow_down", "x")}, Final, "slow_down", 0},
		"a rate limit":                    {[]string{failedWith("rate_limit_exceeded", "Limit reached.")}, Again, "rate_limit_exceeded", 0},
		"a rate limit, in seconds":        {[]string{failedWith("rate_limit_exceeded", "Please try again in 1.5s.")}, Again, "rate_limit_exceeded", 1500 * time.Millisecond},
		"a rate limit, in milliseconds":   {[]string{failedWith("rate_limit_exceeded", "Please try again in 28ms.")}, Again, "rate_limit_exceeded", 28 * time.Millisecond},
		"another code, with a wait":       {[]string{failedWith("server_error", "Please try again in 28ms.")}, Again, "server_error", 0},
	} {
		_, err := Read(t.Context(), stream(end.frames...), 0)
		failure, ok := errors.AsType[*Failure](err)
		if !ok || failure.Remedy != end.remedy || failure.Code != end.code || failure.Wait != end.wait {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Comments and frames that are no JSON don't keep a stream alive; unknown events do.
func TestIdle(t *testing.T) {
	t.Parallel()
	for feed, alive := range map[string]bool{": still here\n\n": false, "data: nothing\n\n": false, "data: {\"type\":\"keepalive\",\"sequence_number\":3}\n\n": true} {
		synctest.Test(t, func(t *testing.T) {
			from, to := io.Pipe()
			var writing sync.WaitGroup
			defer writing.Wait()
			writing.Go(func() { // ends when the reader closes its side
				for range 6 {
					if _, err := io.WriteString(to, feed); err != nil {
						return
					}
					<-time.After(DefaultIdle / 4)
				}
				_, _ = io.WriteString(to, "data: "+completed+"\n\n")
			})
			if _, err := Read(t.Context(), from, 0); alive != (err == nil) {
				t.Errorf("%q: %v", feed, err)
			}
		})
	}
}

// A stream that goes on after it has said that it failed keeps its user waiting.
func TestLingering(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from, to := io.Pipe()
		go func() { // ends with the writes
			_, _ = io.WriteString(to, "data: "+failedWith("insufficient_quota", "x")+"\n\n")
			<-time.After(time.Minute)
			_ = to.Close()
		}()
		if answer, err := Read(t.Context(), from, 0); err == nil || answer.Lingered != time.Minute {
			t.Errorf("%v, %s", err, answer.Lingered)
		}
	})
}

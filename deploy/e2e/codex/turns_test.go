package codex_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/codex"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

const patch = `*** Begin Patch
*** Update File: main.go
@@
 func main() {
-	println("red")
+	println("grün \"x\" \\ 世界")
 }
*** Add File: notes/läs mig.txt
+one
+two
*** End Patch
`

// shell is a call of it.
func shell(command ...string) upstreamsim.Move {
	arguments, _ := json.Marshal(map[string]any{"command": command}) // of strings
	return upstreamsim.Move{Call: "shell", Arguments: arguments}
}

func search(group string) upstreamsim.Move {
	return upstreamsim.Move{Call: "search", Group: group, Arguments: json.RawMessage(`{"query":"colour"}`)}
}

// task is a turn of six rounds: parallel commands, a patch, a look at a picture, the tools of the
// same name of two groups, a command, the last words.
func task() string {
	return script(
		[]upstreamsim.Move{{Think: "I look around."}, shell("bash", "-lc", "cat main.go"), shell("ls")},
		[]upstreamsim.Move{{Think: "It is red."}, {Say: "I change it."}, {Call: "apply_patch", Input: patch}},
		[]upstreamsim.Move{{Think: "I look at it."}, {Call: "view_image", Arguments: json.RawMessage(`{"path":"red.png"}`)}},
		[]upstreamsim.Move{{Think: "What do others say?"}, search("mcp__notes"), search("mcp__issues")},
		[]upstreamsim.Move{{Think: "Is it right?"}, shell("cat", "main.go")},
		[]upstreamsim.Move{{Think: "It is."}, {Say: "Done: " + upstreamsim.ResultsMark}},
	)
}

// Whole turns as Codex makes them, over every kind of upstream and three gateways: all tools are
// called as they are meant, what was thought comes back, and nothing of a stream is lost.
func TestTurns(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{}, 3)
	for _, over := range upstreams {
		t.Run("tools/"+over.name, func(t *testing.T) { t.Parallel(); tools(t, s, over) })
		t.Run("compaction/"+over.name, func(t *testing.T) { t.Parallel(); compaction(t, s, over) })
		t.Run("unknown items/"+over.name, func(t *testing.T) { t.Parallel(); unknownItems(t, s, over) })
		if over != cursor { // which refuses schemas, as nothing would enforce them
			t.Run("a schema/"+over.name, func(t *testing.T) { t.Parallel(); structured(t, s, over) })
		}
	}
}

func tools(t *testing.T, s *stage, over upstream) {
	session, model := s.session(t, over, "scripted")
	text, err := session.Turn(judged(t, over), task())
	if err != nil {
		t.Fatal(err)
	}
	readWell(t, session)
	if answered(session) != 6 {
		t.Errorf("%d requests for six rounds: %v", len(session.Sent), session.Failures)
	}
	const changed = "package main\n\nfunc main() {\n\tprintln(\"grün \\\"x\\\" \\\\ 世界\")\n}\n"
	if got, _ := session.Workspace.File("main.go"); got != changed {
		t.Errorf("main.go: %q", got)
	}
	if got, _ := session.Workspace.File("notes/läs mig.txt"); got != "one\ntwo\n" {
		t.Errorf("the new file: %q", got)
	}
	if !strings.HasPrefix(text, "Done: ") || !strings.Contains(text, changed) {
		t.Errorf("the last words: %q", text)
	}
	calls := ""
	for _, answer := range session.Answers {
		for _, call := range answer.Calls() {
			calls += fmt.Sprintf("%s %s/%s; ", call.Type, call.Namespace, call.Name)
		}
	}
	const want = "function_call /shell; function_call /shell; custom_tool_call /apply_patch; function_call /view_image; function_call mcp__notes/search; function_call mcp__issues/search; function_call /shell; "
	if calls != want {
		t.Errorf("called: %s\nwant:   %s", calls, want)
	}
	last := string(session.Sent[len(session.Sent)-1].Body)
	for _, part := range []string{"mcp__notes has nothing of colour", "mcp__issues has nothing of colour", base64.StdEncoding.EncodeToString([]byte(red))} {
		if strings.Count(last, part) != 1 {
			t.Errorf("%q is %d times in the last request", part, strings.Count(last, part))
		}
	}
	thoughts(t, s, over, session, model)
}

// thoughts looks whether what was thought came to the client, and back to the upstream.
func thoughts(t *testing.T, s *stage, over upstream, session *codex.Session, model string) {
	t.Helper()
	thought, sealed := "", 0
	for _, answer := range session.Answers {
		for _, item := range answer.Items {
			if item.Type == "reasoning" {
				thought += item.Text + " "
				if item.Sealed != "" {
					sealed++
				}
			}
		}
	}
	if thought != "I look around. It is red. I look at it. What do others say? Is it right? It is. " {
		t.Errorf("thought: %q", thought)
	}
	if over.brings == "" {
		return
	}
	if sealed != 6 {
		t.Errorf("%d thoughts are sealed", sealed)
	}
	bodies := s.got(model)
	if len(bodies) == 0 || strings.Count(bodies[len(bodies)-1], over.brings) != over.back {
		t.Errorf("not all that was thought has come back, in %d requests: %s", len(bodies), bodies[max(len(bodies)-1, 0):])
	}
	for _, body := range bodies {
		if strings.Contains(body, "carousel:") {
			t.Errorf("a seal of the gateway's own reaches the upstream: %s", body)
		}
	}
}

// compaction puts the conversation into words and goes on with them.
func compaction(t *testing.T, s *stage, over upstream) {
	session, _ := s.session(t, over, "scripted")
	ctx := judged(t, over)
	if _, err := session.Turn(ctx, script(
		[]upstreamsim.Move{{Think: "I look."}, shell("cat", "main.go")}, []upstreamsim.Move{{Say: "It is red."}},
	)); err != nil {
		t.Fatal(err)
	}
	summary, err := session.Compact(ctx, "You have to sum up. "+upstreamsim.Script([]upstreamsim.Move{{Say: "main.go says red."}}))
	if err != nil || summary != "main.go says red." {
		t.Fatalf("%v: %q", err, summary)
	}
	text, err := session.Turn(ctx, script([]upstreamsim.Move{shell("ls")}, []upstreamsim.Move{{Say: "There are: " + upstreamsim.ResultsMark}}))
	if err != nil || !strings.Contains(text, "main.go\nred.png") {
		t.Errorf("%v: %q", err, text)
	}
	readWell(t, session)
	last := string(session.Sent[len(session.Sent)-1].Body)
	if !strings.Contains(last, "main.go says red.") || strings.Contains(last, "I look.\"}]") || answered(session) != 5 {
		t.Errorf("after %d requests: %s", len(session.Sent), last)
	}
}

// unknownItems sends what newer clients will have in their history.
func unknownItems(t *testing.T, s *stage, over upstream) {
	if over.native {
		t.Skip("it is the upstream's own to say what it knows")
	}
	session, _ := s.session(t, over, "echo")
	session.Extra = []json.RawMessage{
		json.RawMessage(`{"type":"invented_yesterday","a":{"b":[1]}}`), json.RawMessage(`{"type":"ghost_snapshot","ghost_commit":{"id":"x"}}`),
		json.RawMessage(`{"type":"web_search_call","status":"completed","action":{"type":"search","query":"x"}}`),
	}
	text, err := session.Turn(judged(t, over), "Hello?")
	if err != nil || !strings.HasSuffix(text, "Hello?") || answered(session) != 1 {
		t.Errorf("%v after %d requests: %q", err, len(session.Sent), text)
	}
}

// structured wants JSON of a schema.
func structured(t *testing.T, s *stage, over upstream) {
	session, _ := s.session(t, over, "echo")
	text, err := session.TurnOf(judged(t, over), "red", map[string]any{
		"type": "object", "properties": map[string]any{"colour": map[string]any{"type": "string"}}, "required": []string{"colour"}, "additionalProperties": false,
	})
	var got struct{ Colour string }
	if err != nil || json.Unmarshal([]byte(text), &got) != nil || !strings.HasSuffix(got.Colour, "red") {
		t.Errorf("%v: %q", err, text)
	}
}

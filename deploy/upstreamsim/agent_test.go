package upstreamsim

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
)

func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAgentAnswersText(t *testing.T) {
	sim, server := serving(t, Options{})
	c := newAgentClient(t, server, "composer-2.5", hello)
	c.root(`{"role":"system","content":"Be brief."}`).root(`{"role":"user","content":[{"type":"text","text":"Hi"}]}`).
		root(`{"role":"assistant","content":[{"type":"text","text":"Hello"}]}`)
	c.mustRun()
	if c.text.String() != hello {
		t.Errorf("text: %q", c.text.String())
	}
	if c.trailer != success {
		t.Errorf("trailer: %s", c.trailer)
	}
	if c.usage.GetInputTokens() < scaffolding || c.usage.GetOutputTokens() == 0 {
		t.Errorf("usage: %v", c.usage)
	}
	want := []string{
		"request_context_args", "get_blob", "get_blob", "get_blob", "set_blob", "set_blob", "step_started", "text_delta", "token_delta",
		"step_completed", "checkpoint", "set_blob", "turn_ended", "end",
	}
	if !slices.Equal(c.order, want) {
		t.Errorf("order: %q", c.order)
	}
	noViolations(t, sim)
	runs := closedRuns(t, sim)
	if len(runs.Runs) != 1 || runs.Ends[EndTurn] != 1 || runs.Runs[0].End != EndTurn || len(runs.Runs[0].History) != 3 ||
		!strings.Contains(string(runs.Runs[0].Request), "requestedModel") || runs.Runs[0].Text != hello {
		t.Errorf("runs: %+v", runs)
	}
}

package anthropic

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// Every answer tells the group of its key: the same for all keys of an organisation, and not
// the organisation's id.
func TestEveryAnswerTellsTheGroup(t *testing.T) {
	t.Parallel()
	const refusal = `{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}`
	ask := func(status int, body, organisation string) string {
		t.Helper()
		header := http.Header{}
		if organisation != "" {
			header.Set("Anthropic-Organization-Id", organisation)
		}
		driver, _ := serve(t, status, "application/json", body, header)
		call, told := nativeCall(`{"model":"claude"}`, false), ""
		call.Grouped = func(group string) { told += group }
		gather(t.Context(), t, driver, call)
		return told
	}
	const answer = `{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn"}`
	a := ask(200, answer, "a0b1-c2d3")
	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(a) || strings.Contains(a, "a0b1") {
		t.Errorf("told %q", a)
	}
	if again := ask(429, refusal, "a0b1-c2d3"); again != a {
		t.Errorf("a refusal tells %q, an answer %q", again, a)
	}
	if b := ask(200, answer, "another"); b == a || b == "" {
		t.Errorf("two organisations are %q and %q", a, b)
	}
	if none := ask(429, refusal, ""); none != "" {
		t.Errorf("nothing was said, and %q was told", none)
	}
	driver, _ := serve(t, 200, "application/json", answer, http.Header{"Anthropic-Organization-Id": {"a"}})
	if _, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, false)); failure != nil { // nobody asks
		t.Error(failure)
	}
}

// Which failures are an organisation's, and not one key's.
func TestWhatIsTheOrganisations(t *testing.T) {
	t.Parallel()
	wide := map[string]bool{
		"credit or spend limit": true, "in a stream: credit or spend limit": true, "organisation closed": true, "HTTP 429: spend limit": true,
		"limit": true, "HTTP 429": true, "billing": true, "HTTP 402": true,
	}
	for _, row := range failures {
		if row.GroupWide != wide[row.Name] {
			t.Errorf("%s: of the group: %v", row.Name, row.GroupWide)
		}
	}
}

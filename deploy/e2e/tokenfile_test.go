package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/stack"
)

// badLines are the kinds of lines that are no tokens, each with a part of the
// reason that its writer reads.
var badLines = []struct{ line, reason string }{
	{"a::b::sk-token-with-two-aliases", "::"},
	{"alias::", "empty"},
	{"sk-token with a space", "character"},
	{"sk-token\u0001with-a-control-character", "character"},
	{"sk-token-%d,no-checksum", "checksum"},
	{"sk-token-%d,one,two", "comma"},
	{"sk-token-%d,", "comma"},
	{strings.Repeat("a", 200) + "::sk-token-of-a-long-alias-%d", "alias"},
}

// longLine is bad by its length alone; one in a file is enough.
var longLine = "sk-" + strings.Repeat("x", 20_000)

// fileReport is what /update-tokeninfo tells of a file.
type fileReport struct {
	TokenCount int `json:"token_count"`
	Report     struct {
		Accepted, Updated, Deleted int
		Rejected                   []struct {
			File   string
			Line   int
			Reason string
		}
	}
}

// A file of 10,000 lines, half of them good, the others bad in every way: the
// good ones are taken, each bad one is named with its line and its reason.
func TestTokenFileOfTenThousandLines(t *testing.T) {
	const lines = 10_000
	s := stack.Start(t, stack.Options{})
	g := s.Gateways[0]
	var file strings.Builder
	wanted := map[int]string{} // line -> a part of the reason
	for n := 1; n <= lines; n++ {
		if n%2 == 0 {
			fmt.Fprintf(&file, "token-%d::sk-good-token-number-%d\r\n", n, n)
			continue
		}
		bad := badLines[n/2%len(badLines)]
		if n == 1 {
			bad.line, bad.reason = longLine, "bytes"
		}
		file.WriteString(strings.ReplaceAll(bad.line, "%d", fmt.Sprint(n)) + "\n")
		wanted[n] = bad.reason
	}
	content := file.String()
	got := send(t, g, "POST", "/update-tokeninfo", stack.AdminToken, tokensBody(content, nil), nil)
	call{status: 200}.check(t, got)
	var report fileReport
	if err := json.Unmarshal(got.body, &report); err != nil {
		t.Fatal(err)
	}
	if report.Report.Accepted != lines/2 || len(report.Report.Rejected) != lines/2 || report.TokenCount != lines/2 {
		t.Errorf("%d accepted, %d rejected, %d tokens; want %d each", report.Report.Accepted, len(report.Report.Rejected), report.TokenCount, lines/2)
	}
	for _, rejected := range report.Report.Rejected {
		reason, bad := wanted[rejected.Line]
		if !bad || !strings.Contains(rejected.Reason, reason) || strings.Contains(rejected.Reason, "sk-") {
			t.Fatalf("line %d is rejected because %q, want something of %q", rejected.Line, rejected.Reason, reason)
		}
	}
	checkNothingChanges(t, g, content)
}

// checkNothingChanges sends what can't be taken, and looks whether anything is
// another than before.
func checkNothingChanges(t *testing.T, g *stack.Gateway, content string) {
	t.Helper()
	before := send(t, g, "POST", "/get-tokeninfo", stack.AdminToken, "", nil)
	onlyBad := new(strings.Builder)
	onlyBad.WriteString(longLine + "\n")
	for _, bad := range badLines {
		onlyBad.WriteString(strings.ReplaceAll(bad.line, "%d", "1") + "\n")
	}
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"only bad lines":  {tokensBody(onlyBad.String(), nil), 400},
		"invalid UTF-8":   {"{\"tokens\":\"sk-token-\xff-0123456789\"}", 400},
		"a large request": {tokensBody(strings.Repeat("# a comment that fills 32 bytes\n", 17<<15), nil), 413},
		"a wrong type":    {`{"tokens":["sk-token-0123456789"]}`, 400},
		"a wrong list":    {tokensBody(content, 7), 400},
		"an unknown key":  {`{"tokens":"sk-token-0123456789","token_lists":""}`, 400},
		"no JSON":         {"tokens=sk-token-0123456789", 400},
		"JSON that ends":  {`{"tokens":"sk-token`, 400},
		"only a bad list": {tokensBody("", "sk-token-0123456789"), 400},
	} {
		got := send(t, g, "POST", "/update-tokeninfo", stack.AdminToken, c.body, nil)
		if got.status != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, got.status, c.status, excerpt(got.body))
		}
		mustHave(t, got.body, errorShape)
		if after := send(t, g, "POST", "/get-tokeninfo", stack.AdminToken, "", nil); string(after.body) != string(before.body) {
			t.Fatalf("%s: the files are others than before", name)
		}
	}
}

func tokensBody(tokens string, list any) string {
	body, err := json.Marshal(map[string]any{"tokens": tokens, "token_list": list})
	if err != nil {
		panic(err) // texts and numbers can be encoded
	}
	return string(body)
}

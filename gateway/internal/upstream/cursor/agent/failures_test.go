package agent

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
	"carousel.internal/proto/service/secret"
)

// fixture is what the upstream says, and the row that decides it.
type fixture struct {
	row, title string
	failure    *upstream.Failure
}

// ended is the failure of a run that ends with the frame.
func ended(t *testing.T, payload string) *upstream.Failure {
	t.Helper()
	s := play(t)
	s.end([]byte(payload))
	if s.failure == nil {
		t.Fatalf("%s ends well", payload)
	}
	return s.failure
}

// detailed is the payload of an end frame with details, of which `debug` says nothing.
func detailed(t *testing.T, code string, details *agentv1.AiErrorDetails) string {
	t.Helper()
	value, err := proto.Marshal(details)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"error":{"code":%q,"message":"Error","details":[{"type":"aiserver.v1.ErrorDetails","value":%q}]}}`,
		code, base64.RawStdEncoding.EncodeToString(value))
}

func fixtures(t *testing.T) []fixture {
	t.Helper()
	var all []fixture
	numbered := func(row string, numbers ...int32) {
		for _, number := range numbers {
			details := &agentv1.AiErrorDetails{Error: number, Details: &agentv1.AiCustomErrorDetails{Title: "Title", Detail: "Detail."}}
			all = append(all, fixture{row, fmt.Sprint("number ", number), ended(t, detailed(t, "resource_exhausted", details))})
		}
	}
	final := func(row string, numbers ...int32) {
		for _, number := range numbers {
			details := &agentv1.AiErrorDetails{Error: number, Details: &agentv1.AiCustomErrorDetails{
				Title: "Title", Detail: "Detail.", IsRetryable: proto.Bool(false), AdditionalInfo: map[string]string{"providerStatusCode": "400"},
			}}
			all = append(all, fixture{row, fmt.Sprint("final number ", number), ended(t, detailed(t, "unavailable", details))})
		}
	}
	coded := func(row, message string, codes ...string) {
		for _, code := range codes {
			all = append(all, fixture{row, code + " " + message, ended(t, fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, code, message))})
		}
	}
	finally := func(row string, codes ...string) {
		for _, code := range codes {
			details := &agentv1.AiErrorDetails{Details: &agentv1.AiCustomErrorDetails{Title: "No", IsRetryable: proto.Bool(false)}}
			all = append(all, fixture{row, "final " + code, ended(t, detailed(t, code, details))})
		}
	}

	all = append(all, fixture{"agent: outdated client, in words", "as a rate limit", ended(t, string(vectorOf(t, "end-outdated")[headLen:]))})
	coded("agent: outdated client, in words", "Please update to the latest version", "failed_precondition", "resource_exhausted", "internal")
	all = append(all, fixture{"agent: HTTP version", "HTTP 464", (&fault.Refusal{Status: 464, Header: http.Header{}}).Failure(failures, secret.Value{})})
	coded("agent: our bug, in words", "No exec result", "internal")
	coded("agent: our bug, in words", "Conversation state is required", "invalid_argument")
	numbered("agent: account blocked", 54, 65)
	coded("agent: account blocked, in words", "Your account has been suspended", "permission_denied")
	numbered("agent: region", 64)
	coded("agent: region, in words", "Model provider not supported in your region", "permission_denied", "resource_exhausted")
	numbered("agent: model", 5, 58, 61)
	coded("agent: model", "AI Model Not Found", "not_found")
	numbered("agent: too large", 20, 31, 43)
	numbered("agent: request refused", 24, 26, 27, 36, 60)
	numbered("agent: not in the plan", 4, 23, 44, 45)
	final("agent: provider refuses the request", 57, 56, 59, 63)
	finally("agent: provider refuses the request", "internal", "unavailable", "unknown", "aborted")
	all = append(all, fixture{"agent: provider refuses the request", "its own word", ended(t, string(vectorOf(t, "end-provider-error")[headLen:]))})
	numbered("agent: provider fails", 55, 56, 57, 59, 62, 63)
	coded("agent: exhausted without a word", "Error", "resource_exhausted")
	coded("agent: limit, in words", "Too many requests", "internal", "unavailable", "unknown", "aborted")
	coded("agent: connection", "Error", "unavailable", "deadline_exceeded", "aborted")

	large := play(t)
	large.window = 8
	large.end([]byte(`{"error":{"code":"resource_exhausted","message":"Error"}}`))
	all = append(all, fixture{"agent: too large", "exhausted by a large prompt", large.failure})
	insisting := play(t)
	for id := range uint32(maxRefusals) {
		insisting.comes(asks(&agentv1.ExecServerMessage{Id: id}))
	}
	all = append(all, fixture{"agent: insists on native tools", "twelve questions", insisting.failure})

	// Rows of the older protocol that go on.
	numbered("limit", 7, 8, 14, 22, 28, 34, 41, 50, 51)
	numbered("quota", 9, 10, 15)
	numbered("token refused", 2, 3, 11, 12, 18, 38)
	coded("token refused", "Error", "unauthenticated")
	coded("limit: quota", "You've hit your usage limit", "resource_exhausted")
	coded("bad request", "unknown option '--system-prompt'", "invalid_argument")
	return all
}

// Each row of this protocol has a fixture that it decides, and so has each name in it.
func TestFailures(t *testing.T) {
	t.Parallel()
	classes, decided := map[string]upstream.Class{}, map[string]bool{}
	for _, row := range failures {
		if _, twice := classes[row.Name]; twice {
			t.Errorf("two rows are named %q", row.Name)
		}
		classes[row.Name] = row.Class
	}
	for _, f := range fixtures(t) {
		if f.failure.Rule != f.row || f.failure.Class != classes[f.row] || f.failure.Message == "" {
			t.Errorf("%s: decided by %q, not %q: %v", f.title, f.failure.Rule, f.row, f.failure)
		}
		decided[f.row] = true
		decided[f.row+" "+strings.ToLower(f.failure.Code)] = true
		if strings.HasPrefix(f.title, "final ") {
			decided[f.row+" "+strings.ToLower(f.failure.Code)+fault.Final] = true
		}
	}
	for _, row := range failures {
		if !strings.HasPrefix(row.Name, "agent: ") {
			continue
		}
		if !decided[row.Name] {
			t.Errorf("row %q has no fixture", row.Name)
		}
		for _, name := range row.Names {
			if row.Text == nil && !strings.HasPrefix(name, "(") && !decided[row.Name+" "+name] {
				t.Errorf("row %q has no fixture for %s", row.Name, name)
			}
		}
	}
}

// What an upstream says may hold the token.
func TestFailuresHideTheToken(t *testing.T) {
	t.Parallel()
	s := play(t)
	s.secret = secret.New("key-0123456789abcdef")
	s.end([]byte(`{"error":{"code":"unauthenticated","message":"bad token key-0123456789abcdef"}}`))
	if strings.Contains(s.failure.Error(), "key-0123456789abcdef") || s.failure.Class != upstream.Auth {
		t.Error(s.failure)
	}
}

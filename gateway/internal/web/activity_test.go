package web_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A change is one row, however many entries it has, and can be undone from it while that
// is possible.
func TestActivityOffersToUndoChanges(t *testing.T) {
	t.Parallel()
	ago := func(age time.Duration) *timestamppb.Timestamp { return timestamppb.New(time.Now().Add(-age)) }
	entry := func(age time.Duration, request, action string, undoable bool, details ...string) *tokenstorev1.AuditEntry {
		named := map[string]string{}
		for i := 0; i < len(details); i += 2 {
			named[details[i]] = details[i+1]
		}
		return &tokenstorev1.AuditEntry{At: ago(age), RequestId: request, Action: action, Undoable: undoable, Details: named}
	}
	site := newSite(t, &store{answers: []proto.Message{&tokenstorev1.ListUpstreamsResponse{}, &tokenstorev1.ListAuditResponse{Entries: []*tokenstorev1.AuditEntry{
		entry(time.Minute, "r6", "change undone", false, "change", "r3", "failed", "0", "count", "1"),
		entry(2*time.Minute, "r5", "tokens deleted", true, "count", "1000"),
		entry(2*time.Minute, "r5", "tokens deleted", true, "count", "1000"),
		entry(2*time.Minute, "r5", "tokens deleted", true, "count", "500"),
		entry(3*time.Minute, "r4", "token deleted", true, "token_id", "t1"),
		entry(4*time.Minute, "r3", "settings changed", true, "fields", "max_attempts"),
		entry(2*time.Hour, "r2", "tokens deleted", true, "count", "7"),
		entry(3*time.Hour, "r1", "settings reset", true, "fields", "max_attempts"),
	}}}})
	page := parse(t, site.get(t, "/admin/activity").Body)
	var offered []string
	for _, button := range page.all(func(n *html.Node) bool { return attribute(n, "data-undo") != "" }) {
		offered = append(offered, attribute(button, "data-undo"))
	}
	if got := strings.Join(offered, ","); got != "r5,r4,r1" {
		t.Errorf("offers to undo %s", got)
	}
	shown := text(page.byID("audit"))
	if !strings.Contains(shown, "2500") || strings.Contains(shown, "1000") || strings.Count(shown, "Tokens deleted") != 2+1 { // one is the button's name
		t.Errorf("shown %q", shown)
	}
	if links := page.all(func(n *html.Node) bool { return attribute(n, "href") == "/admin/tokens/t1" }); len(links) > 0 {
		t.Error("a link leads to a token that is deleted")
	}
}

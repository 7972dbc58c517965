package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Of what was deleted within a day, each token that is not back can be brought back, once: by
// itself, and with all that were deleted together.
func TestDeletedTokensCanBeBroughtBack(t *testing.T) {
	t.Parallel()
	s := withActivity(
		done(time.Minute, "r9", "token deleted", true, "token_id", "t1", "name", "anna"),
		done(2*time.Minute, "r8", "token restored", false, "token_id", "t1", "name", "anna"),
		done(3*time.Minute, "r7", "token restored", false, "token_id", "t4", "name", "dora"),
		done(4*time.Minute, "r6", "change undone", false, "change", "r3", "failed", "0"),
		done(5*time.Minute, "r5", "tokens deleted", true, "count", "2"),
		done(5*time.Minute, "r5", "tokens deleted", true, "count", "1"),
		done(6*time.Minute, "r4", "token deleted", true, "token_id", "t1", "name", "anna"),
		done(7*time.Minute, "r3", "tokens deleted", true, "count", "7"),
		done(8*time.Minute, "r2", "token deleted", true, "token_id", "t9"),
		done(9*time.Minute, "r1", "settings changed", true),
	)
	s.answers = append(s.answers, &tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{
		{Deleted: []string{"t2", "t3"}, Names: map[string]string{"t2": "bo", "t3": "carl"}}, {Deleted: []string{"t4"}},
	}})
	page := parse(t, newSite(t, s).get(t, "/admin/tokens/deleted").Body)
	var ids []string
	for _, field := range page.all(func(n *html.Node) bool { return attribute(n, "name") == "id" }) {
		ids = append(ids, attribute(field, "value"))
	}
	if diff := cmp.Diff([]string{"t1", "t2", "t3", "t9"}, ids); diff != "" {
		t.Error(diff)
	}
	if got := page.attributes("data-undo"); got != "r5" {
		t.Errorf("all of %s can be brought back", got)
	}
	for _, want := range []string{"anna", "2 accounts", "bo", "carl", "t9"} {
		if shown := text(page.byID("audit")); !strings.Contains(shown, want) {
			t.Errorf("%q is missing in %q", want, shown)
		}
	}
	asked := last[*tokenstorev1.ListActivityRequest](t, s)
	if since := time.Since(asked.GetFrom().AsTime()); since < 24*time.Hour || since > 25*time.Hour {
		t.Errorf("asked for what was done in %s", since)
	}
}

func TestTokenIsBroughtBackWithoutScripts(t *testing.T) {
	t.Parallel()
	s := withActivity()
	s.answers = append([]proto.Message{&tokenstorev1.RestoreTokenResponse{Token: &tokenstorev1.Token{Id: "t1", Alias: "a&b"}}}, s.answers...)
	site := newSite(t, s)
	if w := site.submit(t, "/admin/tokens/deleted", url.Values{"id": {"t1"}}); w.code != http.StatusForbidden {
		t.Errorf("without a proof: %d", w.code)
	}
	w := site.submit(t, "/admin/tokens/deleted", url.Values{"csrf": {site.session.CSRF}, "id": {"t1"}})
	if w.code != http.StatusSeeOther || w.location != "/admin/tokens/deleted?restored=a%26b" {
		t.Fatalf("%d, then %s", w.code, w.location)
	}
	if asked := last[*tokenstorev1.RestoreTokenRequest](t, s); asked.GetId() != "t1" {
		t.Errorf("asked %v", asked)
	}
	page := parse(t, site.get(t, w.location).Body)
	if said := text(page.byID("restored")); !strings.Contains(said, "a&b is back.") {
		t.Errorf("says %q", said)
	}
}

func TestNothingIsDeleted(t *testing.T) {
	t.Parallel()
	page := parse(t, newSite(t, withActivity()).get(t, "/admin/tokens/deleted").Body)
	if said := text(page.byID("audit")); !strings.Contains(said, "Nothing was deleted") {
		t.Errorf("says %q", said)
	}
}

package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
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
	s.answers = append(s.answers, &tokenstorev1.ListTokensResponse{})
	page := parse(t, newSite(t, s).get(t, "/admin/tokens/deleted").Body)
	if diff := cmp.Diff([]string{"t1", "t2", "t3", "t9"}, restorableIDs(page)); diff != "" {
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

// restorableIDs are of the tokens that a page offers to bring back by themselves.
func restorableIDs(page document) []string {
	var ids []string
	for _, field := range page.all(func(n *html.Node) bool { return attribute(n, "name") == "id" }) {
		ids = append(ids, attribute(field, "value"))
	}
	return ids
}

// What is back is not listed, however it came back, and an undo that could do no more is none that
// failed.
func TestTokensThatAreBackAreNotDeleted(t *testing.T) {
	t.Parallel()
	s := withActivity(
		done(time.Minute, "r6", "change undone", false, "change", "r1", "failed", "3"),
		done(2*time.Minute, "r5", "change undone", false, "change", "r1", "failed", "0"),
		done(3*time.Minute, "r4", "change undone", false, "change", "r2", "failed", "1"),
		done(4*time.Minute, "r3", "token deleted", true, "token_id", "t4", "name", "dora"),
		done(5*time.Minute, "r2", "tokens deleted", true, "count", "3"),
		done(6*time.Minute, "r1", "tokens deleted", true, "count", "3"),
	)
	s.answers = append(s.answers,
		&tokenstorev1.GetUndoResponse{Undo: []*tokenstorev1.AuditUndo{{Deleted: []string{"t1", "t2", "t3"}}}},
		&tokenstorev1.ListTokensResponse{Tokens: []*tokenstorev1.Token{{Id: "t1"}, {Id: "t3"}, {Id: "t4"}}})
	page := parse(t, newSite(t, s).get(t, "/admin/tokens/deleted").Body)
	if diff := cmp.Diff([]string{"t2"}, restorableIDs(page)); diff != "" {
		t.Error(diff)
	}
	if got := page.attributes("data-undo"); got != "r2" {
		t.Errorf("all of %s can be brought back", got)
	}
	asked := last[*tokenstorev1.ListTokensRequest](t, s)
	if diff := cmp.Diff([]string{"t1", "t2", "t3", "t4"}, asked.GetIds()); diff != "" {
		t.Error(diff)
	}
}

// Nothing is left out without a word.
func TestDeletedPageTellsWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	const partial, lost, more = "More has happened than this page looks at", "no longer kept", "are not named here"
	many := func(n int, action string, undoable bool) []*tokenstorev1.Activity {
		var activities []*tokenstorev1.Activity
		for i := range n {
			activities = append(activities, done(time.Minute, fmt.Sprint("r", i), action, undoable, "token_id", fmt.Sprint("t", i), "count", "7"))
		}
		return activities
	}
	ids := make([]string, 250)
	for i := range ids {
		ids[i] = fmt.Sprint("d", i)
	}
	bulk := done(time.Second, "bulk", "tokens deleted", true, "count", "250")
	for name, c := range map[string]struct {
		activities []*tokenstorev1.Activity
		undo       []string
		named      int
		said       []string
	}{
		"200 names":           {many(200, "token deleted", true), nil, 200, nil},
		"201 names":           {many(201, "token deleted", true), nil, 200, []string{partial}},
		"250 at once":         {[]*tokenstorev1.Activity{bulk}, ids, 200, []string{more}},
		"and one":             {append([]*tokenstorev1.Activity{bulk}, many(1, "token deleted", true)...), ids, 200, []string{partial, more}},
		"ten changes":         {many(10, "tokens deleted", false), nil, 0, []string{lost, "7 accounts"}},
		"eleven changes":      {many(11, "tokens deleted", false), nil, 0, []string{partial, lost}},
		"what they were":      {many(1, "tokens deleted", true), nil, 0, []string{lost, "7 accounts"}},
		"of two parts of one": {append(many(1, "tokens deleted", true), many(1, "tokens deleted", true)...), nil, 0, []string{lost, "14 accounts"}},
	} {
		s := withActivity(c.activities...)
		undo := &tokenstorev1.GetUndoResponse{}
		if c.undo != nil {
			undo.Undo = []*tokenstorev1.AuditUndo{{Deleted: c.undo}}
		}
		s.answers = append(s.answers, undo, &tokenstorev1.ListTokensResponse{})
		page := parse(t, newSite(t, s).get(t, "/admin/tokens/deleted").Body)
		if named := len(restorableIDs(page)); named != c.named {
			t.Errorf("%s: %d are named, want %d", name, named, c.named)
		}
		shown := text(page.byID("audit"))
		for _, told := range []string{partial, lost, more} {
			if strings.Contains(shown, told) != slices.Contains(c.said, told) {
				t.Errorf("%s: %q is said: %t", name, told, strings.Contains(shown, told))
			}
		}
		for _, want := range c.said {
			if !strings.Contains(shown, want) {
				t.Errorf("%s: %q is missing", name, want)
			}
		}
		if offered := page.attributes("data-undo") != ""; offered != (c.undo != nil) {
			t.Errorf("%s: all can be brought back: %t", name, offered)
		}
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

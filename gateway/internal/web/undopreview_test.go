package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// What an undo would take back is shown before it is done, without a script, and the very same is
// done then.
func TestUndoIsPreviewed(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	page := parse(t, site.get(t, "/admin/activity/undo?class=auth&upstream=cursor&from=2026-01-31T11:00").Body)
	asked := site.store.asked[0].(*tokenstorev1.PreviewUndoRequest)
	if asked.GetClass() != "auth" || asked.GetUpstream() != "cursor" || asked.GetFrom().AsTime().Format("15:04") != "11:00" || asked.GetTo() == nil {
		t.Errorf("asked %v", asked)
	}
	said := text(page.byID("undo-preview"))
	for _, shown := range []string{"401 tokens come back (412 changes)", "Token refused · cursor", hostile, "as a whole for 2 models", "2026-01-31 12:00:00 UTC"} {
		if !strings.Contains(said, shown) {
			t.Errorf("%q is not shown: %s", shown, said)
		}
	}
	form := url.Values{}
	for _, field := range page.all(func(n *html.Node) bool {
		return n.Data == "input" && slices.Contains([]string{"csrf", "class", "upstream", "from", "to"}, attribute(n, "name"))
	}) {
		form.Set(attribute(field, "name"), attribute(field, "value"))
	}
	got := site.submit(t, "/admin/activity/undo", form)
	if got.code != http.StatusSeeOther || got.location != "/admin/activity?undone=412" {
		t.Errorf("%d, then %s", got.code, got.location)
	}
	done, _ := site.store.asked[len(site.store.asked)-1].(*tokenstorev1.UndoTransitionsRequest)
	if done.GetClass() != "auth" || done.GetUpstream() != "cursor" || !done.GetFrom().AsTime().Equal(asked.GetFrom().AsTime()) || done.GetTo().AsTime().Sub(asked.GetTo().AsTime()).Abs().Milliseconds() > 1 {
		t.Errorf("done %v, asked before %v", done, asked)
	}
	if !slices.Equal(site.store.kept, []string{"transitions undone"}) || site.store.details["count"] != "412" {
		t.Errorf("audited %v %v", site.store.kept, site.store.details)
	}
	if said := text(parse(t, site.get(t, got.location).Body).byID("undone")); said != "Changes undone: 412" {
		t.Errorf("said %q", said)
	}
}

func TestUndosThatAreNone(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	for _, query := range []string{"", "class=auth", "from=2026-01-31T11:00", "class=auth&from=today"} {
		if w := site.get(t, "/admin/activity/undo?"+query); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
	if got := site.submit(t, "/admin/activity/undo", url.Values{"class": {"auth"}, "from": {"2026-01-31T11:00"}}); got.code != http.StatusForbidden {
		t.Errorf("of another site: %d", got.code)
	}
	if len(site.store.kept) > 0 {
		t.Errorf("audited %v", site.store.kept)
	}
}

package web_test

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// An alarm leads to the requests that failed, and is quiet once somebody knows of it.
func TestAlarms(t *testing.T) {
	t.Parallel()
	s := full()
	s.answers = append([]proto.Message{&tokenstorev1.SummarizePoolsResponse{Pools: []*tokenstorev1.PoolState{{Upstream: "cursor", Ready: 1, Causes: []*tokenstorev1.SharedCause{
		{Class: "upstream", Model: "m", Since: moment}, {Class: "auth", Since: moment, AcknowledgedAt: timestamppb.New(later)},
	}}}}}, s.answers...)
	page := parse(t, newSite(t, s).get(t, "/admin/").Body)
	alarms := page.all(func(n *html.Node) bool { return strings.HasPrefix(attribute(n, "data-key"), "alarm-") })
	if len(alarms) != 2 || len(alerts(document{alarms[0]})) != 1 || len(alerts(document{alarms[1]})) != 0 {
		t.Fatalf("%d alarms", len(alarms))
	}
	if said := text(page.byID("alarms")); said != "1 alarm" {
		t.Errorf("the bar says %q", said)
	}
	if said := text(alarms[0]); !strings.HasSuffix(said, "Show its requests cursor Acknowledge") {
		t.Errorf("said %q", said)
	}
	if said := text(alarms[1]); !strings.Contains(said, "Acknowledged 2026-01-31 13:00:00 UTC") || !strings.HasSuffix(said, "Show its requests cursor") {
		t.Errorf("of one that somebody knows of: %q", said)
	}
	for i, alarm := range alarms {
		links := document{alarm}.named("a")
		if want := "/admin/logs?from=2026-01-31T11%3A59%3A00&status=failure&upstream=cursor"; attribute(links[0], "href") != want {
			t.Errorf("%d leads to %q", i, attribute(links[0], "href"))
		}
	}
}

func TestAcknowledgeAnAlarm(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	cookie := site.session.Cookie(httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)).String()
	form := url.Values{"csrf": {site.session.CSRF}, "upstream": {"cursor"}, "class": {"auth"}, "model": {"m"}}
	w := site.post(t, "/admin/alarms/acknowledge", form, "Cookie", cookie)
	if w.Code != 303 || w.Header().Get("Location") != "/admin/" {
		t.Fatalf("%d to %q", w.Code, w.Header().Get("Location"))
	}
	asked := last[*tokenstorev1.AcknowledgeCauseRequest](t, site.store)
	if want := (&tokenstorev1.AcknowledgeCauseRequest{Upstream: "cursor", Class: "auth", Model: "m"}); !proto.Equal(asked, want) {
		t.Errorf("asked %v", asked)
	}
	if !slices.Equal(site.store.kept, []string{"alarm acknowledged"}) || site.store.details["class"] != "auth" {
		t.Errorf("kept %q, %v", site.store.kept, site.store.details)
	}
	form.Set("csrf", "another")
	if w := site.post(t, "/admin/alarms/acknowledge", form, "Cookie", cookie); w.Code != 403 || len(site.store.kept) != 1 {
		t.Errorf("from another page: %d", w.Code)
	}
}

// The number of alarms is on every page, and is not asked for by each.
func TestAlarmsAreCounted(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	for _, path := range []string{"/admin/settings", "/admin/keys", "/admin/logs"} {
		if said := text(parse(t, site.get(t, path).Body).byID("alarms")); said != "2 alarms" {
			t.Errorf("%s says %q", path, said)
		}
	}
	if away := parse(t, newSite(t, empty()).get(t, "/admin/settings").Body); away.byID("alarms") != nil {
		t.Error("an alarm without a cause")
	}
}

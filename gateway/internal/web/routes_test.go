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
	"google.golang.org/protobuf/testing/protocmp"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var (
	hostileRoute = &tokenstorev1.Route{
		Name: "fast", Match: hostile, Version: 3,
		Targets: []*tokenstorev1.RouteTarget{{Upstream: "cursor", Model: hostile, Weight: 3}, {Upstream: hostile, Priority: 1, Weight: 1}},
		Parameters: []*tokenstorev1.RouteParameter{
			{Name: "reasoning_effort", Value: `"low"`}, {Name: "temperature", Value: "0.2", OnlyDefault: true}, {Name: hostile, Value: hostile},
		},
	}
	familyRoute = &tokenstorev1.Route{Name: "family", Match: "m*", Version: 1, Targets: []*tokenstorev1.RouteTarget{{Upstream: "cursor", Weight: 1}}}
)

// submit sends a form as the browser does that is logged in.
func (s *site) submit(t *testing.T, path string, form url.Values) *answer {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.RemoteAddr = "192.0.2.1:1234"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(s.session.Cookie(r))
	w := s.send(r)
	return &answer{w.Code, w.Header().Get("Location"), parse(t, w.Body)}
}

type answer struct {
	code     int
	location string
	page     document
}

// filled is a form as it is sent from the page.
func (s *site) filled() url.Values {
	return url.Values{
		"csrf": {s.session.CSRF}, "name": {"fast"}, "match": {"quick"}, "version": {"3"},
		"upstream": {"cursor", "", "vendor", ""}, "model": {"m1", "", "", ""}, "priority": {"0", "0", "2", "0"}, "weight": {"3", "1", "", "1"},
		"value_reasoning_effort": {"low"}, "when_reasoning_effort": {"always"}, "value_temperature": {"0.2"}, "when_temperature": {"default"},
		"value_verbosity": {""}, "when_verbosity": {"always"},
	}
}

func TestRoutesPage(t *testing.T) {
	t.Parallel()
	page := parse(t, newSite(t, full()).get(t, "/admin/routes?saved=fast").Body)
	for _, shown := range []string{hostile, "cursor / " + hostile, "priority 0, weight 3", "Reasoning effort low", "Temperature 0.2 where the client says nothing", "There is no upstream " + hostile, "alias"} {
		if told := text(page.byID("route-fast")); !strings.Contains(told, shown) {
			t.Errorf("%q is not in it: %s", shown, told)
		}
	}
	for _, shown := range []string{"pattern", "m*", "Upstreams list these models, too; requests for them go by this route: m1, m2."} {
		if told := text(page.byID("route-family")); !strings.Contains(told, shown) {
			t.Errorf("%q is not in it: %s", shown, told)
		}
	}
	if said := text(page.byID("saved")); said != "The route fast is saved. All gateways have it within a second." {
		t.Errorf("said %q", said)
	}
	if links := page.all(func(n *html.Node) bool { return attribute(n, "href") == "/admin/why?model="+url.QueryEscape(hostile) }); len(links) > 1 {
		t.Errorf("%d links to why", len(links))
	}
}

func TestARouteIsSaved(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	got := site.submit(t, "/admin/routes/edit", site.filled())
	if got.code != http.StatusSeeOther || got.location != "/admin/routes?saved=fast" {
		t.Fatalf("%d to %q: %s", got.code, got.location, text(got.page.root))
	}
	want := &tokenstorev1.PutRouteRequest{ExpectedVersion: 3, Route: &tokenstorev1.Route{
		Name: "fast", Match: "quick",
		Targets:    []*tokenstorev1.RouteTarget{{Upstream: "cursor", Model: "m1", Weight: 3}, {Upstream: "vendor", Priority: 2, Weight: 1}},
		Parameters: []*tokenstorev1.RouteParameter{{Name: "reasoning_effort", Value: `"low"`}, {Name: "temperature", Value: "0.2", OnlyDefault: true}},
	}}
	if diff := cmp.Diff([]proto.Message{&tokenstorev1.ListRoutesRequest{}, want}, site.store.asked, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"route put"}, site.store.kept); diff != "" {
		t.Error(diff)
	}
}

func TestARouteIsDeleted(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	got := site.submit(t, "/admin/routes/delete", url.Values{"csrf": {site.session.CSRF}, "name": {"fast"}, "version": {"3"}})
	want := &tokenstorev1.DeleteRouteRequest{Name: "fast", ExpectedVersion: 3}
	if diff := cmp.Diff([]proto.Message{&tokenstorev1.ListRoutesRequest{}, want}, site.store.asked, protocmp.Transform()); diff != "" || got.code != http.StatusSeeOther || got.location != "/admin/routes?deleted=fast" {
		t.Errorf("%d to %q: %s", got.code, got.location, diff)
	}
}

// What can't be saved comes back as it was filled in, with a sentence.
func TestARouteThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(url.Values)
		status int
		says   string
	}{
		"no target":    {func(f url.Values) { f["upstream"], f["model"] = nil, nil }, 400, "at least one target"},
		"a weight":     {func(f url.Values) { f["weight"] = []string{"heavy"} }, 400, "Target 1: priority and weight"},
		"a number":     {func(f url.Values) { f.Set("value_temperature", "warm") }, 400, "Temperature must be a number."},
		"a taken name": {func(f url.Values) { f.Set("new", "1") }, 409, "There is a route fast already"},
	} {
		site := newSite(t, full())
		form := site.filled()
		c.change(form)
		got := site.submit(t, "/admin/routes/edit", form)
		if said := text(got.page.byID("problem")); got.code != c.status || !strings.Contains(said, c.says) {
			t.Errorf("%s: %d %s", name, got.code, said)
		}
		if field := got.page.byID("r-match"); attribute(field, "value") != "quick" {
			t.Errorf("%s: what was filled in is lost", name)
		}
		for _, asked := range site.store.asked {
			if _, put := asked.(*tokenstorev1.PutRouteRequest); put {
				t.Errorf("%s: it was put", name)
			}
		}
		checkPage(t, name, got.page, "en")
	}
}

// Whoever has changed it meanwhile is not overwritten unseen.
func TestARouteThatOthersHaveChanged(t *testing.T) {
	t.Parallel()
	s := full()
	s.refuse = map[string]error{"PutRouteRequest": rpcerr.New(tokenstorev1.Reason_REASON_VERSION_CONFLICT, "version 2 is not 3").GRPCStatus().Err()}
	site := newSite(t, s)
	form := site.filled()
	form.Set("version", "2")
	got := site.submit(t, "/admin/routes/edit", form)
	versions := got.page.all(func(n *html.Node) bool { return attribute(n, "name") == "version" })
	if said := text(got.page.byID("problem")); got.code != http.StatusConflict || !strings.Contains(said, "Somebody has changed this route") {
		t.Errorf("%d %s", got.code, said)
	}
	if len(versions) != 1 || attribute(versions[0], "value") != "3" {
		t.Error("saving again would fail again")
	}
}

func TestMoreTargets(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	form := site.filled()
	form.Set("more", "1")
	got := site.submit(t, "/admin/routes/edit", form)
	if lines := got.page.named("fieldset"); got.code != 200 || len(got.page.all(func(n *html.Node) bool { return attribute(n, "name") == "upstream" })) != 4 {
		t.Errorf("%d, %d fieldsets", got.code, len(lines))
	}
	if chosen := got.page.byID("r-upstream-2"); text(chosen) != "– vendor cursor" {
		t.Errorf("choices %q", text(chosen))
	}
}

func TestRoutesNeedThisSessionsForm(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/admin/routes/edit", "/admin/routes/delete"} {
		site := newSite(t, full())
		form := site.filled()
		form.Set("csrf", "wrong")
		if got := site.submit(t, path, form); got.code != http.StatusForbidden {
			t.Errorf("%s, wrong csrf: %d", path, got.code)
		}
		if w := site.post(t, path, form); w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/admin/login") {
			t.Errorf("%s, without a session: %d", path, w.Code)
		}
		if len(site.store.asked) > 0 {
			t.Errorf("%s: asked %v", path, site.store.asked)
		}
	}
}

func TestARouteThatIsGone(t *testing.T) {
	t.Parallel()
	w := newSite(t, full()).get(t, "/admin/routes/edit?name=slow")
	if said := text(parse(t, w.Body).named("main")[0]); w.Code != 404 || !strings.Contains(said, "There is no route slow.") {
		t.Errorf("%d %s", w.Code, said)
	}
}

// later is when a token comes back.
var later = moment.AsTime().Add(time.Hour)

package web_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func activityOf(entry *tokenstorev1.AuditEntry) *tokenstorev1.Activity {
	return &tokenstorev1.Activity{What: &tokenstorev1.Activity_Entry{Entry: entry}}
}

// happened is something that happened to a token some time ago.
func happened(age time.Duration, id, name string, transition *tokenstorev1.Transition) *tokenstorev1.Activity {
	transition = proto.CloneOf(transition)
	transition.At = timestamppb.New(time.Now().Add(-age))
	return &tokenstorev1.Activity{What: &tokenstorev1.Activity_Event{Event: &tokenstorev1.TokenEvent{
		Transition: transition, Upstream: "cursor", TokenId: id, TokenName: name,
	}}}
}

func done(age time.Duration, request, action string, undoable bool, details ...string) *tokenstorev1.Activity {
	named := map[string]string{}
	for i := 0; i < len(details); i += 2 {
		named[details[i]] = details[i+1]
	}
	return activityOf(&tokenstorev1.AuditEntry{At: timestamppb.New(time.Now().Add(-age)), RequestId: request, Action: action, Undoable: undoable, Details: named})
}

// withActivity is a store of which the activity page shows these.
func withActivity(activities ...*tokenstorev1.Activity) *store {
	return &store{answers: []proto.Message{&tokenstorev1.ListUpstreamsResponse{}, &tokenstorev1.ListActivityResponse{Activities: activities}}}
}

// attributes are those of all elements that have them, joined.
func (d document) attributes(name string) string {
	var values []string
	for _, node := range d.all(func(n *html.Node) bool { return attribute(n, name) != "" }) {
		values = append(values, attribute(node, name))
	}
	return strings.Join(values, ",")
}

// A change is one row, however many entries it has, and can be undone from it while that
// is possible.
func TestActivityOffersToUndoChanges(t *testing.T) {
	t.Parallel()
	site := newSite(t, withActivity(
		done(time.Minute, "r6", "change undone", false, "change", "r3", "failed", "0", "count", "1"),
		done(2*time.Minute, "r5", "tokens deleted", true, "count", "1000"),
		done(2*time.Minute, "r5", "tokens deleted", true, "count", "1000"),
		done(2*time.Minute, "r5", "tokens deleted", true, "count", "500"),
		done(3*time.Minute, "r4", "token deleted", true, "token_id", "t1", "name", "anna"),
		done(4*time.Minute, "r3", "settings changed", true, "fields", "max_attempts, alias"),
		done(23*time.Hour, "r2", "tokens deleted", true, "count", "7"),
		done(25*time.Hour, "r1", "tokens deleted", true, "count", "7"),
		done(99*time.Hour, "r0", "settings reset", true, "fields", "max_attempts"),
	))
	page := parse(t, site.get(t, "/admin/activity").Body)
	if got := page.attributes("data-undo"); got != "r5,r4,r2,r0" {
		t.Errorf("offers to undo %s", got)
	}
	shown := text(page.byID("audit"))
	for _, want := range []string{"Tokens deleted: 2500", "Attempts per request , Alias", "anna"} {
		if !strings.Contains(strings.ReplaceAll(shown, "2,500", "2500"), want) {
			t.Errorf("%q is not shown: %q", want, shown)
		}
	}
	if strings.Contains(shown, "1,000") || strings.Contains(shown, "t1") {
		t.Errorf("shown %q", shown)
	}
	if links := page.all(func(n *html.Node) bool { return attribute(n, "href") == "/admin/tokens/t1" }); len(links) > 0 {
		t.Error("a link leads to a token that is deleted")
	}
	if links := page.all(func(n *html.Node) bool { return attribute(n, "href") == "/admin/activity/r5" }); len(links) != 1 {
		t.Error("what was deleted can't be opened")
	}
}

// What happened alike to tokens at a time is one row, with its undo while that still holds for one
// of them.
func TestEventsOfAKindAreOneRow(t *testing.T) {
	t.Parallel()
	cooled, parked := &tokenstorev1.Transition{Kind: "cooling", Class: "rate_limit"}, &tokenstorev1.Transition{Kind: "parked", Class: "auth"}
	site := newSite(t, withActivity(
		happened(0, "t1", "anna", &tokenstorev1.Transition{Kind: "recovered", Class: "rate_limit"}),
		happened(time.Second, "t9", "", &tokenstorev1.Transition{Kind: "released", By: "admin"}),
		happened(10*time.Second, "t1", "anna", cooled),
		happened(20*time.Second, "t2", "bo", cooled),
		happened(30*time.Second, "t1", "anna", cooled),
		happened(2*time.Minute, "t3", "", cooled),
		happened(3*time.Minute, "t9", "", parked),
		happened(25*time.Hour, "t4", "", parked),
	))
	page := parse(t, site.get(t, "/admin/activity").Body)
	var said []string
	for _, head := range page.all(func(n *html.Node) bool { return n.Data == "th" && attribute(n, "scope") == "row" }) {
		said = append(said, strings.Join(strings.Fields(strings.SplitN(text(head), " Undo", 2)[0]), " "))
	}
	if got := strings.Join(said, ","); got != "Serves again,Cooled: 2,Cooled,Parked,Parked" {
		t.Errorf("the rows are %s", got)
	}
	undone := page.all(func(n *html.Node) bool {
		return strings.HasPrefix(attribute(n, "href"), "/admin/activity/undo?class=rate_limit&upstream=")
	})
	if len(undone) != 2 { // t9 was brought back, t4 is long ago
		t.Errorf("%d can be undone", len(undone))
	}
	shown := text(page.byID("audit"))
	if !strings.Contains(shown, "bo") || !strings.Contains(shown, "t3") || !strings.Contains(shown, "By itself") {
		t.Errorf("shown %q", shown)
	}
}

// Of many tokens some are shown, the others are folded away; all of them are there.
func TestARowOfManyTokens(t *testing.T) {
	t.Parallel()
	var activities []*tokenstorev1.Activity
	for _, id := range strings.Split("abcdefgh", "") {
		activities = append(activities, happened(0, id, "token-"+id, &tokenstorev1.Transition{Kind: "cooling", Class: "quota"}))
	}
	page := parse(t, newSite(t, withActivity(activities...)).get(t, "/admin/activity").Body)
	if links := page.all(func(n *html.Node) bool { return strings.HasPrefix(attribute(n, "href"), "/admin/tokens/") }); len(links) != 8 {
		t.Errorf("%d tokens are there", len(links))
	}
	if shown := text(page.byID("audit")); !strings.Contains(shown, "3 more") {
		t.Errorf("shown %q", shown)
	}
}

// A link from elsewhere has its times with a zone, which a browser's field does not take.
func TestTimesOfActivityStandInTheirFields(t *testing.T) {
	t.Parallel()
	page := parse(t, newSite(t, withActivity()).get(t, "/admin/activity?since=2026-01-31T12:00:00Z").Body)
	if since := attribute(page.byID("f-since"), "value"); since != "2026-01-31T12:00:00" {
		t.Errorf("the field has %q", since)
	}
}

func TestActivityIsFiltered(t *testing.T) {
	t.Parallel()
	s := withActivity()
	page := parse(t, newSite(t, s).get(t, "/admin/activity?source=carousel&kind=parked&account=+anna+&actor=me&since=2026-01-31T12:00&cursor=c1").Body)
	var asked *tokenstorev1.ListActivityRequest
	for _, each := range s.asked {
		if request, ok := each.(*tokenstorev1.ListActivityRequest); ok {
			asked = request
		}
	}
	want := &tokenstorev1.ListActivityRequest{
		Source: tokenstorev1.ActivitySource_ACTIVITY_SOURCE_CAROUSEL, Kind: "parked", Account: "anna", Actor: "me", From: moment, Limit: 100, Cursor: "c1",
	}
	if diff := cmp.Diff(want, asked, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	people := page.all(func(n *html.Node) bool { return attribute(n, "href") != "" && text(n) == "People" })
	if len(people) != 1 || attribute(people[0], "href") != "/admin/activity?account=anna&actor=me&kind=parked&since=2026-01-31T12%3A00&source=people" {
		t.Errorf("the other source is at %v", people)
	}
	if shown := text(page.byID("audit")); !strings.Contains(shown, "Nothing like that") {
		t.Errorf("shown %q", shown)
	}
	if w := newSite(t, withActivity()).get(t, "/admin/activity?since=yesterday"); w.Code != 400 || !strings.Contains(w.Body.String(), "2026-01-31T12:00") {
		t.Errorf("%d", w.Code)
	}
}

// With a tokenstore of before the page shows what admins did, and says that this is all.
func TestActivityOfAnOlderTokenstore(t *testing.T) {
	t.Parallel()
	s := full()
	s.refuse = map[string]error{"ListActivityRequest": status.Error(codes.Unimplemented, "unknown method")}
	w := newSite(t, s).get(t, "/admin/activity")
	page := parse(t, w.Body)
	if w.Code != 200 || page.byID("people-only") == nil || !strings.Contains(text(page.byID("audit")), "Token brought back") {
		t.Errorf("%d %q", w.Code, text(page.byID("main")))
	}
}

// A change opens to what it changed, by name, from what to what.
func TestAChangeOpens(t *testing.T) {
	t.Parallel()
	s := withActivity(done(time.Minute, "r1", "tokens deleted", true, "count", "2"), done(time.Minute, "r2", "login", false))
	s.answers = append(s.answers, &tokenstorev1.GetUndoResponse{At: timestamppb.Now(), Undo: []*tokenstorev1.AuditUndo{{
		Deleted: []string{"t1", "t2"}, Disabled: []string{"t3"}, Names: map[string]string{"t1": "anna", "t3": "bo"},
		Settings: []*tokenstorev1.FormerSetting{
			{Name: "affinity", Value: `"off"`, BecameValue: `"named"`}, {Name: "log_prompts", Value: "true", BecameValue: "false"}, {Name: "default_instructions", Value: `""`, BecameValue: `"Be brief."`},
		},
		Tokens: []*tokenstorev1.FormerToken{{Id: "t3", Fields: []string{"cap"}, Edit: &tokenstorev1.TokenEdit{Cap: 1}, Became: &tokenstorev1.TokenEdit{Cap: 4}}},
	}}})
	page := parse(t, newSite(t, s).get(t, "/admin/activity/r1").Body)
	var rows []string
	for _, row := range page.all(func(n *html.Node) bool {
		return n.Data == "tr" && attribute(n, "role") == "row" && n.Parent.Data == "tbody"
	}) {
		rows = append(rows, strings.Join(strings.Fields(text(row)), " "))
	}
	want := []string{
		"anna Deleted – –", "t2 Deleted – –", "bo Enabled On Off", "bo Cap 1 4",
		"Conversations Changed Go by the rotation Only those that name themselves", "Keep prompts Changed On Off", "Default instructions Changed empty Be brief.",
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	if head := text(page.byID("main")); !strings.Contains(head, "Tokens deleted: 2") || page.attributes("data-undo") != "r1" {
		t.Errorf("%q", head)
	}
	for path, wanted := range map[string]string{"/admin/tokens/t3": "bo", "/admin/settings#setting-affinity": "Conversations"} {
		links := page.all(func(n *html.Node) bool { return attribute(n, "href") == path })
		if len(links) == 0 || text(links[0]) != wanted {
			t.Errorf("%s: %d links", path, len(links))
		}
	}
}

// A change that was undone, however long after, says so and is not offered to be undone.
func TestAChangeThatWasUndone(t *testing.T) {
	t.Parallel()
	s := withActivity(done(0, "r2", "change undone", false, "change", "r1", "failed", "0"), done(time.Minute, "r1", "token changed", true, "token_id", "t1", "name", "anna"))
	s.answers = append(s.answers, &tokenstorev1.GetUndoResponse{At: timestamppb.Now(), Undo: []*tokenstorev1.AuditUndo{{Disabled: []string{"t1"}}}})
	page := parse(t, newSite(t, s).get(t, "/admin/activity/r1").Body)
	if said := text(page.byID("audit")); said != "Undone" || page.attributes("data-undo") != "" {
		t.Errorf("%q", said)
	}
}

func TestAChangeThatIsNotKept(t *testing.T) {
	t.Parallel()
	s := withActivity()
	s.answers = append(s.answers, &tokenstorev1.GetUndoResponse{})
	if w := newSite(t, s).get(t, "/admin/activity/r9", "Accept-Language", "zh"); w.Code != 404 || !strings.Contains(w.Body.String(), "1,000 项更新的更改") {
		t.Errorf("in Chinese it is %d: %s", w.Code, w.Body)
	}
	if w := newSite(t, s).get(t, "/admin/activity/r9"); w.Code != 404 || !strings.Contains(w.Body.String(), "1,000 later changes") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s = withActivity()
	s.err = errors.New("away")
	if w := newSite(t, s).get(t, "/admin/activity/r9"); w.Code < 500 {
		t.Errorf("%d", w.Code)
	}
}

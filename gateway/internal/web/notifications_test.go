package web_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"carousel.internal/gateway/internal/web"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var _ web.Notifications = tokenstorev1.NotificationServiceClient(nil)

func (s *store) GetNotifications(_ context.Context, r *tokenstorev1.GetNotificationsRequest, _ ...grpc.CallOption) (*tokenstorev1.GetNotificationsResponse, error) {
	return ask[*tokenstorev1.GetNotificationsResponse](s, r)
}

func (s *store) PutDestination(_ context.Context, r *tokenstorev1.PutDestinationRequest, _ ...grpc.CallOption) (*tokenstorev1.PutDestinationResponse, error) {
	return ask[*tokenstorev1.PutDestinationResponse](s, r)
}

func (s *store) DeleteDestination(_ context.Context, r *tokenstorev1.DeleteDestinationRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteDestinationResponse, error) {
	return ask[*tokenstorev1.DeleteDestinationResponse](s, r)
}

func (s *store) TestDestination(_ context.Context, r *tokenstorev1.TestDestinationRequest, _ ...grpc.CallOption) (*tokenstorev1.TestDestinationResponse, error) {
	return ask[*tokenstorev1.TestDestinationResponse](s, r)
}

func (s *store) CreateSilence(_ context.Context, r *tokenstorev1.CreateSilenceRequest, _ ...grpc.CallOption) (*tokenstorev1.CreateSilenceResponse, error) {
	return ask[*tokenstorev1.CreateSilenceResponse](s, r)
}

func (s *store) DeleteSilence(_ context.Context, r *tokenstorev1.DeleteSilenceRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteSilenceResponse, error) {
	return ask[*tokenstorev1.DeleteSilenceResponse](s, r)
}

// wantAsked fails unless all of this was asked, in this order.
func wantAsked(t *testing.T, s *site, want ...proto.Message) {
	t.Helper()
	var asked []proto.Message
	for _, each := range s.store.asked {
		if slices.ContainsFunc(want, func(one proto.Message) bool { return proto.MessageName(one) == proto.MessageName(each) }) {
			asked = append(asked, each)
		}
	}
	if diff := cmp.Diff(want, asked, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
}

func someNotifications() *tokenstorev1.GetNotificationsResponse {
	return &tokenstorev1.GetNotificationsResponse{
		Destinations: []*tokenstorev1.Destination{
			{Id: "d1", Name: hostile, Kind: "slack", Severity: "warning", Language: "zh", Alerts: []string{"CarouselPoolDry"}, MaskedUrl: "https://hooks.example/…", HasSecret: true, Version: 3},
			{Id: "d2", Name: "us", Kind: "mail", Severity: "info", Language: "en", Disabled: true, Mail: &tokenstorev1.MailRoute{Server: "m:25", Security: "tls", From: "a@b.c", To: []string{"d@e.f", "g@h.i"}}, Version: 1},
		},
		Alerts: []*tokenstorev1.Alert{
			{Name: "CarouselPoolDry", Severity: "critical", Summary: hostile, Since: moment, FiredAt: moment},
			{Name: "CarouselTokenParked", Severity: "warning", Summary: "parked", Since: moment, Silenced: true, FiredAt: moment},
		},
		Silences:   []*tokenstorev1.Silence{{Id: "s1", Upstream: "cursor", Comment: hostile, Until: moment}},
		Deliveries: []*tokenstorev1.Delivery{{DestinationName: hostile, At: moment, Attempt: 1, Outcome: "failed", Detail: hostile, Firing: 1, Alerts: []string{"CarouselPoolDry"}}},
		AlertNames: []string{"CarouselPoolDry", "CarouselTokenParked"},
	}
}

func TestNotificationsPage(t *testing.T) {
	t.Parallel()
	page := parse(t, newSite(t, full()).get(t, "/admin/notifications?tested=team&failed=it+answered+404").Body)
	for id, shown := range map[string][]string{
		"destination-d1": {hostile, "Slack", "https://hooks.example/…", "Warning", "Pool dry"},
		"destination-d2": {"us", "Mail", "Disabled", "d@e.f, g@h.i", "All"},
		"alerts-now":     {hostile, "Critical", "Fires", "Silenced"},
		"silences":       {"cursor", hostile},
		"deliveries":     {"Failed, is tried again", hostile, "1 firing, 0 over"},
		"tested":         {"team has not taken the test message: it answered 404"},
	} {
		got := text(page.byID(id))
		for _, each := range shown {
			if !strings.Contains(got, each) {
				t.Errorf("%s: %q is not in it: %s", id, each, got)
			}
		}
	}
}

// A form shows the fields of its kind, and never what is secret.
func TestDestinationForms(t *testing.T) {
	t.Parallel()
	for address, fields := range map[string][]string{
		"kind=webhook":  {"d-name", "d-url", "d-secret"},
		"kind=slack":    {"d-name", "d-url"},
		"kind=telegram": {"d-name", "d-url", "d-chat", "d-secret"},
		"kind=mail":     {"d-name", "d-server", "d-security", "d-username", "d-from", "d-to", "d-secret"},
		"kind=pigeon":   {"d-name", "d-url", "d-secret"},
		"id=d2":         {"d-name", "d-server", "d-to"},
	} {
		page := parse(t, newSite(t, full()).get(t, "/admin/notifications/edit?"+address).Body)
		for _, id := range fields {
			if page.byID(id) == nil {
				t.Errorf("%s has no %s", address, id)
			}
		}
		if page.byID("d-url") != nil && (!slices.Contains(fields, "d-url") || attribute(page.byID("d-url"), "value") != "") {
			t.Errorf("%s shows a URL", address)
		}
	}
	if w := newSite(t, full()).get(t, "/admin/notifications/edit?id=d9"); w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
}

func TestDestinationIsSaved(t *testing.T) {
	t.Parallel()
	s := newSite(t, full())
	form := url.Values{
		"csrf": {s.session.CSRF}, "id": {"d1"}, "version": {"3"}, "kind": {"telegram"}, "name": {" team "}, "chat": {"@ops"}, "secret": {"very-secret"}, "severity": {"info"}, "language": {"en"},
		"alerts": {"CarouselPoolDry", "CarouselTokenParked"}, "recoveries": {"1"},
	}
	w := s.submit(t, "/admin/notifications/edit", form)
	if w.code != http.StatusSeeOther || w.location != "/admin/notifications?saved=team" {
		t.Fatalf("%d %s", w.code, w.location)
	}
	secret := "very-secret"
	wantAsked(t, s, &tokenstorev1.PutDestinationRequest{ExpectedVersion: 3, Secret: &secret, Destination: &tokenstorev1.Destination{
		Id: "d1", Name: "team", Kind: "telegram", Severity: "info", Language: "en", Alerts: []string{"CarouselPoolDry", "CarouselTokenParked"}, Chat: "@ops", Version: 3,
	}})
	if !slices.Equal(s.store.kept, []string{"destination changed"}) {
		t.Errorf("kept %q", s.store.kept)
	}
}

// What is refused comes back as it was sent, but for what is secret.
func TestDestinationThatIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, full())
	s.store.refuse = map[string]error{"PutDestinationRequest": rpcerr.New(tokenstorev1.Reason_REASON_INVALID_ARGUMENT, "url: an http or https URL wanted").GRPCStatus().Err()}
	w := s.submit(t, "/admin/notifications/edit", url.Values{"csrf": {s.session.CSRF}, "kind": {"feishu"}, "name": {"ops"}, "url": {"very-secret"}, "secret": {"very-secret"}})
	if w.code != http.StatusBadRequest || !strings.Contains(text(w.page.byID("problem")), "an http or https URL wanted") || attribute(w.page.byID("d-name"), "value") != "ops" {
		t.Errorf("%d %s", w.code, text(w.page.byID("problem")))
	}
	for _, id := range []string{"d-url", "d-secret"} {
		if attribute(w.page.byID(id), "value") != "" {
			t.Errorf("%s is told again", id)
		}
	}
}

func TestSilencesOnThePage(t *testing.T) {
	t.Parallel()
	s := newSite(t, full())
	before := time.Now()
	s.submit(t, "/admin/notifications/silence", url.Values{"csrf": {s.session.CSRF}, "alert": {"CarouselPoolDry"}, "length": {"8h"}, "comment": {"why"}})
	s.submit(t, "/admin/notifications/unsilence", url.Values{"csrf": {s.session.CSRF}, "id": {"s1"}})
	s.submit(t, "/admin/notifications/test", url.Values{"csrf": {s.session.CSRF}, "id": {"d1"}})
	s.submit(t, "/admin/notifications/delete", url.Values{"csrf": {s.session.CSRF}, "id": {"d1"}, "name": {"team"}, "version": {"3"}})
	wantAsked(t, s, &tokenstorev1.DeleteSilenceRequest{Id: "s1"}, &tokenstorev1.TestDestinationRequest{Id: "d1"}, &tokenstorev1.DeleteDestinationRequest{Id: "d1", ExpectedVersion: 3})
	created := s.store.asked[0].(*tokenstorev1.CreateSilenceRequest).GetSilence() //nolint:forcetypeassert // it was asked first
	if until := created.GetUntil().AsTime(); created.GetAlert() != "CarouselPoolDry" || until.Before(before.Add(8*time.Hour)) || until.After(time.Now().Add(8*time.Hour)) {
		t.Errorf("%v", created)
	}
	if !slices.Equal(s.store.kept, []string{"alerts silenced", "silence ended", "destination tested", "destination deleted"}) {
		t.Errorf("kept %q", s.store.kept)
	}
}

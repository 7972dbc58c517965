package adminapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"carousel.internal/gateway/internal/adminapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var _ adminapi.Notifications = tokenstorev1.NotificationServiceClient(nil)

// GetNotifications is a look, which leaves the change to be seen.
func (s *store) GetNotifications(ctx context.Context, r *tokenstorev1.GetNotificationsRequest, _ ...grpc.CallOption) (*tokenstorev1.GetNotificationsResponse, error) {
	return ask[*tokenstorev1.GetNotificationsResponse](ctx, s, r)
}

func (s *store) PutDestination(ctx context.Context, r *tokenstorev1.PutDestinationRequest, _ ...grpc.CallOption) (*tokenstorev1.PutDestinationResponse, error) {
	return change[*tokenstorev1.PutDestinationResponse](ctx, s, r)
}

func (s *store) DeleteDestination(ctx context.Context, r *tokenstorev1.DeleteDestinationRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteDestinationResponse, error) {
	return change[*tokenstorev1.DeleteDestinationResponse](ctx, s, r)
}

func (s *store) TestDestination(ctx context.Context, r *tokenstorev1.TestDestinationRequest, _ ...grpc.CallOption) (*tokenstorev1.TestDestinationResponse, error) {
	return change[*tokenstorev1.TestDestinationResponse](ctx, s, r)
}

func (s *store) CreateSilence(ctx context.Context, r *tokenstorev1.CreateSilenceRequest, _ ...grpc.CallOption) (*tokenstorev1.CreateSilenceResponse, error) {
	return change[*tokenstorev1.CreateSilenceResponse](ctx, s, r)
}

func (s *store) DeleteSilence(ctx context.Context, r *tokenstorev1.DeleteSilenceRequest, _ ...grpc.CallOption) (*tokenstorev1.DeleteSilenceResponse, error) {
	return change[*tokenstorev1.DeleteSilenceResponse](ctx, s, r)
}

var (
	team = &tokenstorev1.Destination{
		Id: "d1", Name: "team", Kind: "slack", Severity: "warning", Language: "en", MaskedUrl: "https://hooks.example/…", HasSecret: true, Version: 3,
	}
	someDelivery      = &tokenstorev1.Delivery{Id: "n1", DestinationId: "d1", DestinationName: "team", At: moment, Attempt: 2, Outcome: "failed", Detail: "it answered 503", Firing: 1, Alerts: []string{"CarouselPoolDry"}}
	someNotifications = []proto.Message{
		&tokenstorev1.GetNotificationsResponse{
			Destinations: []*tokenstorev1.Destination{team}, Deliveries: []*tokenstorev1.Delivery{someDelivery}, AlertNames: []string{"CarouselPoolDry"},
			Alerts: []*tokenstorev1.Alert{{
				Fingerprint: "f1", Name: "CarouselPoolDry", Severity: "critical", Labels: map[string]string{"upstream": "cursor"}, Summary: "s", Description: "d", Since: moment, FiredAt: moment, Told: []string{"d1"},
			}},
			Silences: []*tokenstorev1.Silence{{Id: "s1", Upstream: "cursor", Until: moment, Comment: "we know"}},
		},
		&tokenstorev1.PutDestinationResponse{Destination: team},
		&tokenstorev1.DeleteDestinationResponse{},
		&tokenstorev1.TestDestinationResponse{Delivery: someDelivery},
		&tokenstorev1.CreateSilenceResponse{Silence: &tokenstorev1.Silence{Id: "s1", Alert: "CarouselPoolDry", Until: moment}},
		&tokenstorev1.DeleteSilenceResponse{},
	}
	destinationKeys = []string{"alerts", "chat", "disabled", "has_secret", "id", "kind", "language", "mail", "masked_url", "name", "recoveries", "severity", "version"}
	deliveryKeys    = []string{"alerts", "at", "attempt", "destination_id", "destination_name", "detail", "firing", "id", "outcome", "resolved"}
)

const teamObject = `{"id":"d1","name":"team","kind":"slack","disabled":false,"severity":"warning","alerts":[],"language":"en","recoveries":true,` +
	`"masked_url":"https://hooks.example/…","has_secret":true,"chat":null,"mail":null,"version":3}`

func TestNotificationObjects(t *testing.T) {
	t.Parallel()
	const deliveryObject = `{"id":"n1","destination_id":"d1","destination_name":"team","at":"2026-01-31T12:00:00Z","attempt":2,"outcome":"failed","detail":"it answered 503",` +
		`"firing":1,"resolved":0,"alerts":["CarouselPoolDry"]}`
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/admin/api/notifications?language=zh", "", `{"destinations":[` + teamObject + `],"alerts":[{"fingerprint":"f1","name":"CarouselPoolDry","severity":"critical",` +
			`"labels":{"upstream":"cursor"},"summary":"s","description":"d","since":"2026-01-31T12:00:00Z","fired_at":"2026-01-31T12:00:00Z","resolved_at":null,"silenced":false,"told":["d1"]}],` +
			`"silences":[{"id":"s1","alert":null,"upstream":"cursor","until":"2026-01-31T12:00:00Z","comment":"we know"}],"deliveries":[` + deliveryObject + `],"alert_names":["CarouselPoolDry"]}`},
		{"POST", "/admin/api/notifications/destinations", `{"name":"team","url":"https://hooks.example/very-secret"}`, teamObject},
		{"PATCH", "/admin/api/notifications/destinations/d1", `{"secret":"very-secret"}`, teamObject},
		{"POST", "/admin/api/notifications/destinations/d1/test", "", deliveryObject},
		{"POST", "/admin/api/notifications/silences", `{"alert":"CarouselPoolDry","until":"2026-01-31T12:00:00Z"}`, `{"id":"s1","alert":"CarouselPoolDry","upstream":null,"until":"2026-01-31T12:00:00Z","comment":""}`},
	} {
		s := newStore()
		w := send(t, s, c.method, c.path, key, c.body)
		if got := w.Body.String(); got != c.want {
			t.Errorf("%s %s: got\n%s, want\n%s", c.method, c.path, got, c.want)
		}
		if text, _ := json.Marshal(s.kept); strings.Contains(w.log+string(text), "very-secret") {
			t.Errorf("%s %s: a secret is in the log", c.method, c.path)
		}
	}
}

// What a body says of a destination is changed, and nothing else.
func TestWhatDestinationsAreSaidToBe(t *testing.T) {
	t.Parallel()
	edited := func(version uint64, change func(*tokenstorev1.PutDestinationRequest)) *tokenstorev1.PutDestinationRequest {
		request := &tokenstorev1.PutDestinationRequest{Destination: proto.CloneOf(team), ExpectedVersion: version}
		change(request)
		return request
	}
	empty := ""
	for name, c := range map[string]struct {
		body    string
		headers []string
		want    proto.Message
	}{
		"a name, by the version that was seen": {`{"name":"x"}`, []string{"If-Match", `"2"`}, edited(2, func(r *tokenstorev1.PutDestinationRequest) { r.Destination.Name = "x" })},
		"no secret any more":                   {`{"secret":null}`, nil, edited(0, func(r *tokenstorev1.PutDestinationRequest) { r.Secret = &empty })},
		"all alerts": {`{"alerts":null,"recoveries":false,"disabled":true}`, nil, edited(0, func(r *tokenstorev1.PutDestinationRequest) {
			r.Destination.WithoutRecoveries, r.Destination.Disabled = true, true
		})},
		"mail": {`{"kind":"mail","mail":{"server":"m:25","security":"tls","username":"u","from":"a@b.c","to":["d@e.f"]}}`, nil, edited(0, func(r *tokenstorev1.PutDestinationRequest) {
			r.Destination.Kind = "mail"
			r.Destination.Mail = &tokenstorev1.MailRoute{Server: "m:25", Security: "tls", Username: "u", From: "a@b.c", To: []string{"d@e.f"}}
		})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore()
			if w := send(t, s, "PATCH", "/admin/api/notifications/destinations/d1", key, c.body, c.headers...); w.Code != http.StatusOK {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			if diff := cmp.Diff(c.want, s.changed, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNotificationsThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"PATCH", "/admin/api/notifications/destinations/d9", `{"name":"x"}`, 404, "there is no destination"},
		{"DELETE", "/admin/api/notifications/destinations/d9", "", 404, "there is no destination"},
		{"POST", "/admin/api/notifications/destinations", `{"colour":"red"}`, 400, "there is no such field here"},
		{"POST", "/admin/api/notifications/destinations", `{"mail":7}`, 400, "mail"},
		{"POST", "/admin/api/notifications/silences", `{"until":"tomorrow"}`, 400, "a time such as"},
		{"GET", "/admin/api/notifications?lang=en", "", 400, "there is language"},
	} {
		if w := send(t, newStore(), c.method, c.path, key, c.body); w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
}
